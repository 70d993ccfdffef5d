#!/usr/bin/env python3
"""The gradients of `octet train` in every precision beside PyTorch's, with the formulas of the recipes written out there.

    pip install torch transformers tokenizers safetensors
    python check_recipes.py OCTET TEXT

PyTorch's linear layers of the blocks become a function of three products whose sides are rounded as the recipe says
(TransformerEngine's DelayedScaling, Float8CurrentScaling, Float8BlockScaling and MXFP8BlockScaling; INT8 with a scale a
row and gradients rounded at random); the head is BF16. Both start from the same weights. Two steps of SGD, the first with
a learning rate of 0, so that delayed scaling has seen largest magnitudes; the second moves the weights by the gradient.

Sums in another order move a number across the border of two codes now and then, and what is rounded after it with it;
other random numbers do the same. How far that goes is measured by PyTorch alone, with first weights 3e-7 apart. Printed
is the difference of Octet's gradient to PyTorch's beside that one and beside the error of the recipe against FP32. Exits
1 where it is more than 1.3 times the former, or more than the latter: another formula is sqrt(2) times as far.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

BATCH, LENGTH, RATE = 3, 72, 128.0
PRECISIONS = ["fp32", "bf16", "fp8_delayed", "fp8_current", "fp8_block", "mxfp8", "int8"]
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2


def cast(x, element):
    most = torch.finfo(element).max
    return x.clamp(-most, most).to(element).float()


def of_tensor(x, element, amax=None):
    """One scale: largest / amax, 1 where there is none."""
    amax = x.abs().max() if amax is None else amax
    scale = torch.finfo(element).max / amax if amax > 0 else torch.tensor(1.0)
    return cast(x * scale, element) / scale


def floor_to_power_of_two(scale):
    return (scale.view(torch.int32) & torch.tensor(-8388608, dtype=torch.int32)).view(torch.float32)  # 0xFF800000


def padded(x, rows, columns):
    return torch.nn.functional.pad(x, (0, -x.shape[1] % columns, 0, -x.shape[0] % rows))


def of_blocks(x, rows, columns, scale_of):
    """E4M3 in blocks of rows x columns; blocks at the edges are smaller."""
    whole = padded(x, rows, columns)
    blocks = whole.reshape(whole.shape[0] // rows, rows, whole.shape[1] // columns, columns)
    amax = blocks.abs().amax((1, 3), keepdim=True)
    scale = torch.where(amax > 0, scale_of(amax.clamp(min=1e-30)), torch.ones(()))
    return (cast(blocks * scale, E4M3) / scale).reshape(whole.shape)[:x.shape[0], :x.shape[1]]


def block_scale(amax):
    return floor_to_power_of_two(448 / amax)


def mx_scale(amax):
    """1 / 2^e: e is the exponent of amax / 448, rounded up."""
    mantissa, exponent = torch.frexp(amax.double() / 448)  # mantissa in [0.5, 1)
    return torch.exp2(-torch.where(mantissa == 0.5, exponent - 1, exponent).double()).float()


def of_rows(x, stochastic):
    scale = 127 / x.abs().amax(1, keepdim=True)
    scale = torch.where(torch.isfinite(scale), scale, torch.ones(()))
    codes = (x * scale + torch.rand_like(x)).floor() if stochastic else (x * scale).round()
    return codes.clamp(-127, 127) / scale


def bf16(x):
    return x.bfloat16().float()


class Recipe:
    """Rounds both sides of a layer's products: x of y = x wᵀ, w, dy of dx = dy w, wᵀ, dyᵀ of dw = dyᵀ x, and xᵀ."""

    def __init__(self, name):
        self.name = name
        self.seen = {}  # largest magnitudes of the step before, by layer and tensor
        self.current = {}

    def round(self, layer, role, x):
        if self.name == "fp32":
            return x
        if self.name == "bf16":
            return bf16(x)
        kind = role.rstrip("t")  # w, x, dy
        backward = kind == "dy"
        if self.name == "fp8_current":
            return of_tensor(x, E5M2 if backward else E4M3)
        if self.name == "fp8_delayed":
            self.current[layer, kind] = x.abs().max()
            element = E5M2 if backward else E4M3
            return of_tensor(x, element, self.seen.get((layer, kind), torch.tensor(float(torch.finfo(element).max))))
        if self.name == "fp8_block":
            return of_blocks(x, 128 if kind == "w" else 1, 128, block_scale)
        if self.name == "mxfp8":
            return of_blocks(x, 1, 32, mx_scale)
        return of_rows(x, stochastic=backward)

    def end_step(self):
        self.seen, self.current = self.current, {}


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, layer, recipe):
        ctx.save_for_backward(x, w)
        ctx.layer, ctx.recipe = layer, recipe
        rows = x.reshape(-1, x.shape[-1])
        y = recipe.round(layer, "x", rows) @ recipe.round(layer, "w", w).t()
        return y.reshape(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        rounded = lambda role, matrix: ctx.recipe.round(ctx.layer, role, matrix.contiguous())
        rows, dys = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        dx = rounded("dy", dys) @ rounded("wt", w.t()).t()
        dw = rounded("dyt", dys.t()) @ rounded("xt", rows.t()).t()
        return dx.reshape(x.shape), dw, None, None


def torch_gradient(folder, ids, name, noise=0.0):
    model = AutoModelForCausalLM.from_pretrained(folder / "first", dtype=torch.float32, attn_implementation="eager").train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1 + noise * torch.randn_like(parameter))
    recipe, head = Recipe(name), Recipe("fp32" if name == "fp32" else "bf16")
    for layer, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            used = head if layer == "lm_head" else recipe
            module.forward = lambda x, w=module.weight, layer=layer, used=used: Product.apply(x, w, layer, used)
    for step in range(2):
        begins = [(step * BATCH + i) * LENGTH for i in range(BATCH)]
        inputs = torch.tensor([ids[b:b + LENGTH] for b in begins])
        targets = torch.tensor([ids[b + 1:b + 1 + LENGTH] for b in begins])
        model.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs, use_cache=False).logits.flatten(0, 1), targets.flatten()).backward()
        recipe.end_step()
    return {key: parameter.grad for key, parameter in model.named_parameters()}


