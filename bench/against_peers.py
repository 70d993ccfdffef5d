#!/usr/bin/env python3
"""Times octet and its peers on the same weights, one after the other, round by round, and prints medians and ratios.

    bench/against_peers.py MODEL --q8-0 MODEL-Q8_0.gguf --bf16 MODEL-BF16.gguf
        --llama-bench PATH --ik-llama-bench PATH [--rows REGEX] [--rounds 5]

MODEL is a Hugging Face directory in BF16, the two .gguf the same weights as llama.cpp and ik_llama.cpp read them:
convert_hf_to_gguf.py MODEL --outtype bf16, then llama-quantize … Q8_0. ik_llama.cpp repacks its weights while loading
(-rtr 1). A peer or file that is not given is left out, and its columns stay empty. --list shows the rows.
"""
import argparse
import dataclasses
import json
import os
import re
import statistics
import subprocess
import sys


@dataclasses.dataclass
class Row:
    """A line of the table: what octet does (options and the key of its --json) and what is set beside it."""
    name: str
    options: list
    key: str
    peers: list = dataclasses.field(default_factory=list)  # (peer, weights, prefill, decode)
    compressed: bool = False  # of the checkpoint --w8a8 instead of MODEL
    beside: str = ""  # an earlier row whose own time this one is compared with, in the same round


def scheme(name, head=False):
    return (["--scheme", name] if name else []) + (["--include", "lm_head"] if head else [])


def rows():
    """The work that docs/performance.md speaks of."""
    prefill, decode = ["--prefill", 512, "--decode", 0], ["--prefill", 0, "--decode", 64]
    speed_p, speed_d = "prefill_tokens_per_second", "decode_tokens_per_second"
    q8 = [("llama.cpp", "q8_0"), ("ik_llama.cpp", "q8_0")]
    both = [*q8, ("ik_llama.cpp", "bf16")]
    at = lambda peers, p, d: [(peer, weights, p, d) for peer, weights in peers]
    yield Row("W8A8 prefill 512", [*scheme("W8A8"), *prefill], speed_p, at(both, 512, 0))
    yield Row("W8A8 decode 64", [*scheme("W8A8"), *decode], speed_d, at(q8, 0, 64))
    yield Row("W8A8 decode 64, lm_head", [*scheme("W8A8", True), *decode], speed_d, at(q8, 0, 64))
    for name in ("FP8_DYNAMIC", "FP8_BLOCK"):
        yield Row(f"{name} prefill 512", [*scheme(name), *prefill], speed_p, at(both, 512, 0))
        yield Row(f"{name} decode 64", [*scheme(name), *decode], speed_d, at(both, 0, 64), "W8A8 decode 64")
    bf16 = [("llama.cpp", "bf16"), ("ik_llama.cpp", "bf16")]
    yield Row("BF16 prefill 512", prefill, speed_p, at(bf16, 512, 0))
    yield Row("BF16 decode 64", decode, speed_d, at(bf16, 0, 64))
    for name in ("W8A8", "FP8_DYNAMIC"):
        long = [*scheme(name), "--prefill", 4032, "--decode", 0]
        yield Row(f"{name} prefill 4032", long, speed_p, beside=f"{name} prefill 512")
    for cache in ("bf16", "fp8", "int8"):
        deep = ["--prefill", 0, "--depth", 4000, "--decode", 64, "--kv-cache", cache]
        yield Row(f"W8A8 decode 64 at 4000, {cache}", [*scheme("W8A8"), *deep], speed_d, beside="W8A8 decode 64")
    for name in ("W8A8", "FP8_DYNAMIC", "FP8_BLOCK"):
        for batch in (4, 8, 16):
            options = [*scheme(name), *decode, "--batch", batch]
            yield Row(f"{name} decode 64, batch {batch}", options, speed_d, beside=f"{name} decode 64")
    yield Row("BF16 load to first token", ["--prefill", 0, "--decode", 1], "first_token_seconds")
    yield Row("W8A8 load to first token", ["--prefill", 0, "--decode", 1], "first_token_seconds", compressed=True)


