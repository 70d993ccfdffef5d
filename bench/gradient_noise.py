#!/usr/bin/env python3
"""How far the gradients of a precision are from those of FP32: one step of one model on one batch in each.

Needs nothing but Python 3.9 and a built octet. The gradient is read off the weights: SGD without decay or clipping moves
them by it. A step with a learning rate of 0 on another batch goes before, so that delayed scaling has seen something.
Printed for each kind of weight: the relative error |g - g32| / |g32|, mean over the layers, and for all of them the
cosine, and the slope of g along g32, which is 1 where the error has no direction of its own.

example:
  bench/gradient_noise.py build/octet --model runs/stories/model --text books/emma.txt
"""
import argparse
import collections
import json
import math
import pathlib
import re
import struct
import sys
import tempfile

from loss_gaps import call

PRECISIONS = ["bf16", "fp8_delayed", "fp8_current", "fp8_block", "mxfp8", "int8"]
RATE = 128.0  # a power of two: nothing is lost in dividing by it


def tensors_of(file):
    """Of a safetensors file, as lists of floats."""
    data = file.read_bytes()
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    result = {}
    for name, entry in json.loads(data[8:begin]).items():
        if name == "__metadata__":
            continue
        first, last = (begin + offset for offset in entry["data_offsets"])
        if entry["dtype"] == "F32":
            result[name] = struct.unpack(f"<{(last - first) // 4}f", data[first:last])
        elif entry["dtype"] == "BF16":
            halves = struct.unpack(f"<{(last - first) // 2}H", data[first:last])
            result[name] = struct.unpack(f"<{len(halves)}f", struct.pack(f"<{len(halves)}I", *(h << 16 for h in halves)))
        else:
            sys.exit(f"{file}: {name} is {entry['dtype']}; the model must be F32 or BF16")
    return result


def gradients(args, precision, folder):
    recipe = {
        "output": str(folder / precision), "from": str(args.model.resolve()), "precision": precision, "dtype": "float32",
        "seed": args.seed, "data": {"train": [str(text.resolve()) for text in args.text], "sequence_length": args.length},
        "batch_size": args.batch, "steps": 2, "schedule": {"name": "constant", "warmup_steps": 1},
        "optimizer": {"name": "sgd", "learning_rate": RATE, "weight_decay": 0, "clip": 0}}
    file = folder / f"{precision}.json"  # JSON is YAML
    file.write_text(json.dumps(recipe))
    call([args.octet, "train", file, "--json", "--threads", args.threads])
    before = tensors_of(args.model / "model.safetensors")
    after = tensors_of(folder / precision / "model" / "model.safetensors")
    return {name: [(a - b) / RATE for a, b in zip(before[name], after[name])] for name in before}


def kind_of(name):
    found = re.search(r"layers\.\d+\.(?:self_attn|mlp)\.(\w+)_proj\.weight$", name)
    return found[1] if found else "norms" if "norm" in name else "embedding and head"


def dot(a, b):
    return math.sumprod(a, b) if hasattr(math, "sumprod") else sum(x * y for x, y in zip(a, b))


def compare(truth, other):
    kinds = collections.defaultdict(list)
    along = length = square = 0.0
    for name, g32 in truth.items():
        g = other[name]
        error = [x - y for x, y in zip(g, g32)]
        kind = kind_of(name)
        kinds[kind].append(math.sqrt(dot(error, error) / max(dot(g32, g32), 1e-300)))
        if kind in ("norms", "embedding and head"):
            continue  # no recipe multiplies with them
        along += dot(g, g32)
        length += dot(g32, g32)
        square += dot(g, g)
    row = {kind: sum(errors) / len(errors) for kind, errors in kinds.items()}
    row["cosine"] = along / math.sqrt(max(length * square, 1e-300))
    row["slope"] = along / max(length, 1e-300)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("octet", type=pathlib.Path, help="the program")
    parser.add_argument("--model", type=pathlib.Path, required=True, help="a directory with F32 or BF16 weights in one file")
    parser.add_argument("--text", type=pathlib.Path, nargs="+", required=True)
    parser.add_argument("--precision", nargs="+", default=PRECISIONS)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers there")
    args = parser.parse_args()
    args.octet = args.octet.resolve()
    with tempfile.TemporaryDirectory() as folder:
        truth = gradients(args, "fp32", pathlib.Path(folder))
        rows = {name: compare(truth, gradients(args, name, pathlib.Path(folder))) for name in args.precision}
    columns = list(next(iter(rows.values())))
    print("| precision | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    for name, row in rows.items():
        cells = [f"{row[c]:.5f}" if c in ("cosine", "slope") else f"{100 * row[c]:.2f} %" for c in columns]
        print(f"| {name} | " + " | ".join(cells) + " |")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