def octet_gradient(octet, folder, text, name):
    output = folder / f"run-{name}"
    recipe = {"output": str(output), "from": str(folder / "first"), "tokenizer": str(folder / "tokenizer"), "precision": name,
              "dtype": "float32", "data": {"train": str(text), "sequence_length": LENGTH, "shuffle": False}, "batch_size": BATCH,
              "steps": 2, "schedule": {"name": "constant", "warmup_steps": 1},
              "optimizer": {"name": "sgd", "learning_rate": RATE, "weight_decay": 0, "clip": 0}}
    (folder / "recipe.json").write_text(json.dumps(recipe))  # JSON is YAML
    subprocess.run([octet, "train", folder / "recipe.json", "--json"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before, after = (load_file(directory / "model.safetensors") for directory in (folder / "first", output / "model"))
    return {key: (before[key] - after[key]) / RATE for key in after}


def difference(a, b):
    """Of all gradients together, as a share of b's norm."""
    square = sum(((a[key] - b[key]) ** 2).sum() for key in b)
    return (square / sum((b[key] ** 2).sum() for key in b)).sqrt().item()


def make_model(octet, folder, text):
    subprocess.run([octet, "train-tokenizer", text, "--vocab-size", "320", "-o", folder / "tokenizer"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer/tokenizer.json"))
    torch.manual_seed(0)
    # Widths that no group divides: 160 is one group of 128 and a part of another.
    config = LlamaConfig(hidden_size=160, intermediate_size=416, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                         vocab_size=len(tokenizer), initializer_range=0.05, tie_word_embeddings=True)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder / "first")
    end = json.loads((folder / "tokenizer/tokenizer.json").read_text())["added_tokens"][0]["id"]
    return tokenizer(text.read_text(), add_special_tokens=False, verbose=False)["input_ids"] + [end]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("octet", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--precision", nargs="+", default=PRECISIONS)
    args = parser.parse_args()
    octet, text, bad = args.octet.resolve(), args.text.resolve(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        ids = make_model(octet, folder, text)
        exact = torch_gradient(folder, ids, "fp32")
        for recipe in args.precision:
            theirs, ours = torch_gradient(folder, ids, recipe), octet_gradient(octet, folder, text, recipe)
            apart, noise = difference(ours, theirs), difference(theirs, exact)
            floor = max(difference(torch_gradient(folder, ids, recipe, 3e-7), theirs) for _ in range(3))
            limit = 1e-5 if recipe == "fp32" else min(1.3 * floor, noise)
            bad += apart > limit
            print(f"{recipe:12} differs from PyTorch's by {100 * apart:.3f} %; PyTorch's from itself by {100 * floor:.3f} %, from FP32 by"
                  f" {100 * noise:.3f} %{'' if apart <= limit else '  <- too much'}", flush=True)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
