#!/usr/bin/env python3
"""Classifiers that octet trained, loaded by Transformers and PyTorch: the same loss and accuracy on the same documents.

    pip install torch transformers safetensors tokenizers
    OCTET=build/octet tests/oracle/check_classifiers.py
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification

OCTET = os.environ.get("OCTET", "build/octet")
LSTM = "{model_type: octet_lstm_classifier, embedding_size: 24, hidden_size: 20, hidden_act: gelu, pooling: mean}"
BERT = ("{architecture: BertForSequenceClassification, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, "
        "intermediate_size: 48}")
THINGS, WORDS = ["the food", "this room", "a film"], ["awful", "dull", "poor", "great", "fine", "lovely"]


def octet(*arguments):
    done = subprocess.run([OCTET, *map(str, arguments), "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def documents(seed, count):
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        word = draw.randrange(6)
        rows.append((f"{draw.choice(THINGS)} was {'really ' * draw.randrange(4)}{WORDS[word]} !", int(word >= 3)))
    return rows


def write(file, rows):
    file.write_text("".join(f"{text}\t{label}\n" for text, label in rows))


def lstm_logits(directory, config, ids):
    w = load_file(directory / "model.safetensors")
    w = {name: x.float() for name, x in w.items()}
    lstm = torch.nn.LSTM(config["embedding_size"], config["hidden_size"], batch_first=True)
    lstm.load_state_dict({name[5:]: x for name, x in w.items() if name.startswith("lstm.")})
    states = lstm(w["embedding.weight"][ids][None])[0][0].mean(0)
    dense = torch.nn.functional.gelu(w["dense.weight"] @ states + w["dense.bias"])
    x = w["classifier.weight"] @ dense + w["classifier.bias"]
    return torch.cat([torch.zeros(1), x])  # a sigmoid is a softmax over 0 and x


def check(folder, name, model, precision):
    recipe = folder / f"{name}.yaml"
    recipe.write_text(f"output: {name}\nmodel: {model}\nprecision: {precision}\nsteps: 40\nbatch_size: 16\n"
                      "data: {train: train.tsv, classes: 2}\noptimizer: {learning_rate: 5e-3}\n")
    directory = pathlib.Path(octet("train", recipe)["directory"])
    ours = octet("eval", directory, "--data", folder / "test.tsv")
    config = json.loads((directory / "config.json").read_text())
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    bert = AutoModelForSequenceClassification.from_pretrained(directory).float().eval() if "architecture" in model else None
    loss, right, rows = 0.0, 0, documents(2, 50)
    with torch.no_grad():
        for text, label in rows:
            ids = torch.tensor(tokenizer.encode(text).ids)
            logits = bert(input_ids=ids[None]).logits[0] if bert else lstm_logits(directory, config, ids)
            loss += torch.nn.functional.cross_entropy(logits[None], torch.tensor([label])).item() / len(rows)
            right += int(logits.argmax() == label)
    good = abs(loss - ours["loss"]) < 1e-4 and right == round(ours["accuracy"] * len(rows))
    print(f"{name:10} octet {ours['loss']:.6f} {ours['accuracy']:.2f}  oracle {loss:.6f} {right / len(rows):.2f}  "
          f"{'good' if good else 'BAD'}")
    return good


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write(folder / "train.tsv", documents(1, 300))
        write(folder / "test.tsv", documents(2, 50))
        results = [check(folder, f"{name}_{precision}", model, precision)
                   for name, model in (("lstm", LSTM), ("bert", BERT)) for precision in ("fp32", "fp8_current")]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
