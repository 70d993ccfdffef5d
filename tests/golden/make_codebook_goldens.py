#!/usr/bin/env python3
"""Writes quant/codebook.safetensors: what numpy in float64 makes of logarithmic codes and of k-means in one dimension.

    pip install numpy ml_dtypes safetensors
    python make_codebook_goldens.py

log.x (F32) and log.codes (U8): sign and round(log2|x| · 20) + 127, from the definition; what is below half of the smallest
is 0. log.values: the 256 numbers, in BF16 and widened. NAME.w (BF16), NAME.scales (F32, the largest magnitude of a row in BF16),
NAME.importance (F32) and NAME.error (F64): the least weighted squared error that 256 numbers can have on w / scale, found
by dynamic programming over all divisions of the sorted numbers; NAME.rounded_error: of the same numbers rounded to BF16.
"""
import pathlib

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent / "quant"
LEVELS, ENTRIES = 20, 256
SMALLEST = 2.0 ** (-126 / LEVELS)


def bf16(x):
    return np.asarray(x, np.float32).astype(ml_dtypes.bfloat16).astype(np.float64)


def log_values():
    magnitudes = np.concatenate([[0.0], bf16(2.0 ** ((np.arange(1, 128) - 127) / LEVELS))])
    return np.concatenate([magnitudes, -magnitudes])


def log_codes(x):
    x = x.astype(np.float64)
    with np.errstate(divide="ignore"):
        q = np.floor(np.log2(np.abs(x)) * LEVELS + 0.5) + 127
    code = np.clip(q, 1, 127)
    code = np.where(np.abs(x) < bf16(SMALLEST) / 2, 0, code + np.where(x < 0, 128, 0))
    return code.astype(np.uint8)


def best_table(x, weight):
    """The optimum: Wu 1991. cost[i] is that of the first i numbers."""
    order = np.argsort(x, kind="stable")
    x, weight = x[order], weight[order]
    sums = [np.concatenate([[0], np.cumsum(weight * x**power)]) for power in range(3)]
    n = len(x)

    def cost(begin, end):
        count, first, second = (s[end] - s[begin] for s in sums)
        return np.maximum(second - first**2 / np.maximum(count, 1e-300), 0)

    ends = np.arange(n + 1)
    least = cost(np.zeros(n + 1, int), ends)
    borders = []
    for _ in range(ENTRIES - 1):
        table = np.where(ends[None, :] < ends[:, None], least[None, :] + cost(ends[None, :], ends[:, None]), np.inf)
        table[0, 0] = 0
        borders.append(np.argmin(table, axis=1))
        least = np.minimum(least, table.min(axis=1))
    end, table = n, []
    for border in reversed(borders):
        begin = border[end]
        if end > begin:
            table.append(np.average(x[begin:end], weights=weight[begin:end]))
        end = begin
    if end > 0:
        table.append(np.average(x[:end], weights=weight[:end]))
    return np.sort(table)


def error(x, weight, table):
    nearest = table[np.searchsorted((table[1:] + table[:-1]) / 2, x)]
    return float((weight * (x - nearest) ** 2).sum())


def main():
    generator = np.random.default_rng(11)
    x = np.concatenate([generator.standard_normal(800) * 0.3, np.geomspace(1e-3, 1.5, 600), -np.geomspace(1e-3, 1.5, 600),
                        log_values(), [0.0, 1.0, -1.0, SMALLEST, SMALLEST / 2]]).astype(np.float32)
    exact = np.abs(x.astype(np.float64)[np.abs(x) > 0])
    steps = np.log2(exact) * LEVELS
    tie = np.zeros(len(x), bool)
    tie[np.abs(x) > 0] = np.abs(steps - np.floor(steps) - 0.5) < 1e-5
    x = x[~tie]
    tensors = {"log.x": x, "log.codes": log_codes(x), "log.values": log_values().astype(np.float32)}
    for name, draw in {"gauss": generator.standard_normal, "laplace": lambda shape: generator.laplace(size=shape)}.items():
        w = (draw((16, 64)) * np.exp(generator.standard_normal((16, 1)))).astype(ml_dtypes.bfloat16)
        scales = bf16(np.abs(w.astype(np.float64)).max(1, keepdims=True))
        importance = np.exp(generator.standard_normal(64)).astype(np.float32) if name == "laplace" else np.ones(64, np.float32)
        numbers = (w.astype(np.float64) / scales).ravel()
        weight = np.tile(importance.astype(np.float64), 16)
        table = best_table(numbers, weight)
        tensors |= {f"{name}.w": w, f"{name}.scales": scales.astype(np.float32), f"{name}.importance": importance,
                    f"{name}.error": np.array([error(numbers, weight, table)]),
                    f"{name}.rounded_error": np.array([error(numbers, weight, bf16(table))])}
        print(name, tensors[f"{name}.error"], tensors[f"{name}.rounded_error"], len(table))
    save_file(tensors, HERE / "codebook.safetensors")


if __name__ == "__main__":
    main()
