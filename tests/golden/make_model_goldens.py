#!/usr/bin/env python3
"""Writes models/NAME/: tiny random checkpoints that Transformers saved, and what Transformers computes from them.

    pip install torch transformers safetensors
    python make_model_goldens.py [NAME ...]

Each directory holds config.json, model.safetensors (or shards and their index), and
    logits.f32   float32, little-endian, [tokens, vocab_size]: the logits of every position after one forward of "ids"
    golden.json  ids        the sequence
                 prompt     a short prompt, and
                 generated  the 16 tokens that follow it greedily, one forward a token on the key-value cache
                 gap        the smallest (top1 - top2) / max|logit| on the way: how far another program may be off
                 bound      max|difference| / max|logit| that another program must keep
                 float64    the same measure between Transformers in float32 and in float64: the noise of the golden itself
                 effect     the same measure when the feature that the case is about is switched off: what a mistake would cost
Everything is computed in float32 from the weights as saved. The weights of float32 checkpoints hold values of BF16, so that
the repository compresses them. "old" cases write config.json the way Transformers 4 did: rope_scaling, rope_theta and
torch_dtype at the top level instead of rope_parameters and dtype.
"""
import json
import pathlib
import shutil
import sys

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent / "models"
VOCABULARY, LENGTH, PROMPT, GENERATED = 96, 40, 7, 16
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64}
PLAIN = {"rope_type": "default", "rope_theta": 10000.0}
# A tiny decoder: heads of 16 where not said otherwise, widths that are no multiple of 32.
TINY = dict(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=256, rms_norm_eps=1e-5, rope_parameters=PLAIN,
            tie_word_embeddings=False, bos_token_id=1, eos_token_id=2)


def case(architecture, off, dtype="float32", old=False, shard=None, drop=(), add=None, bound=1e-4, **config):
    """off: config keys that switch the case's feature off. drop, add: keys of config.json to remove and to add."""
    return dict(architecture=architecture, off=off, dtype=dtype, old=old, shard=shard, drop=drop, add=add or {},
                bound=bound, config={**TINY, **config})


CASES = {
    "llama2": case("llama", {"rope_parameters": {**PLAIN, "rope_theta": 100.0}}, num_attention_heads=4,
                   num_key_value_heads=4, old=True, drop=("head_dim",)),
    "llama3": case("llama", {"rope_parameters": PLAIN}, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
                   old=True,
                   rope_parameters={**LLAMA3, "rope_theta": 10000.0, "original_max_position_embeddings": 32}),
    "llama3_tied": case("llama", {"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}},
                        tie_word_embeddings=True, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
                        rope_parameters={**LLAMA3, "rope_theta": 500000.0, "factor": 32.0,
                                         "original_max_position_embeddings": 16}),
    "linear": case("llama", {"rope_parameters": PLAIN},
                   rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}),
    "linear_old": case("llama", {"rope_parameters": PLAIN}, old=True,
                       rope_parameters={"rope_type": "linear", "factor": 2.5, "rope_theta": 10000.0}),
    "dynamic": case("llama", {"rope_parameters": PLAIN}, max_position_embeddings=16,
                    rope_parameters={"rope_type": "dynamic", "factor": 3.0, "rope_theta": 10000.0}),
    "yarn": case("llama", {"rope_parameters": PLAIN}, rope_parameters=YARN),
    "yarn_attention_factor": case("qwen2", {"rope_parameters": YARN}, rope_parameters={**YARN, "attention_factor": 0.8}),
    "yarn_mscale": case("llama", {"rope_parameters": YARN}, rope_parameters={**YARN, "mscale": 2.0, "mscale_all_dim": 0.5}),
    "yarn_truncate_false": case("qwen3", {"rope_parameters": {**YARN, "beta_fast": 4, "beta_slow": 2}}, head_dim=16,
                                rope_parameters={**YARN, "truncate": False, "beta_fast": 4, "beta_slow": 2}),
    "yarn_old": case("qwen2", {"rope_parameters": {**PLAIN, "rope_theta": 1e6}}, old=True, rms_norm_eps=1e-6,
                     rope_parameters={**YARN, "rope_theta": 1000000.0}),
    "tied": case("llama", {"rms_norm_eps": 1e-1}, tie_word_embeddings=True, rms_norm_eps=1e-6, old=True),
    "head_dim": case("mistral", {"rope_parameters": {**PLAIN, "rope_theta": 100.0}}, hidden_size=40,
                     num_attention_heads=3, head_dim=16, sliding_window=None),
    "biases": case("llama", {"attention_bias": False, "mlp_bias": False}, attention_bias=True, mlp_bias=True),
    "mistral_window": case("mistral", {"sliding_window": None}, sliding_window=8, num_attention_heads=4,
                           num_key_value_heads=2),
    "mistral_old": case("mistral", {"sliding_window": None}, sliding_window=8, old=True, drop=("head_dim",),
                        rope_parameters={**PLAIN, "rope_theta": 1000000.0}),
    "qwen2": case("qwen2", {"rms_norm_eps": 1e-1}, rms_norm_eps=1e-6, old=True, drop=("layer_types",),
                  add={"use_sliding_window": False, "sliding_window": 8, "max_window_layers": 0},
                  rope_parameters={**PLAIN, "rope_theta": 1000000.0}),
    "qwen2_window": case("qwen2", {"sliding_window": 1000}, use_sliding_window=True, sliding_window=8,
                         max_window_layers=1, old=True, drop=("layer_types",)),
    "qwen3": case("qwen3", {"rms_norm_eps": 1e-1}, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
                  rms_norm_eps=1e-6, tie_word_embeddings=True, old=True, drop=("layer_types",),
                  rope_parameters={**PLAIN, "rope_theta": 1000000.0}),
    "qwen3_layer_types": case("qwen3", {"sliding_window": 1000}, head_dim=16,
                              attention_bias=True, use_sliding_window=True, sliding_window=8, max_window_layers=28,
                              layer_types=["sliding_attention", "full_attention"]),
    "sharded": case("llama", {"rope_parameters": {**PLAIN, "rope_theta": 100.0}}, shard="30KB"),
    "fp16": case("qwen2", {"rms_norm_eps": 1e-1}, dtype="float16"),
    # Octet rounds the inputs of BF16 products to BF16, which Transformers in float32 does not: hence the wide bound.
    "bf16": case("llama", {"rope_parameters": {**PLAIN, "rope_theta": 100.0}}, dtype="bfloat16", bound=2e-2),
    "bf16_sharded": case("qwen3", {"rope_parameters": {**PLAIN, "rope_theta": 100.0}}, dtype="bfloat16", bound=2e-2,
                         shard="16KB", head_dim=16),
}


