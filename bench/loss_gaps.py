#!/usr/bin/env python3
"""How far the precisions of training end from BF16: the same model, data and seed in every one, seed by seed.

Needs nothing but Python 3.9 and a built octet. A model of about 1 M parameters is trained on 2 M tokens in each
precision and with each format of AdamW's moments, always from the same first weights; validation takes 100,000 tokens
from the middles of the texts, which training does not see. The gap is (loss - loss of BF16) / loss of BF16. One more
run of BF16 starts from weights that differ by 1e-6: what it moves is the noise that no gap can be told from. Runs that
are done are not done again, as long as text and program are the same: after a kill the command goes on where it was.

example:
  bench/loss_gaps.py build/octet
  bench/loss_gaps.py build/octet --text books/ --work gaps --seeds 1 --only mxfp8 int8 --threads 1
"""
import argparse
import concurrent.futures
import hashlib
import json
import math
import os
import pathlib
import random
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TEXT = HERE.parent.parent / "shared" / "data" / "text"
MODEL = dict(hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4, tie_word_embeddings=True)
VOCABULARY, LENGTH, BATCH = 1024, 256, 8
VALIDATION_TOKENS, VALIDATION_BYTES = 100_000, 400_000  # a token of so small a vocabulary has less than 4 bytes
NOISE = 1e-6

# name: (precision, moments, first weights perturbed, largest gap allowed in per cent)
RUNS = {
    "bf16": ("bf16", "f32", False, None),
    "bf16, first weights + 1e-6": ("bf16", "f32", True, 0.02),
    "fp32": ("fp32", "f32", False, None),
    "fp8_delayed": ("fp8_delayed", "f32", False, 0.25),
    "fp8_current": ("fp8_current", "f32", False, 0.25),
    "fp8_block": ("fp8_block", "f32", False, 0.25),
    "mxfp8": ("mxfp8", "f32", False, 0.25),
    "int8": ("int8", "f32", False, 1.0),
    "bf16, moments int8": ("bf16", "int8", False, 0.1),
    "bf16, moments fp8": ("bf16", "fp8", False, 0.1),
}
BASE, PERTURBED = list(RUNS)[:2]
STATE_GOAL = 30  # per cent of F32's moments


def text_files(paths):
    files = []
    for path in map(pathlib.Path, paths):
        files += sorted(path.rglob("*.txt")) if path.is_dir() else [path]
    return files


def split(files, folder):
    """Writes train.txt and validation.txt: from the middle of every file its share of the validation text."""
    contents = [file.read_bytes() for file in files]
    total = sum(map(len, contents))
    if total < 4 * VALIDATION_BYTES:
        sys.exit(f"{total} bytes of text are too few: give {4 * VALIDATION_BYTES} or more (--text)")
    train, validation = [], []
    for content in contents:
        size = VALIDATION_BYTES * len(content) // total
        lines = content.split(b"\n")
        begin, at = (len(content) - size) // 2, 0
        parts = [[], [], []]
        for line in lines:
            parts[0 if at < begin else 1 if at < begin + size else 2].append(line)
            at += len(line) + 1
        train += [b"\n".join(parts[0]), b"\n".join(parts[2])]
        validation.append(b"\n".join(parts[1]))
    folder.mkdir(parents=True, exist_ok=True)
    for name, parts in (("train.txt", train), ("validation.txt", validation)):
        (folder / name).write_bytes(b"\n".join(parts) + b"\n")
    return total


