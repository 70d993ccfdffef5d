#!/usr/bin/env python3
"""Writes quant/*.safetensors: the scales and codes that compressed-tensors and torchao give small matrices, and what the
definition of Octet's own rounding gives them in numpy and ml_dtypes.

    pip install torch numpy ml_dtypes safetensors compressed-tensors
    pip install --no-deps torchao
    python make_quant_goldens.py

A tensor is called DTYPE.FORMAT.GRANULARITY.scales (float32) or .codes (bytes); DTYPE.w is the matrix. torchao is asked for
its INT8 and float8 tensors of weights and for to_mx; a row of zeros is left out of its float8 (it divides 0 by 0).
"""
import pathlib

import ml_dtypes
import numpy as np
import torch
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import quantize
from compressed_tensors.quantization.utils import calculate_qparams
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent / "quant"
N, K, BLOCK = 8, 256, 4
DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
EXTENTS = {"tensor": (N, K), "channel": (1, K), "group": (1, 128), "block": (BLOCK, 128), "mx": (1, 32)}
LARGEST = {"INT8": 127.5, "E4M3": 448.0, "E5M2": 57344.0}
ML = {"E4M3": ml_dtypes.float8_e4m3fn, "E5M2": ml_dtypes.float8_e5m2}


def matrix(dtype):
    generator = np.random.default_rng(7)
    w = generator.standard_normal((N, K)).astype(np.float32) * 0.02
    w[1] = generator.uniform(-1, 1, K)
    w[2] *= np.exp(2 * generator.standard_normal(K))  # outliers
    w[3] = 0
    w[4] *= 1e-5  # in F16: subnormal
    w[5] = (np.arange(K) - 127.5) / 127.5  # on and beside ties
    w[6] = np.where(np.arange(K) % 32 == 0, 1.75, 0.01 * w[1])  # where the rules of power-of-two scales part
    w[7] *= 1000
    return torch.from_numpy(w).to(dtype)


def pieces(w, extent):
    """[N/rows, K/columns, rows * columns]"""
    rows, columns = extent
    return w.reshape(N // rows, rows, K // columns, columns).transpose(1, 2).reshape(N // rows, K // columns, -1)


def spread(scales, extent):
    return scales.repeat_interleave(extent[0], 0).repeat_interleave(extent[1], 1)


def bytes_of(codes):
    return codes.contiguous().view(torch.uint8)


def by_compressed_tensors(w, kind, granularity):
    args = dict(num_bits=8, type="int" if kind == "INT8" else "float", symmetric=True)
    if granularity == "mx":
        args |= dict(strategy="group", group_size=32, scale_dtype=torch.uint8)
    elif granularity == "group":
        args |= dict(strategy="group", group_size=128)
    elif granularity == "block":
        args |= dict(strategy="block", block_structure=[BLOCK, 128])
    else:
        args |= dict(strategy=granularity)
    args = QuantizationArgs(**args)
    parts = pieces(w, EXTENTS[granularity])
    scales, zero_points = calculate_qparams(parts.amin(-1), parts.amax(-1), args)
    dtype = torch.int8 if kind == "INT8" else torch.float8_e4m3fn
    return scales, quantize(w, scales, zero_points, args, dtype=dtype)


def by_torchao(w, kind, granularity):
    from torchao.prototype.mx_formats.mx_tensor import to_mx
    from torchao.quantization.granularity import PerRow, PerTensor
    from torchao.quantization.quant_primitives import _choose_scale_float8, _quantize_affine_float8
    from torchao.quantization.quantize_.workflows.int8.int8_tensor import Int8Tensor

    if granularity == "mx":
        scales, codes = to_mx(w, torch.float8_e4m3fn, 32)
        return torch.exp2(scales.view(torch.uint8).float() - 127), codes
    if kind == "INT8":
        made = Int8Tensor.from_hp(w, PerTensor() if granularity == "tensor" else PerRow())
        return made.scale, made.qdata
    dtype = {"E4M3": torch.float8_e4m3fn, "E5M2": torch.float8_e5m2}[kind]
    scales = _choose_scale_float8(w, list(EXTENTS[granularity]), dtype)
    return scales, _quantize_affine_float8(w, scales, dtype)


def by_definition(w, kind, granularity, rounding="half_even", largest=None, lowest=-128):
    """Octet's own: the scale rounded to the weight's dtype, divided in float32."""
    extent = EXTENTS[granularity]
    amax = pieces(w, extent).abs().amax(-1).float()
    scales = (amax / (largest or LARGEST[kind])).to(w.dtype).float()
    scales[scales == 0] = torch.finfo(w.dtype).eps
    y = (w.float() / spread(scales, extent)).numpy()
    if kind == "INT8":
        y = np.clip(y, lowest, 127)
        exact = np.abs(y.astype(np.float64))
        magnitude = {"half_even": np.rint, "half_away": lambda v: np.floor(v + 0.5), "toward_zero": np.floor}[rounding](exact)
        codes = np.copysign(magnitude, y).astype(np.int8)
    else:
        codes = np.clip(y, -LARGEST[kind], LARGEST[kind]).astype(ML[kind]).view(np.uint8)
    return scales, torch.from_numpy(codes)


def add(tensors, name, made):
    tensors[name + ".scales"] = made[0].float().contiguous()
    tensors[name + ".codes"] = bytes_of(made[1])


def main():
    HERE.mkdir(exist_ok=True)
    theirs, ao, ours = {}, {}, {}
    for name, dtype in DTYPES.items():
        w = matrix(dtype)
        for tensors in (theirs, ao, ours):
            tensors[name + ".w"] = w.clone()
        for kind in ("INT8", "E4M3"):
            for granularity in ("tensor", "channel", "group", "block"):
                add(theirs, f"{name}.{kind}.{granularity}", by_compressed_tensors(w, kind, granularity))
        if name != "F16":
            add(theirs, f"{name}.E4M3.mx", by_compressed_tensors(w, "E4M3", "mx"))
            add(ao, f"{name}.E4M3.mx", by_torchao(w, "E4M3", "mx"))
        for granularity in ("tensor", "channel"):
            add(ao, f"{name}.INT8.{granularity}", by_torchao(w, "INT8", granularity))
        add(ao, f"{name}.E4M3.tensor", by_torchao(w, "E4M3", "tensor"))
        add(ao, f"{name}.E5M2.tensor", by_torchao(w, "E5M2", "tensor"))
        for kind in LARGEST:
            for granularity in ("tensor", "channel", "group", "block"):
                add(ours, f"{name}.{kind}.{granularity}", by_definition(w, kind, granularity))
        for rounding in ("half_away", "toward_zero"):
            add(ours, f"{name}.{rounding}", by_definition(w, "INT8", "channel", rounding))
        add(ours, f"{name}.narrow", by_definition(w, "INT8", "channel", largest=127.0, lowest=-127))
    save_file(theirs, HERE / "compressed_tensors.safetensors")
    save_file(ao, HERE / "torchao.safetensors")
    save_file(ours, HERE / "octet.safetensors")


if __name__ == "__main__":
    main()
