#!/usr/bin/env python3
"""Compresses a model with every scheme that other programs read, or with recipes, and compares the loss that Transformers
with compressed-tensors computes from each directory with `octet eval`'s.

    pip install torch transformers compressed-tensors
    python check_schemes.py MODEL TEXT [--octet build/octet] [--work DIR] [--bytes 20000] [--schemes NAME ...]
        [--recipes FILE.yaml ...]

MODEL's widths should be multiples of 128 (make_wide_stories.py makes such a model). The losses must agree within 0.002 nll,
Transformers computing in float32. Exits with 1 if one does not.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

SCHEMES = ["W8A8", "W8A8_STATIC", "W8A8_ASYM", "W8A16", "W8A16_CHANNEL", "FP8", "FP8_DYNAMIC", "FP8_BLOCK", "FP8A16", "MXFP8",
           "MXFP8A16", "UNQUANTIZED"]
STATIC = {"FP8", "W8A8_STATIC", "W8A8_ASYM"}
BOUND = 0.002
HERE = pathlib.Path(__file__).parent


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr or done.stdout}")
    return json.loads(done.stdout[done.stdout.index("{"):])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--schemes", nargs="+", default=SCHEMES)
    parser.add_argument("--recipes", nargs="+", default=[])
    parser.add_argument("--octet", default="build/octet")
    parser.add_argument("--work", default=None)
    parser.add_argument("--bytes", type=int, default=20000)
    parser.add_argument("--context", type=int, default=512)
    options = parser.parse_args()
    work = pathlib.Path(options.work or tempfile.mkdtemp(prefix="octet-schemes-"))
    work.mkdir(parents=True, exist_ok=True)
    text = work / "text.txt"
    text.write_bytes(pathlib.Path(options.text).read_bytes()[: options.bytes].decode(errors="ignore").encode())

    worst = 0
    print(f"{'scheme':18} {'Transformers':>12} {'octet':>10} {'difference':>11}")
    tasks = [(scheme, ["--scheme", scheme, *(["--calibration", text] if scheme in STATIC else [])])
             for scheme in ([] if options.recipes else options.schemes)]
    tasks += [(pathlib.Path(file).stem, ["--recipe", file, "--calibration", text]) for file in options.recipes]
    for scheme, how in tasks:
        out = work / scheme
        run(options.octet, "compress", options.model, *how, "-o", out, "--force", "--json")
        theirs = run(sys.executable, HERE / "transformers_loss.py", out, text, options.context)["nll"]
        ours = run(options.octet, "eval", out, "--text", text, "--context", options.context, "--json")["nll"]
        worst = max(worst, abs(ours - theirs))
        print(f"{scheme:18} {theirs:12.6f} {ours:10.6f} {ours - theirs:+11.6f}", flush=True)
    sys.exit(worst > BOUND)


if __name__ == "__main__":
    main()
