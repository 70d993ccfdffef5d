#!/usr/bin/env python3
"""The loss of a checkpoint as Transformers (with compressed-tensors, where the checkpoint needs it) computes it.

    pip install torch transformers tokenizers safetensors compressed-tensors
    python transformers_loss.py DIR TEXT CONTEXT [--dtype float32] [--bytes N]

prints one JSON object {nll, tokens, perplexity, seconds, quantized_layers}. The rule is that of `octet eval`: the text is
tokenized whole without special tokens and cut into runs of CONTEXT - 1 tokens; each run follows bos_token_id of config.json
(a model without: its first eos_token_id); every token of a run is scored once; the mean runs over all tokens.
"""
import argparse
import json
import math
import pathlib
import time

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast


def first_token(config):
    if config.get("bos_token_id") is not None:
        return config["bos_token_id"]
    eos = config["eos_token_id"]
    return eos[0] if isinstance(eos, list) else eos


@torch.no_grad()
def loss(model, ids, bos, context, vocab):
    total = 0.0
    for start in range(0, len(ids), context - 1):
        run = ids[start:start + context - 1]
        logits = model(torch.tensor([[bos] + run[:-1]]), use_cache=False).logits[0].double()
        scores = torch.log_softmax(logits[:, :vocab], dim=-1)
        total -= scores[torch.arange(len(run)), torch.tensor(run)].sum().item()
    return total / len(ids)


def keep_dtype(module, _):
    """compressed-tensors unpacks MXFP8 to BF16 whatever the model's dtype is, which then meets inputs of another."""
    if module.weight.dtype != module.run_dtype:
        module.weight.data = module.weight.data.to(module.run_dtype)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("context", type=int)
    parser.add_argument("--dtype", default="float32", help="of what is not quantized (auto: as the checkpoint says)")
    parser.add_argument("--bytes", type=int, help="score only the first N bytes of the text (cut at a code point)")
    args = parser.parse_args()

    raw = args.text.read_bytes()
    text = raw[:args.bytes].decode("utf-8", "ignore") if args.bytes else raw.decode("utf-8")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(args.directory / "tokenizer.json"))
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    config = json.loads((args.directory / "config.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(args.directory, dtype=args.dtype).eval()
    quantized = [module for module in model.modules() if getattr(module, "quantization_scheme", None) is not None]
    for module in quantized:
        if isinstance(module, torch.nn.Linear):
            module.run_dtype = model.get_input_embeddings().weight.dtype
            module.register_forward_pre_hook(keep_dtype)
    began = time.time()
    nll = loss(model, ids, first_token(config), args.context, model.config.vocab_size)
    print(json.dumps({"nll": nll, "tokens": len(ids), "perplexity": math.exp(nll), "seconds": time.time() - began,
                      "quantized_layers": len(quantized)}))


if __name__ == "__main__":
    main()
