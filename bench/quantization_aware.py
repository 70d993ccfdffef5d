#!/usr/bin/env python3
"""What training for a format saves: quantization-aware training beside post-training, both against the float model.

Needs nothing but Python 3.9 and a built octet. A model of about 1 M parameters is trained in BF16, then goes on for some
more steps three times: in BF16, which gives the float model that everything is measured against, and
quantization-aware for W8A8 and for FP8_DYNAMIC. Post-training is
`octet compress` of the float model with its default algorithm, calibrated on the training text. All this happens twice:
with the model as it is, and with outliers, channels of norms made up to 64 times larger and the columns behind them as
much smaller, so that the function is the same. Loss and KL divergence are taken on 100,000 tokens that no run sees; a
loss stands with the ends of its 95 % confidence interval against the float model's, token by token.

example:
  bench/quantization_aware.py build/octet
  bench/quantization_aware.py build/octet --text books/ --work aware --steps 600
"""
import argparse
import json
import math
import pathlib
import random
import shutil
import struct
import sys

from loss_gaps import BATCH, LENGTH, MODEL, TEXT, VOCABULARY, call, split, text_files, train

SCHEMES = ("W8A8", "FP8_DYNAMIC")
GOAL_PERCENT = 0.1


class Weights:
    """model.safetensors in BF16, to be changed by powers of two, which change no mantissa."""

    def __init__(self, file):
        self.file = file
        data = file.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        self.head, self.body = data[:8 + size], bytearray(data[8 + size:])
        self.tensors = json.loads(data[8:8 + size])

    def shape(self, name):
        return self.tensors[name]["shape"]

    def scale(self, name, places, power):
        begin = self.tensors[name]["data_offsets"][0]
        for place in places:
            at = begin + 2 * place
            bits = struct.unpack_from("<H", self.body, at)[0]
            exponent = (bits >> 7) & 0xFF
            if exponent == 0:
                continue
            if not 0 < exponent + power < 255:
                sys.exit(f"{name}: a number leaves the range of BF16")
            struct.pack_into("<H", self.body, at, bits + (power << 7))

    def save(self):
        self.file.write_bytes(self.head + self.body)


def add_outliers(source, target, layers, seed=1):
    """In every layer, 3 channels behind each norm and 3 between up and down become 16 to 64 times larger."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    weights, draw = Weights(target / "model.safetensors"), random.Random(seed)
    column = lambda name, j: range(j, math.prod(weights.shape(name)), weights.shape(name)[1])
    row = lambda name, i: range(i * weights.shape(name)[1], (i + 1) * weights.shape(name)[1])
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        behind = {"input_layernorm": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
                  "post_attention_layernorm": ["mlp.gate_proj", "mlp.up_proj"]}
        for norm, matrices in behind.items():
            for channel in draw.sample(range(MODEL["hidden_size"]), 3):
                power = draw.randint(4, 6)
                weights.scale(f"{prefix}{norm}.weight", [channel], power)
                for matrix in matrices:
                    name = f"{prefix}{matrix}.weight"
                    weights.scale(name, column(name, channel), -power)
        for channel in draw.sample(range(MODEL["intermediate_size"]), 3):
            power = draw.randint(4, 6)
            up, down = f"{prefix}mlp.up_proj.weight", f"{prefix}mlp.down_proj.weight"
            weights.scale(up, row(up, channel), power)
            weights.scale(down, column(down, channel), -power)
    weights.save()


class Protocol:
    def __init__(self, args):
        self.args, self.work = args, args.work
        self.data = {"train": str(self.work / "train.txt"), "format": "paragraphs", "sequence_length": LENGTH}

    def note(self, text):
        print(text, file=sys.stderr, flush=True)

    def base(self):
        if self.args.model:
            return self.args.model
        self.note(f"training the base model, {self.args.base_steps} steps")
        train(self.args.octet, self.work / "base", {
            "tokenizer": str(self.work / "tokenizer"), "model": MODEL, "precision": "bf16", "data": self.data,
            "batch_size": BATCH, "steps": self.args.base_steps, "optimizer": {"learning_rate": 3e-3},
            "schedule": {"name": "cosine", "warmup": 0.05, "floor": 0.1}, "checkpoint_every": 100}, self.args.threads)
        return self.work / "base" / "run" / "model"

    def go_on(self, name, source, precision, teacher=None):
        recipe = {"from": str(source), "precision": precision, "data": self.data, "batch_size": BATCH,
                  "steps": self.args.steps, "optimizer": {"learning_rate": self.args.learning_rate},
                  "schedule": {"name": "cosine", "warmup": 0.05}, "checkpoint_every": 100}
        if teacher and self.args.teaching > 0:
            recipe["distillation"] = {"teacher": str(teacher), "weight": self.args.teaching, "temperature": 1}
        self.note(f"{name}: {self.args.steps} steps")
        train(self.args.octet, self.work / name, recipe, self.args.threads)
        return self.work / name / "run" / "model"

    def compress(self, name, source, scheme):
        target = self.work / name
        if not target.exists():
            self.note(name)
            call([self.args.octet, "compress", source, "--scheme", scheme, "--calibration", self.work / "train.txt", "-o",
                  target, "--threads", self.args.threads])
        return target

    def evaluate(self, model, baseline):
        done = call([self.args.octet, "eval", model, "--baseline", baseline, "--text", self.work / "validation.txt",
                     "--context", LENGTH, "--json", "--threads", self.args.threads])
        return json.loads(done[0])

    def rows(self, kind, source):
        prefix = kind.replace(" ", "-") + "/"
        reference = self.go_on(prefix + "float", source, "bf16")
        rows = []
        for scheme in self.args.schemes:
            trained = self.go_on(prefix + scheme, source, f"qat:{scheme}{self.args.method}", reference)
            made = self.compress(prefix + "post-" + scheme, reference, scheme)
            pair = []
            for how, model in (("post-training", made), ("quantization-aware", trained)):
                answer = self.evaluate(model, reference)
                pair.append({"model": kind, "scheme": scheme, "how": how, **numbers_of(answer)})
            pair[1]["pass"] = pair[1]["high_percent"] <= GOAL_PERCENT and pair[1]["kl"] < pair[0]["kl"]
            rows += pair
        return rows


def numbers_of(answer):
    """The loss against the float model's, in percent of it: mean and the ends of the interval of paired differences."""
    loss = answer["baseline"]["nll"]
    low, high = answer["perplexity_ratio_95"]
    percent = lambda ratio: 100 * math.log(ratio) / loss
    return {"loss": answer["nll"], "float_loss": loss, "percent": percent(answer["perplexity_ratio"]),
            "low_percent": percent(low), "high_percent": percent(high), "kl": answer["kl_divergence"],
            "tokens": answer["tokens"]}


