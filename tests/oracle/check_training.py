#!/usr/bin/env python3
"""Trains small random models with `octet train` and with PyTorch and Transformers, and compares loss by loss.

    pip install torch transformers tokenizers safetensors
    python check_training.py OCTET TEXT [--steps 20]

Both start from the same weights in FP32, see the same sequences in the same order and use the same AdamW (matrices but
the embedding decayed, gradients clipped to norm 1, constant rate). Prints one line a model: the largest difference of a
step's loss and of a trained weight, and exits 1 where either is beyond what sums in another order explain.
"""
import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

BATCH, LENGTH, RATE, DECAY, CLIP = 4, 64, 1e-3, 0.1, 1.0
COMMON = dict(hidden_size=64, intermediate_size=160, num_hidden_layers=3, max_position_embeddings=128)
MODELS = {
    "llama, 4 heads on 2, tied": dict(model_type="llama", num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True),
    "llama, untied": dict(model_type="llama", num_attention_heads=2, num_key_value_heads=2, tie_word_embeddings=False),
    "mistral, window 24": dict(model_type="mistral", num_attention_heads=4, num_key_value_heads=1, sliding_window=24),
    "qwen2": dict(model_type="qwen2", num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True),
    "qwen3, heads of 32": dict(model_type="qwen3", num_attention_heads=4, num_key_value_heads=2, head_dim=32),
}
RECIPE = """output: run
tokenizer: tokenizer
from: first
precision: fp32
data: {{train: [{text}], sequence_length: {length}, shuffle: false}}
batch_size: {batch}
accumulate: {accumulate}
recompute: {recompute}
steps: {steps}
log_every: 1
optimizer: {{name: adamw, learning_rate: {rate}, weight_decay: {decay}, beta1: 0.9, beta2: 0.95, clip: {clip}}}
schedule: {{name: constant}}
"""


def octet_losses(octet, folder, text, steps, accumulate, recompute):
    (folder / "recipe.yaml").write_text(RECIPE.format(
        text=text, length=LENGTH, batch=BATCH // accumulate, accumulate=accumulate, recompute=str(recompute).lower(), steps=steps,
        rate=RATE, decay=DECAY, clip=CLIP))
    subprocess.run([octet, "train", folder / "recipe.yaml"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(folder / "run/metrics.csv") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["value"]) for row in rows if row["tag"] == "train/loss"]
    return losses, load_file(folder / "run/model/model.safetensors")


def torch_losses(folder, ids, steps):
    model = AutoModelForCausalLM.from_pretrained(folder / "first", dtype=torch.float32, attn_implementation="eager").train()
    groups = {True: [], False: []}
    for name, parameter in model.named_parameters():
        groups[parameter.dim() > 1 and "embed" not in name].append(parameter)
    optimizer = torch.optim.AdamW([{"params": groups[True], "weight_decay": DECAY}, {"params": groups[False], "weight_decay": 0.0}],
                                  lr=RATE, betas=(0.9, 0.95), eps=1e-8)
    losses = []
    for step in range(steps):
        begins = [(step * BATCH + i) * LENGTH for i in range(BATCH)]
        inputs = torch.tensor([ids[b:b + LENGTH] for b in begins])
        targets = torch.tensor([ids[b + 1:b + 1 + LENGTH] for b in begins])
        loss = torch.nn.functional.cross_entropy(model(inputs, use_cache=False).logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        losses.append(loss.item())
    return losses, model.state_dict()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("octet", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    octet, text, bad = args.octet.resolve(), args.text.resolve(), 0
    for number, (title, keys) in enumerate(MODELS.items()):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            subprocess.run([octet, "train-tokenizer", text, "--vocab-size", "320", "-o", folder / "tokenizer"], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer/tokenizer.json"))
            torch.manual_seed(number)
            config = AutoConfig.for_model(**{**COMMON, **keys, "vocab_size": len(tokenizer), "initializer_range": 0.08})
            AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder / "first")
            end = json.loads((folder / "tokenizer/tokenizer.json").read_text())["added_tokens"][0]["id"]
            ids = tokenizer(text.read_text(), add_special_tokens=False, verbose=False)["input_ids"] + [end]
            ours, our_weights = octet_losses(octet, folder, text, args.steps, 2 if number % 2 else 1, number % 3 == 2)
            theirs, their_weights = torch_losses(folder, ids, args.steps)
            loss_gap = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
            # A step of Adam is as long for a tiny gradient as for a large one: single weights may differ by some steps.
            weight_gap = max((our_weights[k] - v).norm().item() / v.norm().item() for k, v in their_weights.items() if k in our_weights)
            ok = loss_gap < 2e-5 * args.steps and weight_gap < 1e-3
            bad += not ok
            print(f"{title:28} loss {ours[0]:.4f} to {ours[-1]:.4f}, differs by {loss_gap:.1e}; weights by {weight_gap:.1e}"
                  f" of their norm{'' if ok else '  <- too much'}")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
