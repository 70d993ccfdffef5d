#!/usr/bin/env python3
"""What compressing costs in accuracy: the default algorithm beside rounding to the nearest, scheme by scheme.

Needs nothing but Python 3.9 and a built octet. Each model is compressed by both on one text and measured on another,
which should have 100,000 tokens or more:
  perplexity   its increase by the default algorithm in percent, with the paired 95 % interval
  KL           divergence from the model as it was, of the default algorithm (KL) and of rounding to the nearest (rtn)
  ratio        of the two, with the 95 % interval of a ratio estimator that pairs the runs of text
  W8A8 weights the weights of the W8A8 models decoded, with inputs as they are; this row and W8A16_CHANNEL are measured
               on copies in F32, as BF16's arithmetic alone is as far from itself as good weights
Then the model is given outliers: in every layer three channels of each norm, rows of v_proj and rows of up_proj become
30 to 100 times larger and the columns that read them as much smaller, which changes no function, and W8A8 is measured.
Exits with 1 where a goal is missed; those of FP8 are octet-stories'.

example:
  bench/compression_quality.py assets/octet-stories --calibration novel.txt --text another-novel.txt
  bench/compression_quality.py MODEL OTHER --calibration FILE --text FILE --rows W8A8 outliers --json numbers.json
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time

import model_copies

SCHEMES = {"W8A8": 0.75, "FP8_DYNAMIC": 0.9, "FP8_BLOCK": 0.9}  # the largest ratio allowed
WEIGHTS = {"W8A8 weights": 0.5, "W8A16_CHANNEL": 0.5}
INCREASE, INCREASE_WITH_OUTLIERS = 0.2, 1.0  # per cent
ROWS = [*SCHEMES, *WEIGHTS, "outliers"]
K95 = 1.959964


def call(command):
    command = [str(part) for part in command]
    begin = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    print(f"{time.monotonic() - begin:6.0f} s  {' '.join(command[1:])}", file=sys.stderr, flush=True)
    return json.loads(done.stdout)


def ratio_of_means(above, below, weights):
    """Ratio of two weighted means over the same runs, with its 95 % interval (Cochran, Sampling Techniques, ch. 6)."""
    a = [x * w for x, w in zip(above, weights)]
    b = [x * w for x, w in zip(below, weights)]
    ratio, n = sum(a) / sum(b), len(a)
    squares = sum((x - ratio * y) ** 2 for x, y in zip(a, b))
    half = K95 * math.sqrt(squares * n / (n - 1)) / sum(b) if n > 1 else math.inf
    return ratio, ratio - half, ratio + half


def percent(ratio):
    return 100 * (ratio - 1)


class Quality:
    """One model: what is made of it, and how far that is from it."""

    def __init__(self, args, model, work):
        self.args, self.model, self.work = args, model, work
        self.made, self.float_copy = {}, None

    def in_f32(self):
        if not self.float_copy:
            self.float_copy = self.work / "f32"
            model_copies.write_float_copy(self.model, self.float_copy)
        return self.float_copy

    def compress(self, source, scheme, algorithm):
        target = self.work / f"{source.name}-{scheme}-{algorithm}"
        if target not in self.made:
            how = ["--calibration", self.args.calibration] if algorithm != "rtn" else []
            self.made[target] = call([self.args.octet, "compress", source, "--scheme", scheme, "--algorithm", algorithm, *how,
                                      "-o", target, "--force", "--json", *self.args.threads])
        return target

    def evaluate(self, model, baseline):
        return call([self.args.octet, "eval", model, "--baseline", baseline, "--text", self.args.text, "--context",
                     self.args.context, "--json", *self.args.threads])

    def decode(self, model):
        target = model.with_name(model.name + "-decoded")
        model_copies.write_float_copy(model, target)
        return target

    def pair(self, name):
        """The default's and rounding to the nearest's evaluations."""
        algorithms = (self.args.algorithm, "rtn")
        if name in SCHEMES:
            return [self.evaluate(self.compress(self.model, name, algorithm), self.model) for algorithm in algorithms]
        f32 = self.in_f32()
        if name == "W8A16_CHANNEL":
            return [self.evaluate(self.compress(f32, name, algorithm), f32) for algorithm in algorithms]
        return [self.evaluate(self.decode(self.compress(self.model, "W8A8", algorithm)), f32) for algorithm in algorithms]

    def row(self, name):
        ours, theirs = self.pair(name)
        ratio = ratio_of_means(ours["runs"]["kl_divergence"], theirs["runs"]["kl_divergence"], ours["runs"]["tokens"])
        goal = {**SCHEMES, **WEIGHTS}[name]
        row = {"row": name, **increase(ours), "kl": ours["kl_divergence"], "kl_rtn": theirs["kl_divergence"],
               "increase_rtn_percent": percent(theirs["perplexity_ratio"]), "ratio": ratio[0], "ratio_95": ratio[1:],
               "goal": goal, "tokens": ours["tokens"], "float_perplexity": ours["baseline"]["perplexity"]}
        row["pass"] = ratio[0] <= goal and row["increase_95_percent"][0] <= INCREASE
        return row

    def outlier_rows(self):
        f32, source = self.in_f32(), self.work / "outliers"
        model_copies.write_with_outliers(self.model, source)
        unchanged = self.evaluate(source, f32)
        rows = [{"row": "as it is", **increase(unchanged), "kl": unchanged["kl_divergence"], "pass": unchanged["kl_divergence"] < 1e-6}]
        for algorithm in ("rtn", "smoothquant", "rotation", self.args.algorithm):
            answer = self.evaluate(self.compress(source, "W8A8", algorithm), source)
            row = {"row": algorithm, **increase(answer), "kl": answer["kl_divergence"]}
            if algorithm == "rtn":
                row["goal"], row["pass"] = f"> {INCREASE_WITH_OUTLIERS:g} %", row["increase_95_percent"][0] > INCREASE_WITH_OUTLIERS
            else:
                row["goal"], row["pass"] = f"<= {INCREASE_WITH_OUTLIERS:g} %", row["increase_percent"] <= INCREASE_WITH_OUTLIERS
            rows.append(row)
        return rows

    def measure(self):
        rows = [self.row(name) for name in self.args.rows if name != "outliers"]
        outliers = self.outlier_rows() if "outliers" in self.args.rows else []
        return {"model": str(self.model), "text": str(self.args.text), "calibration": str(self.args.calibration),
                "context": self.args.context, "algorithm": self.args.algorithm, "rows": rows, "outliers": outliers}


def increase(answer):
    low, high = answer["perplexity_ratio_95"]
    return {"increase_percent": percent(answer["perplexity_ratio"]), "increase_95_percent": (percent(low), percent(high))}


def short(number):
    """7.12e-4"""
    mantissa, exponent = f"{number:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def verdict(row):
    return "pass" if row["pass"] else "MISS"


def table(result):
    """80 columns."""
    lines = [result["model"]]
    if result["rows"]:
        first = result["rows"][0]
        lines.append(f"{first['tokens']:,} tokens in runs of {result['context']}, perplexity {first['float_perplexity']:.3f}")
        lines.append(f"{'':13} {'perplexity %, 95 %':<20} {'KL':<7} {'rtn':<7} {'ratio, 95 %':<18} goal")
    for row in result["rows"]:
        low, high = row["increase_95_percent"]
        ends = row["ratio_95"]
        lines.append(f"{row['row']:13} {row['increase_percent']:+.2f} ({low:+.2f}, {high:+.2f}) {short(row['kl']):<7} "
                     f"{short(row['kl_rtn']):<7} {row['ratio']:.3f} ({ends[0]:.2f}, {ends[1]:.2f}) {row['goal']:.2f} {verdict(row)}")
    if result["outliers"]:
        lines.append("W8A8 of the model with outliers, perplexity %, 95 %, and KL")
    for row in result["outliers"]:
        low, high = row["increase_95_percent"]
        lines.append(f"  {row['row']:12} {row['increase_percent']:+.3f} ({low:+.3f}, {high:+.3f})  {short(row['kl']):<8} "
                     f"{row.get('goal', 'KL < 1e-6')} {verdict(row)}")
    return "\n".join(lines)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path, metavar="MODEL", help="directories of float models")
    parser.add_argument("--calibration", type=pathlib.Path, required=True, help="the text that is calibrated on")
    parser.add_argument("--text", type=pathlib.Path, required=True, help="the text that is measured on, another one")
    parser.add_argument("--octet", type=pathlib.Path, default=pathlib.Path("build/octet"), help="the program (default %(default)s)")
    parser.add_argument("--algorithm", default="default", help="beside rtn (default %(default)s)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS, metavar="ROW", help=f"some of {', '.join(ROWS)}")
    parser.add_argument("--context", type=int, default=512, help="positions of a run of text (default %(default)s)")
    parser.add_argument("--threads", type=int, help="default: octet's own")
    parser.add_argument("--work", type=pathlib.Path, help="keep the models there (default: a folder that is removed)")
    parser.add_argument("--json", type=pathlib.Path, help="write all numbers there")
    args = parser.parse_args()
    args.octet = args.octet.resolve()
    for path in (args.octet, args.calibration, args.text, *(model / "config.json" for model in args.models)):
        if not path.exists():
            parser.error(f"{path} is not there")
    if args.calibration.samefile(args.text):
        parser.error("--text is the calibration text itself: measure on another")
    args.threads = ["--threads", args.threads] if args.threads else []
    return args


def main():
    args = parse_args()
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        for number, model in enumerate(args.models):
            work = (args.work or pathlib.Path(temporary)) / f"{number}-{model.resolve().name}"
            work.mkdir(parents=True, exist_ok=True)
            results.append(Quality(args, model.resolve(), work).measure())
            print(table(results[-1]) + "\n", flush=True)
            if args.json:
                args.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0 if all(row["pass"] for result in results for row in result["rows"] + result["outliers"]) else 1


if __name__ == "__main__":
    sys.exit(main())
