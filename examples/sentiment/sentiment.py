#!/usr/bin/env python3
"""Trains the sentiment classifiers of this folder in FP32, FP8 and INT8 and prints loss and accuracy of each.

    examples/sentiment/sentiment.py                     # both, one seed
    examples/sentiment/sentiment.py sst2 --seeds 5      # the table of docs/training.md

The data is read from ../shared/data/sentiment beside the repository, or from --data; it is not part of the repository.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PRECISIONS = {"FP32": "fp32", "FP8": "fp8_current", "INT8": "int8"}
MEASURED_ON = {"sst2": "test.tsv", "chnsenticorp": "dev.tsv"}  # the other's test.tsv has no labels


def octet(arguments, threads):
    command = [os.environ.get("OCTET", str(ROOT / "build" / "octet")), *map(str, arguments), "--json"]
    if threads:
        command += ["--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def recipe(name, data, output, precision, seed):
    """The recipe of this folder with absolute paths, a precision and a seed."""
    text = (HERE / f"{name}.yaml").read_text()
    text = re.sub(r"^output:.*", f"output: {output}", text, flags=re.M)
    text = re.sub(r"^precision:[^#\n]*", f"precision: {precision} ", text, flags=re.M)
    text = re.sub(r"\[(\w+\.tsv)\]", lambda file: f"[{data / file[1]}]", text)
    return text + f"seed: {seed}\n"


def run(name, data, precision, seed, threads):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "recipe.yaml"
        file.write_text(recipe(name, data, pathlib.Path(folder) / "run", precision, seed))
        trained = octet(["train", file], threads)
        measured = octet(["eval", trained["directory"], "--data", data / MEASURED_ON[name]], threads)
        return measured["loss"], 100 * measured["accuracy"], trained["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(MEASURED_ON), metavar="NAME", help="sst2, chnsenticorp")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared" / "data" / "sentiment")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, help="of each training, which decides no number")
    options = parser.parse_args()
    for name in options.names:
        if name not in MEASURED_ON:
            sys.exit(f"{name}: there is no such example; there are {', '.join(MEASURED_ON)}")
        data = options.data / name
        if not data.exists():
            print(f"{name}: skipped, {data} is not there")
            continue
        print(f"{name}, {MEASURED_ON[name]}, seeds 1 to {options.seeds}")
        for label, precision in PRECISIONS.items():
            results = []
            for seed in range(1, options.seeds + 1):
                results.append(run(name, data, precision, seed, options.threads))
            losses, accuracies, seconds = zip(*results)
            error = statistics.stdev(accuracies) / len(accuracies) ** 0.5 if len(accuracies) > 1 else 0
            spread = f" ± {error:.2f}" if error else ""
            each = " ".join(f"{a:.2f}" for a in accuracies)
            print(f"  {label:5} loss {statistics.mean(losses):.4f}  accuracy {statistics.mean(accuracies):.2f} %{spread}"
                  f"  ({each})  {statistics.mean(seconds):.0f} s", flush=True)


if __name__ == "__main__":
    main()
