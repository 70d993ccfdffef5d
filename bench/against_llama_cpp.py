#!/usr/bin/env python3
"""Times octet and llama.cpp on the same weights, one after the other, round by round, and prints the medians.

    bench/against_llama_cpp.py MODEL MODEL.gguf --llama-bench PATH [--scheme W8A8] [--include lm_head] [--rounds 5]

MODEL is a Hugging Face directory, MODEL.gguf the same model as llama.cpp reads it (Q8_0 to compare with eight bits).
"""
import argparse
import json
import os
import statistics
import subprocess


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("gguf")
    parser.add_argument("--llama-bench", required=True)
    parser.add_argument("--octet", default="build/octet")
    parser.add_argument("--scheme", help="quantize while loading; without it the model is taken as it is")
    parser.add_argument("--include", help="lm_head: quantize the head too")
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()

    ours = [options.octet, "bench", options.model, "--json", "--repeat", "1", "--threads", options.threads, "--prefill",
            options.prefill, "--decode", options.decode]
    ours += ["--scheme", options.scheme] if options.scheme else []
    ours += ["--include", options.include] if options.include else []
    theirs = [options.llama_bench, "-m", options.gguf, "-t", options.threads, "-p", options.prefill, "-n", options.decode, "-r",
              "1", "-o", "json"]

    def run(command):
        return json.loads(subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL).stdout)

    rows = {"prefill": ([], []), "decode": ([], [])}
    for _ in range(options.rounds):
        speeds = run(ours)
        rows["prefill"][0].append(speeds["prefill_tokens_per_second"])
        rows["decode"][0].append(speeds["decode_tokens_per_second"])
        for test in run(theirs):
            rows["prefill" if test["n_gen"] == 0 else "decode"][1].append(test["avg_ts"])
    print(f"{'tokens/s':10} {'octet':>10} {'llama.cpp':>10} {'ratio':>7}   medians of {options.rounds} rounds")
    for name, (a, b) in rows.items():
        ratio = statistics.median(x / y for x, y in zip(a, b))
        print(f"{name:10} {statistics.median(a):10.1f} {statistics.median(b):10.1f} {ratio:7.2f}")


if __name__ == "__main__":
    main()
