#!/usr/bin/env python3
"""Writes ops.safetensors and model_NAME.safetensors: what PyTorch computes forward and backward.

    pip install torch transformers safetensors
    python make_ops_goldens.py

ops.safetensors holds, for each case CASE, the operands CASE.in0, CASE.in1, … in float32, the weights CASE.dy of the
result, and in float64, rounded to float32, the result CASE.y and the gradients CASE.d0, CASE.d1, … of sum(y · dy).
model_NAME.safetensors holds for the checkpoint ../models/NAME the ids and targets of two sequences, the mean
cross-entropy in float64 and its gradient with respect to each tensor of the checkpoint.
"""
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
MODELS = ("llama3_tied", "qwen3", "mistral_window", "biases")
TENSORS = {}


def case(name, f, *operands):
    inputs = [x.to(torch.float64).requires_grad_() for x in operands]
    y = f(*inputs)
    dy = torch.rand(y.shape, dtype=torch.float64) * 2 - 1
    dy = dy.float().double()
    (y * dy).sum().backward()
    TENSORS[name + ".y"] = y.detach().float().reshape(-1) if y.dim() == 0 else y.detach().float().contiguous()
    TENSORS[name + ".dy"] = dy.float().reshape(-1) if y.dim() == 0 else dy.float().contiguous()
    for i, (x, original) in enumerate(zip(inputs, operands)):
        TENSORS[f"{name}.in{i}"] = original.contiguous()
        TENSORS[f"{name}.d{i}"] = x.grad.float().contiguous()


def rms_norm(x, w):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5) * w


def attention(q, k, v, heads, kv_heads, window=0, causal=True):
    t, d = q.shape[0], q.shape[1] // heads
    split = lambda x, n: x.reshape(t, n, d).transpose(0, 1)
    q, k, v = split(q, heads), split(k, kv_heads), split(v, kv_heads)
    k, v = (x.repeat_interleave(heads // kv_heads, 0) for x in (k, v))
    seen = torch.ones(t, t, dtype=torch.bool)
    if causal:
        seen = seen.tril()
    if window:
        seen &= torch.ones(t, t, dtype=torch.bool).triu(1 - window)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
    return out.transpose(0, 1).reshape(t, heads * d)


def lstm(x, w_ih, w_hh, b_ih, b_hh):
    module = torch.nn.LSTM(x.shape[2], w_hh.shape[1], batch_first=True).double()
    weights = dict(weight_ih_l0=w_ih, weight_hh_l0=w_hh, bias_ih_l0=b_ih, bias_hh_l0=b_hh)
    return torch.func.functional_call(module, weights, (x,))[0]


def ops():
    r = torch.randn
    case("rms_norm", rms_norm, r(70, 48), r(48))
    case("layer_norm", lambda x, w, b: F.layer_norm(x, (48,), w, b, 1e-5), r(7, 48), r(48), r(48))
    case("linear", F.linear, r(50, 40), r(36, 40), r(36))
    for name, f in (("relu", F.relu), ("gelu", F.gelu), ("gelu_tanh", lambda x: F.gelu(x, approximate="tanh")),
                    ("silu", F.silu), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid)):
        case(name, f, 3 * r(4, 33))
    case("swiglu", lambda g, u: F.silu(g) * u, 3 * r(5, 40), r(5, 40))
    case("attention", lambda q, k, v: attention(q, k, v, 4, 2), r(75, 64), r(75, 32), r(75, 32))
    case("attention_window", lambda q, k, v: attention(q, k, v, 2, 1, 20), r(75, 24), r(75, 12), r(75, 12))
    case("attention_all", lambda q, k, v: attention(q, k, v, 2, 2, causal=False), r(70, 32), r(70, 32), r(70, 32))
    targets = torch.tensor([3, -100, 0, 8, 8])
    case("cross_entropy", lambda x: F.cross_entropy(x, targets), 3 * r(5, 9))
    labels = torch.tensor([0, 1, 1, 0.25], dtype=torch.float64)
    case("binary_cross_entropy", lambda x: F.binary_cross_entropy_with_logits(x, labels), 3 * r(4))
    case("mean_squared_error", lambda x: F.mse_loss(x, labels), r(4))
    teacher = 3 * r(4, 9)
    TENSORS["kl.teacher"] = teacher
    case("kl", lambda x: F.kl_div(F.log_softmax(x / 2, -1), F.log_softmax(teacher.double() / 2, -1), log_target=True,
                                  reduction="batchmean") * 4, 3 * r(4, 9))
    case("lstm", lstm, r(3, 9, 20), r(64, 20) / 4, r(64, 16) / 4, r(64) / 4, r(64) / 4)
    save_file(TENSORS, HERE / "ops.safetensors")


def model(name):
    llama = AutoModelForCausalLM.from_pretrained(HERE.parent / "models" / name, dtype=torch.float64,
                                                 attn_implementation="eager")
    ids = torch.randint(0, 96, (2, 33))
    logits = llama(ids[:, :-1]).logits
    loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))
    loss.backward()
    tensors = {"ids": ids[:, :-1].to(torch.int32).contiguous(), "targets": ids[:, 1:].to(torch.int32).contiguous(),
               "loss": loss.detach().reshape(1)}
    for key, value in llama.named_parameters():
        tensors["d." + key] = value.grad.float().contiguous()
    save_file(tensors, HERE / f"model_{name}.safetensors")


if __name__ == "__main__":
    torch.manual_seed(1)
    ops()
    for name in MODELS:
        model(name)