def table(rows):
    lines = ["| model | scheme | | loss against float | 95 % interval | KL | |", "|---" * 7 + "|"]
    for row in rows:
        verdict = {True: "pass", False: "FAIL"}.get(row.get("pass"), "")
        lines.append(f"| {row['model']} | {row['scheme']} | {row['how']} | {row['percent']:+.3f} % | "
                     f"{row['low_percent']:+.3f} … {row['high_percent']:+.3f} % | {row['kl']:.6f} | {verdict} |")
    return "\n".join(lines)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("octet", type=pathlib.Path, help="the program")
    parser.add_argument("--text", nargs="+", default=[str(TEXT)], help="files, or folders of *.txt (default %(default)s)")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("quantization-aware"), help="folder of the runs (default %(default)s)")
    parser.add_argument("--model", type=pathlib.Path, help="a trained model of the same shape in BF16 to begin with, instead of training one")
    parser.add_argument("--base-steps", type=int, default=600, help="of the base model (default %(default)s)")
    parser.add_argument("--steps", type=int, default=200, help="more steps (default %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="of those (default %(default)s)")
    parser.add_argument("--teaching", type=float, default=0, help="weight of a loss that has the float model teach the quantized ones (default %(default)s: the text alone)")
    parser.add_argument("--schemes", nargs="+", default=SCHEMES, help="default %(default)s")
    parser.add_argument("--method", default="", choices=["", "+lsq", "+pact"], help="of quantization-aware training")
    parser.add_argument("--threads", type=int, default=1, help="default %(default)s")
    args = parser.parse_args()
    args.octet, args.work = args.octet.resolve(), args.work.resolve()
    args.model = args.model and args.model.resolve()
    if not args.octet.exists():
        parser.error(f"{args.octet} is not there: build it, or name another")
    return args


def main():
    args = parse_args()
    files = text_files(args.text)
    if not files or not all(file.is_file() for file in files):
        print(f"skipped: there is no text at {' '.join(args.text)}; name some (--text)")
        return 0 if args.text == [str(TEXT)] else 1
    if not (args.work / "validation.txt").exists():
        split(files, args.work)
    if not args.model and not (args.work / "tokenizer").exists():
        call([args.octet, "train-tokenizer", args.work / "train.txt", "--vocab-size", VOCABULARY, "-o", args.work / "tokenizer",
              "--threads", args.threads])
    protocol = Protocol(args)
    base = protocol.base()
    outliers = args.work / "base-with-outliers"
    if not outliers.exists():
        add_outliers(base, outliers, MODEL["num_hidden_layers"])
    rows = protocol.rows("plain", base) + protocol.rows("with outliers", outliers)
    print(f"{args.steps} more steps of {BATCH * LENGTH} tokens, learning rate {args.learning_rate:g}; {rows[0]['tokens']} "
          f"tokens; float loss {rows[0]['float_loss']:.4f} and {rows[-1]['float_loss']:.4f}\n")
    print(table(rows))
    (args.work / "rows.json").write_text(json.dumps(rows, indent=1) + "\n")
    return 1 if any(row.get("pass") is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
