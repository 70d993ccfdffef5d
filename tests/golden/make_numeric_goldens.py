#!/usr/bin/env python3
"""Writes numeric/tables.txt: what ml_dtypes (and compressed-tensors, for MX scales) make of every code and every tie.

    pip install numpy ml_dtypes torch compressed-tensors
    python make_numeric_goldens.py

ml_dtypes neither saturates nor knows other modes than round-half-even, so values are clamped first where Octet saturates.
A table is a line "name count" and then lines "count first step" (decimal, hexadecimal, decimal): runs in which the value
grows by step. NaN has many codes: tables hold Octet's, or for 16 and 32 bits the canonical quiet one without a sign.
"""
import pathlib

import ml_dtypes
import numpy as np

np.seterr(all="ignore")
F8 = {"e4m3": (ml_dtypes.float8_e4m3fn, 448.0), "e5m2": (ml_dtypes.float8_e5m2, 57344.0)}
F16 = {"bf16": (ml_dtypes.bfloat16, 0x7FC0, 0x7F7F), "fp16": (np.float16, 0x7E00, 0x7BFF)}
ALL16 = np.arange(65536, dtype=np.uint16)


def decode(codes, dtype):
    return codes.view(dtype).astype(np.float32)


def to_f8(x, name):
    dtype, largest = F8[name]
    codes = np.clip(x, -largest, largest).astype(dtype).view(np.uint8)
    return np.where(np.isnan(x), 0x7F | (np.signbit(x) << 7), codes)


def to_f16(x, name):
    dtype, nan, _ = F16[name]
    return np.where(np.isnan(x), nan, x.astype(dtype).view(np.uint16))


def to_int8(x):
    codes = np.rint(np.clip(x, -128, 127))
    return np.where(np.isnan(x), 0, codes).astype(np.int8).view(np.uint8)


def float_bits(x):
    return np.where(np.isnan(x), 0x7FC00000, x.view(np.uint32))


def around_ties(values):
    """Float32 below, at and above the midpoint of each value and the next; past the largest by the same step as before it."""
    values = values.astype(np.float64)
    following = np.append(values[1:], 2 * values[-1] - values[-2])
    middle = ((values + following) / 2).astype(np.float32)
    assert (middle.astype(np.float64) == (values + following) / 2).all()
    bits = middle.view(np.uint32)
    return {"below": (bits - 1).view(np.float32), "tie": middle, "above": (bits + 1).view(np.float32)}


def runs(values):
    values = [int(v) for v in values]
    start = 0
    while start < len(values):
        end = start + 1
        step = values[end] - values[start] if end < len(values) else 0
        while end < len(values) and values[end] - values[end - 1] == step:
            end += 1
        if end - start == 2 and step != 0:  # a pair by chance: leave the second to the next run
            end, step = start + 1, 0
        yield end - start, values[start], step
        start = end


def mx_scales():
    import torch
    from compressed_tensors.quantization.utils.mxfp_utils import generate_mx_scales

    amax = torch.from_numpy(decode(ALL16[:0x7F60], ml_dtypes.bfloat16))  # beyond, its addition runs into infinity
    return torch.clamp(generate_mx_scales(amax, num_bits=8), 0, 254).numpy()


def tables():
    codes8 = np.arange(256, dtype=np.uint8)
    for name, (dtype, _) in F8.items():
        yield f"decode_{name}", float_bits(decode(codes8, dtype))
    yield "decode_e8m0", float_bits(decode(codes8, ml_dtypes.float8_e8m0fnu))
    for name, (dtype, _, _) in F16.items():
        yield f"decode_{name}", float_bits(decode(ALL16, dtype))

    for source, (dtype, _, _) in F16.items():
        x = decode(ALL16, dtype)
        for target in F8:
            yield f"{source}_to_{target}", to_f8(x, target)
        yield f"{source}_to_int8", to_int8(x)
        for target in F16:
            yield f"{source}_to_{target}", to_f16(x, target)
    # ml_dtypes has no rule of its own below the smallest normal float32.
    normal = decode(ALL16[0x80:0x7F00], ml_dtypes.bfloat16)
    yield "normal_bf16_to_e8m0", normal.astype(ml_dtypes.float8_e8m0fnu).view(np.uint8)
    yield "bf16_to_mx_scale", mx_scales()

    encoders = {
        "e4m3": (decode(codes8[:0x7F], F8["e4m3"][0]), lambda x: to_f8(x, "e4m3")),
        "e5m2": (decode(codes8[:0x7C], F8["e5m2"][0]), lambda x: to_f8(x, "e5m2")),
        "int8": (np.arange(129, dtype=np.float32), to_int8),
    }
    for name, (dtype, _, largest) in F16.items():
        encoders[name] = (decode(ALL16[: largest + 1], dtype), lambda x, name=name: to_f16(x, name))
    for name, (values, encode) in encoders.items():
        for place, x in around_ties(values).items():
            for sign, signed in (("", x), ("minus_", -x)):
                yield f"{name}_{sign}{place}_even", encode(signed[0::2])  # a tie after an even code, after an odd one
                yield f"{name}_{sign}{place}_odd", encode(signed[1::2])


def main():
    path = pathlib.Path(__file__).parent / "numeric" / "tables.txt"
    with open(path, "w") as file:
        for name, values in tables():
            print(name, len(values), file=file)
            for count, first, step in runs(values):
                print(f"{count} {first:x} {step}", file=file)


if __name__ == "__main__":
    main()
