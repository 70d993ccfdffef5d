#!/usr/bin/env python3
"""Writes tests/golden/train/optimizer.safetensors: steps of PyTorch's SGD, Adam and AdamW, of torchao's 8-bit and FP8 AdamW,
torchao's codes, and the learning rates of Transformers' schedules.

    pip install torch torchao transformers safetensors numpy && python3 make_optimizer_goldens.py [OUT_FILE]
"""
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from torchao.optim import adam as ao_adam
from torchao.optim.quant_utils import create_dynamic_map, quantize_8bit_with_qmap, scale_tensor
from torchao.optim.subclass_8bit import OptimState8bit
from torchao.optim.subclass_fp8 import OptimStateFp8, quantize_fp8
from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "train" / "optimizer.safetensors"
STEPS, N, BLOCKS = 4, 300, 1024
RATES = [1e-2, 5e-3, 2e-2, 1e-3]
torch.manual_seed(4)
out = {}


def numbers(*shape):
    """Magnitudes over several powers of ten, and zeros, as gradients have."""
    x = torch.randn(*shape) * torch.pow(10.0, torch.randint(-5, 1, shape).float())
    return torch.where(torch.rand(*shape) < 0.05, torch.zeros(()), x)


def dynamic_map(signed):
    """The map in float64, rounded once: torch.linspace in float32 depends on the machine's vector width. torchao's is checked."""
    positive = [10.0**e * (0.1 + 0.9 * (i + 0.5) / n) for e in range(-6, 1) for n in [2 ** (e + 6 + (not signed))] for i in range(n)]
    exact = torch.tensor(sorted([-x for x in positive] * signed + [0.0] + positive + [1.0]), dtype=torch.float64).float()
    torch.testing.assert_close(exact, torch.tensor(create_dynamic_map(signed)), rtol=2e-7, atol=0)
    return exact


def int8_state(signed):
    state = OptimState8bit.zeros((BLOCKS,), signed)
    state.qmap = dynamic_map(signed)
    return state


def steps(name, make, clip=0.0):
    weights = torch.nn.Parameter(out["weights"].clone())
    optimizer = make([weights])
    for gradient, rate in zip(out["gradients"], RATES):
        optimizer.param_groups[0]["lr"] = rate
        weights.grad = gradient.clone()
        if clip:
            torch.nn.utils.clip_grad_norm_([weights], clip)
        optimizer.step()
    out[f"{name}.weights"] = weights.detach().clone()
    for key, value in optimizer.state[weights].items():
        if key != "step" and value is not None:
            out[f"{name}.{key}"] = value.clone()


def quantized_steps(name, zeros):
    """torchao's step itself, not compiled, on moments made as its optimizers make them."""
    weights, first, second = out["block.weights"].clone(), zeros(True), zeros(False)
    for step, (gradient, rate) in enumerate(zip(out["block.gradients"], RATES), 1):
        ao_adam.single_param_adam(weights, gradient, torch.tensor(float(step)), first, second, None, torch.tensor(rate), 0.9, 0.95,
                                  0.1, 1e-8, True, False)
    out[f"{name}.weights"] = weights
    for key, state in ("exp_avg", first), ("exp_avg_sq", second):
        out[f"{name}.{key}.codes"] = state.codes.view(torch.uint8)
        out[f"{name}.{key}.scales"] = state.scale


def codes():
    signed, unsigned = dynamic_map(True), dynamic_map(False)
    out["map.signed"], out["map.unsigned"] = signed, unsigned
    for name, qmap in ("signed", signed), ("unsigned", unsigned):
        halves = (qmap[1:] + qmap[:-1]) / 2
        near = [torch.nextafter(halves, torch.tensor(float(d))) for d in (-2, 2)]
        x = torch.cat([qmap, halves, *near, torch.rand(500) * 2 - 1, numbers(500).clamp(-1, 1), torch.tensor([-1.0, 0.0])])
        x = x.clamp(min=0) if name == "unsigned" else x
        out[f"encode.{name}.x"], out[f"encode.{name}.codes"] = x, quantize_8bit_with_qmap(x, qmap)
    values = numbers(4 * 256)
    values[256:512] = 0
    values[512:768] *= 1e-14
    out["blocks.x"] = values
    scaled, out["blocks.int8.scales"] = scale_tensor(values, 256)
    out["blocks.int8.codes"] = quantize_8bit_with_qmap(scaled, signed)
    fp8, out["blocks.fp8.scales"] = quantize_fp8(values, 256)
    out["blocks.fp8.codes"] = fp8.view(torch.uint8)


def schedules():
    makers = {"constant": lambda o: get_constant_schedule_with_warmup(o, 5), "linear": lambda o: get_linear_schedule_with_warmup(o, 5, 40),
              "cosine": lambda o: get_cosine_schedule_with_warmup(o, 5, 40)}
    for name, make in makers.items():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule, rates = make(optimizer), []
        for _ in range(45):
            rates.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        out[f"schedule.{name}"] = torch.tensor(rates, dtype=torch.float64)


out["weights"], out["gradients"] = torch.randn(N), numbers(STEPS, N)
out["block.weights"], out["block.gradients"] = torch.randn(BLOCKS), numbers(STEPS, BLOCKS)
one = dict(foreach=False)
steps("sgd", lambda p: torch.optim.SGD(p, lr=1, weight_decay=0.1, **one))
steps("sgd_momentum", lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, weight_decay=0.1, **one))
steps("sgd_dampening", lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, dampening=0.5, **one))
steps("sgd_nesterov", lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, nesterov=True, **one))
steps("adam", lambda p: torch.optim.Adam(p, **one))
steps("adam_l2", lambda p: torch.optim.Adam(p, weight_decay=0.1, **one))
steps("adamw", lambda p: torch.optim.AdamW(p, betas=(0.9, 0.95), weight_decay=0.1, **one))
steps("adamw_clipped", lambda p: torch.optim.AdamW(p, betas=(0.9, 0.95), weight_decay=0.1, **one), clip=1.0)
quantized_steps("int8", int8_state)
quantized_steps("fp8", lambda signed: OptimStateFp8.zeros((BLOCKS,)))
codes()
schedules()
out["sum_of_squares"] = torch.tensor([np.sum(out["gradients"].numpy().astype(np.float64) ** 2)])
OUT.parent.mkdir(exist_ok=True)
save_file({key: value.contiguous() for key, value in out.items()}, OUT)