def perturb(source, target, seed):
    """Copies a model directory of F32 weights, each times 1 + 1e-6 times a number of the normal distribution."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    file = target / "model.safetensors"
    data = file.read_bytes()
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    weights = struct.unpack(f"<{(len(data) - begin) // 4}f", data[begin:])
    noise = random.Random(seed)
    file.write_bytes(data[:begin] + struct.pack(f"<{len(weights)}f", *(w * (1 + NOISE * noise.gauss(0, 1)) for w in weights)))


running = set()


def stop(number, _):
    """A run must not go on without us: the next one would write to the same folder."""
    for process in list(running):
        process.terminate()
    os._exit(128 + number)


def call(command):
    command = [str(part) for part in command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        running.add(process)
        out, err = process.communicate()
        running.discard(process)
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{out}{err}")
    return out, err


def train(octet, folder, recipe, threads):
    """Runs a recipe in a folder, or reads what it came to, or goes on with what a kill has left of it."""
    text = json.dumps(dict(recipe, output=str(folder / "run")), indent=1)  # JSON is YAML
    file, result = folder / "recipe.json", folder / "result.json"
    same = file.exists() and file.read_text() == text
    if same and result.exists():
        return json.loads(result.read_text())
    if not same:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        file.write_text(text)
    out, err = call([octet, "train", file, "--resume", "--json", "--threads", threads])
    answer = json.loads(out)
    answer["optimizer_mb"] = megabytes(re.search(r"optimizer ([\d.]+) (\w+)", err))
    part = result.with_suffix(".part")
    part.write_text(json.dumps(answer))
    part.rename(result)
    return answer


def megabytes(found):
    return float(found[1]) * {"kB": 1e-3, "MB": 1, "GB": 1e3}[found[2]]


class Protocol:
    def __init__(self, args, text_hash):
        self.args = args
        self.work = args.work
        self.data = {"train": str(self.work / "train.txt"), "sequence_length": LENGTH}
        self.tokenizer = self.work / "tokenizer"
        self.text_hash = text_hash

    def first_weights(self, seed):
        """A step with a learning rate of 0 leaves the first weights of this seed as they are."""
        folder = self.work / "runs" / f"first-{seed}"
        train(self.args.octet, folder, {
            "tokenizer": str(self.tokenizer), "model": MODEL, "dtype": "float32", "seed": seed, "data": self.data,
            "steps": 1, "batch_size": 1, "optimizer": {"learning_rate": 0}}, self.args.threads)
        model, other = folder / "run" / "model", folder / "perturbed"
        if not other.exists():
            perturb(model, folder / "perturbed.part", seed)
            (folder / "perturbed.part").rename(other)
        return model, other

    def recipe(self, name, seed):
        precision, moments, perturbed, _ = RUNS[name]
        return {
            "from": str(self.first_weights(seed)[1 if perturbed else 0]), "precision": precision, "seed": seed,
            "data": dict(self.data, validation=str(self.work / "validation.txt")), "batch_size": BATCH,
            "steps": self.args.steps, "optimizer": {"learning_rate": self.args.learning_rate, "state": moments},
            "schedule": {"name": "cosine", "warmup": 0.05}, "validation_tokens": VALIDATION_TOKENS,
            "checkpoint_every": 250, "log_every": 50}

    def run(self, name, seed):
        settings = f"{self.args.steps}-steps-{self.args.learning_rate:g}"
        folder = self.work / "runs" / settings / f"seed-{seed}" / re.sub(r"[^\w]+", "-", name)
        answer = train(self.args.octet, folder, self.recipe(name, seed), self.args.threads)
        print(f"seed {seed}  {name:<26}  loss {answer['validation_loss']:.5f}  "
              f"{answer['tokens_per_second'] / 1e3:.1f} k tokens/s", file=sys.stderr, flush=True)
        return answer

    def all(self, names, seeds):
        for seed in seeds:
            self.first_weights(seed)
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            futures = {(name, seed): pool.submit(self.run, name, seed) for seed in seeds for name in names}
            try:
                return {key: future.result() for key, future in futures.items()}
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def rows_of(results, names, seeds):
    rows = []
    for name in names:
        base = [results[BASE, seed]["validation_loss"] for seed in seeds]
        losses = [results[name, seed]["validation_loss"] for seed in seeds]
        gaps = [100 * (loss / other - 1) for loss, other in zip(losses, base)]
        spread = statistics.stdev(gaps) if len(gaps) > 1 else math.nan
        row = {"run": name, "losses": losses, "gaps_percent": gaps, "mean_percent": statistics.mean(gaps),
               "deviation_percent": spread, "standard_error_percent": spread / math.sqrt(len(gaps)),
               "goal_percent": RUNS[name][3]}
        if name == PERTURBED:  # the loss may move to either side
            row["pass"] = max(map(abs, gaps)) < row["goal_percent"]
        elif row["goal_percent"] is not None:
            row["pass"] = row["mean_percent"] <= row["goal_percent"]
        if RUNS[name][1] != "f32":
            sizes = [results[n, seeds[0]]["optimizer_mb"] for n in (name, BASE)]
            row["state_percent"] = 100 * sizes[0] / sizes[1]
            row["pass"] = row["pass"] and row["state_percent"] <= STATE_GOAL
        rows.append(row)
    return rows


def table(rows, seeds):
    heads = ["run", *(f"seed {seed}" for seed in seeds), "mean gap", "std. error", "goal", ""]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        name = row["run"]
        if "state_percent" in row:
            name += f" ({row['state_percent']:.1f} % of F32's memory)"
        if name == BASE:
            lines.append(f"| {name} (loss) | " + " | ".join(f"{loss:.4f}" for loss in row["losses"]) + " | | | | |")
            continue
        cells = [f"{gap:+.3f} %" for gap in row["gaps_percent"]]
        error = row["standard_error_percent"]
        goal = row["goal_percent"]
        verdict = {True: "pass", False: "FAIL", None: ""}[row.get("pass")]
        cells += [f"{row['mean_percent']:+.3f} %", "" if math.isnan(error) else f"{error:.3f} %",
                  "" if goal is None else f"{'< ' if row['run'] == PERTURBED else '≤ '}{goal} %", verdict]
        if row.get("pass") and goal is not None and row["mean_percent"] < -goal:
            cells[-1] = "pass, but it is no copy of BF16: lower by more than the goal"
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parse_args(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("octet", type=pathlib.Path, help="the program")
    parser.add_argument("--text", nargs="+", default=[str(TEXT)], help="files, or folders of *.txt (default %(default)s)")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("loss-gaps"), help="folder of the runs (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default %(default)s)")
    parser.add_argument("--steps", type=int, default=1000, help=f"of {BATCH * LENGTH} tokens (default %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="default %(default)s")
    parser.add_argument("--only", nargs="+", choices=RUNS, metavar="RUN", help="BF16 and some others: " + "; ".join(RUNS))
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default %(default)s)")
    parser.add_argument("--threads", type=int, help="of each run (default: the processors, shared by the jobs)")
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers there (default WORK/gaps.json)")
    args = parser.parse_args()
    if min(args.seeds, args.steps, args.jobs) < 1:
        parser.error("--seeds, --steps and --jobs must be 1 or more")
    args.octet, args.work = args.octet.resolve(), args.work.resolve()
    if not args.octet.exists():
        parser.error(f"{args.octet} is not there: build it, or name another")
    args.threads = args.threads or max(1, len(os.sched_getaffinity(0)) // args.jobs)
    return args


def prepare(args):
    """The protocol on the user's text; None where there is no text."""
    files = text_files(args.text)
    missing = [str(file) for file in files if not file.is_file()]
    if missing and args.text != [str(TEXT)]:
        sys.exit(f"{missing[0]} is not there")
    if missing or not files:
        return None
    text_hash = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    stamp = args.work / "made-of.sha256"
    made_of = f"{text_hash}  text\n{hashlib.sha256(args.octet.read_bytes()).hexdigest()}  {args.octet.name}\n"
    if not stamp.exists() or stamp.read_text() != made_of:
        shutil.rmtree(args.work / "runs", ignore_errors=True)  # of other text or of another program
        total = split(files, args.work)
        print(f"{total / 1e6:.2f} MB of text in {len(files)} files", file=sys.stderr)
        call([args.octet, "train-tokenizer", args.work / "train.txt", "--vocab-size", VOCABULARY, "-o", args.work / "tokenizer",
              "--force", "--threads", args.threads])
        stamp.write_text(made_of)
    return Protocol(args, text_hash)


def main():
    args = parse_args(__doc__)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    protocol = prepare(args)
    if not protocol:
        print(f"skipped: there is no text at {' '.join(args.text)}; name some (--text)")
        return 0
    names = list(dict.fromkeys([BASE, *(args.only or RUNS)]))
    seeds = list(range(1, args.seeds + 1))
    results = protocol.all(names, seeds)
    rows = rows_of(results, names, seeds)
    print(f"{args.steps * BATCH * LENGTH / 1e6:.2f} M tokens a run, learning rate {args.learning_rate:g}, validation on "
          f"{VALIDATION_TOKENS} tokens; gap of the validation loss to BF16's\n")
    print(table(rows, seeds))
    summary = {"steps": args.steps, "tokens": args.steps * BATCH * LENGTH, "learning_rate": args.learning_rate, "seeds": seeds,
               "text_sha256": protocol.text_hash, "rows": rows}
    (args.json or args.work / "gaps.json").write_text(json.dumps(summary, indent=1) + "\n")
    return 1 if any(row.get("pass") is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
