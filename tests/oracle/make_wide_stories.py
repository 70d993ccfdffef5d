#!/usr/bin/env python3
"""Widens stories260K so that every width is a multiple of 128, without changing its function.

    pip install torch transformers safetensors
    python make_wide_stories.py ../../../shared/data/models/stories260K OUT [TEXT]

writes OUT/f32 and OUT/bf16: a real, trained model for the schemes whose groups and blocks need such widths. Nothing is zero and
every factor is a power of two, so the float32 one computes the same up to the order of sums; given TEXT, both losses are
checked: within 1e-5 of the original (bf16: of the original rounded to BF16).
    hidden  64 -> 128  every channel twice; matrices that read it are halved, so is the final norm (its reader is tied)
    heads    8 -> 32   of 8 channels, kv heads 4 -> 16: each pair with its kv head four times, o_proj a quarter
    ffn    172 -> 256  the first 84 channels twice, their down_proj columns halved
"""
import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from transformers_loss import first_token, loss

FFN, WIDER_FFN, HEAD = 172, 256, 8


def twice(weight, dim):
    return torch.cat([weight, weight], dim)


def repeat_heads(weight, dim, together, times):
    """Repeats each run of `together` heads `times` times in place."""
    heads = list(weight.split(HEAD * together, dim))
    return torch.cat([head for head in heads for _ in range(times)], dim)


def widen(name, weight):
    kind = name.split(".")[-2]
    if kind == "embed_tokens":
        return twice(weight, 1)
    if kind == "norm":
        return twice(weight, 0) / 2
    if kind.endswith("layernorm"):
        return twice(weight, 0)
    if kind == "q_proj":
        return twice(repeat_heads(weight, 0, 2, 4), 1) / 2
    if kind in ("k_proj", "v_proj"):
        return twice(repeat_heads(weight, 0, 1, 4), 1) / 2
    if kind == "o_proj":
        return twice(repeat_heads(weight, 1, 2, 4), 0) / 4
    more = WIDER_FFN - FFN
    if kind in ("gate_proj", "up_proj"):
        return twice(torch.cat([weight, weight[:more]]), 1) / 2
    if kind == "down_proj":
        half = weight[:, :more] / 2
        return twice(torch.cat([half, weight[:, more:], half], 1), 0)
    raise SystemExit(f"{name}: not a tensor of stories260K")


def save(source, target, tensors, dtype):
    target.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if file.name not in ("config.json", "model.safetensors", "reference.json"):
            shutil.copyfile(file, target / file.name)
    config = json.loads((source / "config.json").read_text())
    config.update(hidden_size=128, intermediate_size=WIDER_FFN, num_attention_heads=32, num_key_value_heads=16, head_dim=HEAD,
                  torch_dtype=dtype)
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    cast = {name: weight.to(getattr(torch, dtype)).contiguous() for name, weight in tensors.items()}
    save_file(cast, target / "model.safetensors", metadata={"format": "pt"})


def nll(directory, text, rounded=False):
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    if rounded:
        for parameter in model.parameters():  # not model.to(): that would round the rope frequencies too
            parameter.data = parameter.data.to(torch.bfloat16).float()
    ids = PreTrainedTokenizerFast(tokenizer_file=str(directory / "tokenizer.json"))(text, add_special_tokens=False)
    config = json.loads((directory / "config.json").read_text())
    return loss(model, ids["input_ids"], first_token(config), 512, model.config.vocab_size)


def main():
    source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    tensors = {name: widen(name, weight.float()) for name, weight in load_file(source / "model.safetensors").items()}
    for folder, dtype in (("f32", "float32"), ("bf16", "bfloat16")):
        save(source, out / folder, tensors, dtype)
        if len(sys.argv) > 3:
            text = pathlib.Path(sys.argv[3]).read_text()
            before, after = nll(source, text, dtype == "bfloat16"), nll(out / folder, text)
            print(f"{out / folder}: nll {after:.6f}, the original {before:.6f}")
            assert abs(before - after) < 1e-5


if __name__ == "__main__":
    main()