def randomize(model, generator):
    """Weights large enough that attention is sharp and every feature moves the logits; biases are not zero."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name:
            value = 1 + 0.2 * noise
        elif name.endswith("bias"):
            value = 0.3 * noise
        else:
            value = noise * (1.3 / parameter.shape[-1] ** 0.5)
        parameter.data = value.to(torch.bfloat16).float()


def load(directory, dtype=torch.float32, **changes):
    config = AutoConfig.from_pretrained(directory)
    if changes:
        config = type(config).from_dict({**config.to_dict(), **changes})
    model = AutoModelForCausalLM.from_pretrained(directory, config=config, dtype=dtype, attn_implementation="eager")
    return model.eval()


@torch.no_grad()
def logits_of(model, ids):
    return model(torch.tensor([ids]), use_cache=False).logits[0]


@torch.no_grad()
def generate(model, prompt):
    """Greedy tokens and the smallest gap between the best and the second; a fresh model, so that `dynamic` starts afresh."""
    cache, tokens, gap, step = None, [], float("inf"), prompt
    for _ in range(GENERATED):
        out = model(torch.tensor([step]), past_key_values=cache, use_cache=True)
        cache, last = out.past_key_values, out.logits[0, -1]
        best = last.topk(2).values
        gap = min(gap, float((best[0] - best[1]) / last.abs().max()))
        tokens.append(int(last.argmax()))
        step = [tokens[-1]]
    return tokens, gap


def relative(a, b):
    return float((a.double() - b.double()).abs().max() / b.double().abs().max())


def rewrite_config(path, one):
    config = json.loads(path.read_text())
    if one["old"]:
        rope = config.pop("rope_parameters")
        config["rope_theta"] = rope.pop("rope_theta")
        if rope["rope_type"] in ("linear", "yarn"):  # these were written with "type", llama3 with "rope_type"
            rope["type"] = rope.pop("rope_type")
        config["rope_scaling"] = None if rope.get("rope_type") == "default" else rope
        config["torch_dtype"] = config.pop("dtype")
    for key in one["drop"]:
        config.pop(key, None)
    config.update(one["add"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def make(name, one):
    directory = HERE / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    generator = torch.Generator().manual_seed(20240501 + list(CASES).index(name))
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(one["architecture"], **one["config"]))
    randomize(model, generator)
    dtype = getattr(torch, one["dtype"])
    model.config.dtype = dtype
    model.to(dtype).save_pretrained(directory, **({"max_shard_size": one["shard"]} if one["shard"] else {}))
    (directory / "generation_config.json").unlink(missing_ok=True)
    rewrite_config(directory / "config.json", one)

    ids = torch.randint(3, VOCABULARY, (LENGTH,), generator=generator).tolist()
    logits = logits_of(load(directory), ids)
    noise = relative(logits, logits_of(load(directory, torch.float64), ids))
    effect = relative(logits_of(load(directory, **one["off"]), ids), logits)
    assert noise < 1e-5 and effect > 1e-2, (name, noise, effect)

    candidates = []
    for _ in range(80 if one["bound"] < 1e-3 else 400):
        prompt = torch.randint(3, VOCABULARY, (PROMPT,), generator=generator).tolist()
        tokens, gap = generate(load(directory) if "dynamic" in name else model.float(), prompt)
        candidates.append((2 not in tokens, len(set(tokens)) >= 5, gap, prompt))
    prompt = max(candidates)[-1]
    generated, gap = generate(load(directory), prompt)
    assert 2 not in generated and gap > 2 * one["bound"], (name, gap)
    logits.numpy().astype("<f4").tofile(directory / "logits.f32")
    golden = {"transformers": transformers.__version__, "ids": ids, "prompt": prompt, "generated": generated,
              "gap": round(gap, 6), "bound": one["bound"], "float64": float(f"{noise:.2g}"),
              "effect": float(f"{effect:.2g}")}
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items())
    (directory / "golden.json").write_text("{\n" + lines + "\n}\n")
    size = sum(file.stat().st_size for file in directory.iterdir())
    print(f"{name:22} {size:7} bytes  gap {gap:.4f}  float64 {noise:.1e}  effect {effect:.2g}  {len(set(generated))} words")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for case_name in sys.argv[1:] or CASES:
        make(case_name, CASES[case_name])
