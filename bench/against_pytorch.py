#!/usr/bin/env python3
"""Steps of training a second in PyTorch eager and in octet, round by round on the same machine.

    pip install torch transformers
    against_pytorch.py OCTET TOKENIZER_DIR TEXT [--model 10m|gpt2] [--precision fp32 bf16 …] [--rounds 3] [--steps 6]

Both train a Llama of the same shape on the same number of tokens with AdamW, clipping and two threads; PyTorch with SDPA and
foreach AdamW, in BF16 under autocast. Data is in memory. What is counted is the time of steps after the first two.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

SHAPES = {
    "10m": dict(hidden_size=384, intermediate_size=1024, num_hidden_layers=6, num_attention_heads=6, vocab_size=4096),
    "gpt2": dict(hidden_size=768, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=12, vocab_size=50257),
}
BATCH, LENGTH = {"10m": 8, "gpt2": 4}, 256


def pytorch(model, precision, steps, threads):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    config = LlamaConfig(**SHAPES[model], max_position_embeddings=LENGTH, tie_word_embeddings=True, use_cache=False)
    config._attn_implementation = "sdpa"
    llama = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(llama.parameters(), lr=1e-3, foreach=True)
    ids = torch.randint(0, 4096, (BATCH[model], LENGTH + 1))
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision != "fp32"):
            logits = llama(ids[:, :-1]).logits
            loss = torch.nn.functional.cross_entropy(logits.float().reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(llama.parameters(), 1.0)
        optimizer.step()
        times.append(time.perf_counter() - start)
    return BATCH[model] * LENGTH / statistics.median(times[2:])


def octet(program, tokenizer, text, model, precision, steps, threads):
    shape = dict(SHAPES[model], tie_word_embeddings=True)
    with tempfile.TemporaryDirectory() as folder:
        recipe = pathlib.Path(folder) / "recipe.json"  # JSON is YAML
        recipe.write_text(json.dumps({
            "output": "out", "tokenizer": str(pathlib.Path(tokenizer).resolve()), "model": shape, "precision": precision,
            "data": {"train": str(pathlib.Path(text).resolve()), "sequence_length": LENGTH}, "batch_size": BATCH[model],
            "steps": steps, "optimizer": {"learning_rate": 1e-3}}))
        done = subprocess.run([program, "train", str(recipe), "--json", "--threads", str(threads)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        rows = (pathlib.Path(folder) / "out" / "metrics.csv").read_text().splitlines()
    rates = [float(row.split(",")[3]) for row in rows[1:] if row.split(",")[2] == "train/tokens_per_second"]
    # The log has the mean since the start: take the time of each step out of it again.
    tokens = BATCH[model] * LENGTH
    ends = [(i + 1) * tokens / rate for i, rate in enumerate(rates)]
    return tokens / statistics.median(b - a for a, b in zip(ends[1:], ends[2:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("octet")
    parser.add_argument("tokenizer")
    parser.add_argument("text")
    parser.add_argument("--model", choices=SHAPES, default="10m")
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    rates = {}
    for _ in range(args.rounds):
        for precision in args.precision:
            if precision in ("fp32", "bf16"):
                rates.setdefault(("pytorch", precision), []).append(pytorch(args.model, precision, args.steps, args.threads))
            rates.setdefault(("octet", precision), []).append(
                octet(args.octet, args.tokenizer, args.text, args.model, precision, args.steps, args.threads))
    print(f"{args.model}, batch {BATCH[args.model]} x {LENGTH}, {args.threads} threads, tokens/s (median of {args.rounds})")
    for (program, precision), values in rates.items():
        print(f"{program:8} {precision:12} {statistics.median(values):9.0f}")


if __name__ == "__main__":
    main()
