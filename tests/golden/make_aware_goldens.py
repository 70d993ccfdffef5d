#!/usr/bin/env python3
"""Writes train/aware.safetensors: quantization-aware linear layers forward and backward, as PyTorch computes them.

    pip install torch safetensors
    python make_aware_goldens.py

The operands x [M,K] and w [N,K], and the weights dy of the result. For each CASE (a precision such as W8A8_STATIC+lsq)
the result CASE.y = x' · w'ᵀ of the quantized operands, and the gradients CASE.dx, CASE.dw of sum(y · dy).
What is learned: CASE.steps and CASE.dsteps (of the weight), CASE.input and CASE.dinput. CASE.range: the ends of the
input that were seen. INT8 with step sizes is PyTorch's own _fake_quantize_learnable_*; FP8, zero points, PACT
and scales that follow from the numbers are written out below. Everything in float32.
"""
import math
import pathlib

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
M, N, K = 4, 5, 256
INT8 = (-128, 127, 127.5, 127)
E4M3, E5M2 = (torch.float8_e4m3fn, 448.0), (torch.float8_e5m2, 57344.0)
TENSORS = {}


class Fp8Step(torch.autograd.Function):
    """LSQ (Esser et al. 2020, equations 1 to 5) with the values of an FP8 format for the integers."""

    @staticmethod
    def forward(ctx, v, s, kind, factor):
        dtype, most = kind
        q = (v / s).clamp(-most, most).to(dtype).float()
        ctx.save_for_backward(v, s, q)
        ctx.most, ctx.factor = most, factor
        return q * s

    @staticmethod
    def backward(ctx, g):
        v, s, q = ctx.saved_tensors
        inside = (v / s).abs() <= ctx.most
        ds = g * torch.where(inside, q - v / s, q)
        while ds.dim() > s.dim():
            ds = ds.sum(0)
        for d in range(s.dim()):
            if s.shape[d] == 1:
                ds = ds.sum(d, keepdim=True)
        return g * inside, ds * ctx.factor, None, None


class Int8Step(torch.autograd.Function):
    """The same for INT8 with a zero point: the codes of PyTorch's backward pass are off by one where it is negative."""

    @staticmethod
    def forward(ctx, v, s, point, factor):
        codes = (v / s + point).round()
        q = codes.clamp(-128, 127) - point
        ctx.save_for_backward(v, s, q, (codes >= -128) & (codes <= 127))
        ctx.factor = factor
        return q * s

    @staticmethod
    def backward(ctx, g):
        v, s, q, inside = ctx.saved_tensors
        return g * inside, (g * torch.where(inside, q - v / s, q)).sum().reshape(1) * ctx.factor, None, None


class Clip(torch.autograd.Function):
    """PACT (Choi et al. 2018): clipped at -low and high, which learn from what they clip; rounded straight through."""

    @staticmethod
    def forward(ctx, x, low, high, served, ends):
        ctx.save_for_backward(x)
        ctx.ends = ends
        return served

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        below, above = x < ctx.ends[0], x > ctx.ends[1]
        return g * ~(below | above), -(g * below).sum().reshape(1), (g * above).sum().reshape(1), None, None


def rounded(v, s, kind):
    if kind is INT8:
        return (v / s).round().clamp(-128, 127) * s
    dtype, most = kind
    return (v / s).clamp(-most, most).to(dtype).float() * s


def straight(v, s, kind):
    return v + (rounded(v, s, kind) - v).detach()


def largest_of(kind):
    return 127.5 if kind is INT8 else kind[1]


def step_factor(numbers, kind):
    return 1 / math.sqrt(numbers * (127 if kind is INT8 else kind[1]))