class Bench:
    """Runs the programs."""

    def __init__(self, options):
        self.options = options
        self.programs = {"llama.cpp": options.llama_bench, "ik_llama.cpp": options.ik_llama_bench}
        self.weights = {"q8_0": options.q8_0, "bf16": options.bf16}

    def json_of(self, command):
        command = [str(word) for word in command]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr.decode(errors='replace')[-2000:]}")
        return json.loads(done.stdout)

    def ours(self, row):
        model = self.options.w8a8 if row.compressed else self.options.model
        command = [self.options.octet, "bench", model, "--json", "--repeat", 1, "--threads", self.options.threads]
        return self.json_of(command + row.options)[row.key]

    def theirs(self, peer, weights, prefill, decode):
        """Tokens a second, or None where the peer or the weights are not given."""
        program, gguf = self.programs[peer], self.weights[weights]
        if not program or not gguf:
            return None
        command = [program, "-m", gguf, "-t", self.options.threads, "-p", prefill, "-n", decode, "-r", 1, "-o", "json"]
        command += ["-rtr", 1] if peer == "ik_llama.cpp" else []
        tests = [t for t in self.json_of(command) if (t["n_prompt"], t["n_gen"]) == (prefill, decode)]
        if len(tests) != 1:
            sys.exit(f"{program} timed something else than {prefill} tokens of a prompt and {decode} decoded")
        return tests[0]["avg_ts"]


def run_round(bench, table):
    """One timing of each row, each peer's at once behind it; with --reuse one of each peer's serves all rows."""
    results, kept = {}, {}
    for row in table:
        results[row.name] = {"octet": bench.ours(row)}
        for test in row.peers:
            if test not in kept or not bench.options.reuse:
                kept[test] = bench.theirs(*test)
            results[row.name][test[:2]] = kept[test]
        if row.beside in results:
            results[row.name]["beside"] = results[row.beside]["octet"]
        progress = ", ".join(f"{value:.1f}" for value in results[row.name].values() if value is not None)
        print(f"{row.name}: {progress}", file=sys.stderr, flush=True)
    return results


def columns_of(table):
    return list(dict.fromkeys(test[:2] for row in table for test in row.peers))


def print_table(table, rounds):
    def median(row, column):
        values = [r[row.name].get(column) for r in rounds]
        return None if None in values else statistics.median(values)

    def ratio(row, column):
        pairs = [(r[row.name]["octet"], r[row.name].get(column)) for r in rounds]
        return None if any(b is None for _, b in pairs) else statistics.median(a / b for a, b in pairs)

    text = lambda value, digits: "" if value is None else f"{value:.{digits}f}"
    columns = columns_of(table)
    names = [f"{peer} {weights.upper()}" for peer, weights in columns]
    print(f"medians of {len(rounds)} rounds; ratios are medians of the rounds' own")
    print("| work | octet |" + "".join(f" {name} | ratio |" for name in names) + " beside octet's |")
    print("|---|---|" + "---|---|" * len(columns) + "---|")
    for row in table:
        digits = 2 if row.key.endswith("seconds") else 1
        unit = " s" if row.key.endswith("_seconds") else ""
        cells = [row.name, text(median(row, "octet"), digits) + unit]
        for column in columns:
            cells += [text(median(row, column), 1), text(ratio(row, column), 2)]
        own = ratio(row, "beside")
        cells.append("" if own is None else f"{own:.2f} × {row.beside}")
        print("| " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--q8-0", help="the model as Q8_0, for the peers")
    parser.add_argument("--bf16", help="the model as BF16, for the peers")
    parser.add_argument("--w8a8", metavar="DIR", help="octet compress MODEL --scheme W8A8 -o DIR: to time loading it")
    parser.add_argument("--llama-bench", help="llama.cpp's")
    parser.add_argument("--ik-llama-bench", help="ik_llama.cpp's")
    parser.add_argument("--octet", default="build/octet")
    parser.add_argument("--rows", default="", metavar="REGEX", help="only the rows whose name matches")
    parser.add_argument("--list", action="store_true", help="show the names of the rows")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reuse", action="store_true",
                        help="time a peer once a round for all rows that need the same of it: faster, less interleaved")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    if options.list:
        return print("\n".join(row.name for row in rows()))
    if not options.model or options.rounds < 1:
        parser.error("it needs MODEL, and a round at least")
    table = [row for row in rows() if re.search(options.rows, row.name) and (options.w8a8 or not row.compressed)]
    if not table:
        parser.error(f"no row matches {options.rows}; --list shows them")
    bench = Bench(options)
    print_table(table, [run_round(bench, table) for _ in range(options.rounds)])


if __name__ == "__main__":
    main()