def blocks_of(w, rows, columns):
    n, k = w.shape
    return w.reshape(n // rows, rows, k // columns, columns).permute(0, 2, 1, 3).reshape(-1, rows * columns)


def from_blocks(b, rows, columns):
    return b.reshape(N // rows, K // columns, rows, columns).permute(0, 2, 1, 3).reshape(N, K)


def weight(w, kind, rows, columns, learned):
    """-> w', steps [scales] or None"""
    b = blocks_of(w, rows, columns)
    amax = b.detach().abs().amax(1)
    if not learned:
        return from_blocks(straight(b, (amax / largest_of(kind))[:, None], kind), rows, columns), None
    steps = (amax * 0.8 / largest_of(kind)).detach().requires_grad_()
    factor = step_factor(rows * columns, kind)
    if kind is INT8:
        zeros = torch.zeros_like(steps)
        q = torch._fake_quantize_learnable_per_channel_affine(b, steps, zeros, 0, -128, 127, factor)
    else:
        q = Fp8Step.apply(b, steps[:, None], kind, factor)
    return from_blocks(q, rows, columns), steps


def dynamic(x, kind, group):
    g = x.reshape(-1, group)
    return straight(g, g.detach().abs().amax(1, keepdim=True) / largest_of(kind), kind).reshape(x.shape)


def static(x, kind, method, zero):
    """-> x', what is learned or None, the range that was seen"""
    low, high = (float(x.detach().min()) * 0.7, float(x.detach().max()) * 0.8)
    bound = max(-low, high)
    scale = (torch.tensor(high) - torch.tensor(low)) / 255 if zero else torch.tensor(bound) / largest_of(kind)
    point = round(float(-128 - torch.tensor(low) / scale)) if zero else 0
    seen = torch.tensor([low, high])
    if method == "lsq":
        step = (scale * 1.1).reshape(1).detach().requires_grad_()
        if zero:
            q = Int8Step.apply(x, step, point, step_factor(K, kind))
        elif kind is INT8:
            q = torch._fake_quantize_learnable_per_tensor_affine(x, step, torch.zeros(1), -128, 127, step_factor(K, kind))
        else:
            q = Fp8Step.apply(x, step, kind, step_factor(K, kind))
        return q, step, seen
    if kind is INT8:
        served = (((x / scale + point).round().clamp(-128, 127)) - point) * scale
        ends = ((-128.5 - point) * scale, (127.5 - point) * scale)
    else:
        served, ends = rounded(x, scale, kind), (-kind[1] * scale, kind[1] * scale)
    served = served.detach()
    if method == "pact" and zero:
        learned = torch.tensor([-low, high]).requires_grad_()
        return Clip.apply(x, learned[:1], learned[1:], served, ends), learned, seen
    if method == "pact":
        learned = torch.tensor([bound]).requires_grad_()
        return Clip.apply(x, learned, learned, served, ends), learned, seen
    nothing = torch.zeros(1)
    return Clip.apply(x, nothing, nothing, served, ends), None, seen


def case(name, kind, rows, columns, inputs):
    scheme, _, method = name.partition("+")
    x, w, dy = TENSORS["x"].clone().requires_grad_(), TENSORS["w"].clone().requires_grad_(), TENSORS["dy"]
    w_served, steps = weight(w, kind, rows, columns, method == "lsq")
    learned = seen = None
    if inputs == "float":
        x_served = x
    elif inputs in ("static", "zero point"):
        x_served, learned, seen = static(x, kind, method, inputs == "zero point")
    else:
        x_served = dynamic(x, kind, inputs)
    y = x_served @ w_served.T
    (y * dy).sum().backward()
    put = {"y": y, "dx": x.grad, "dw": w.grad}
    if steps is not None:
        put.update(steps=steps, dsteps=steps.grad)
    if learned is not None:
        put.update(input=learned, dinput=learned.grad)
    if seen is not None:
        put["range"] = seen
    for key, value in put.items():
        TENSORS[f"{name}.{key}"] = value.detach().clone().contiguous()


def main():
    torch.manual_seed(7)
    TENSORS.update(x=torch.randn(M, K) * 1.5, w=torch.randn(N, K) * 0.05, dy=torch.randn(M, N))
    for method in ("", "+lsq"):
        case("W8A8" + method, INT8, 1, K, K)
        case("W8A16" + method, INT8, 1, 128, "float")
        case("W8A16_CHANNEL" + method, INT8, 1, K, "float")
        case("FP8_DYNAMIC" + method, E4M3, 1, K, K)
        case("FP8_BLOCK" + method, E4M3, N, 128, 128)
        case("FP8A16" + method, E4M3, 1, K, "float")
        case("FP8_DYNAMIC_E5M2" + method, E5M2, 1, K, K)
    for method in ("", "+lsq", "+pact"):
        case("W8A8_STATIC" + method, INT8, 1, K, "static")
        case("W8A8_ASYM" + method, INT8, 1, K, "zero point")
        case("FP8" + method, E4M3, N, K, "static")
        case("FP8_E5M2" + method, E5M2, N, K, "static")
    save_file(TENSORS, HERE / "train" / "aware.safetensors")


main()
