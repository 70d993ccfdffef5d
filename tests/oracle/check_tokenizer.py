#!/usr/bin/env python3
"""Trains a byte-level vocabulary with `octet train-tokenizer`, with one thread and with several, and compares it with what the
tokenizers library trains on the same texts: merges, ids of every text, and seconds (both on two threads).

    pip install tokenizers transformers
    python check_tokenizer.py TEXT... [--octet build/octet] [--vocab-size N]

Exits with 1 if ids differ between octet and the library with octet's file, or merges between octet and the library's trainer.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("RAYON_NUM_THREADS", "2")
from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: E402  (reads the variable)
from transformers import AutoTokenizer  # noqa: E402


def octet(program, *words):
    return json.loads(subprocess.run([program, *map(str, words), "--json"], check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--octet", default="build/octet")
    parser.add_argument("--vocab-size", type=int, default=8192)
    arguments = parser.parse_args()
    texts = [open(name, encoding="utf-8", errors="replace", newline="").read() for name in arguments.texts]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for threads in 1, 2:
            report = octet(arguments.octet, "train-tokenizer", *arguments.texts, "--vocab-size", arguments.vocab_size, "-o",
                           f"{folder}/{threads}", "--threads", threads)
            print(f"octet, {threads} threads: {report['vocab_size']} tokens in {report['seconds']:.3f} s")
            files.append(open(f"{folder}/{threads}/tokenizer.json", "rb").read())
        failed |= files[0] != files[1]
        library = Tokenizer(models.BPE())
        library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=arguments.vocab_size, min_frequency=2, special_tokens=["<|endoftext|>"],
                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
        begin = time.perf_counter()
        library.train(arguments.texts, trainer)
        print(f"tokenizers, from files, 2 threads: {time.perf_counter() - begin:.3f} s")
        library.train_from_iterator(texts, trainer)  # whole texts, as octet has it: from files it cuts at lines first
        theirs = [" ".join(merge) for merge in json.loads(library.to_str())["model"]["merges"]]
        ours = json.loads(files[0])["model"]["merges"]
        same = next((i for i, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), min(len(ours), len(theirs)))
        print(f"merges: {same} of {len(ours)} the same before the first difference")
        failed |= ours != theirs
        ours, wrapped = Tokenizer.from_file(f"{folder}/1/tokenizer.json"), AutoTokenizer.from_pretrained(f"{folder}/1")
        assert wrapped.eos_token == "<|endoftext|>"
        for name, text in zip(arguments.texts, texts):
            ids = octet(arguments.octet, "tokenize", f"{folder}/1", "--file", name)["ids"]
            equal = ids == ours.encode(text).ids == wrapped(text)["input_ids"] and ours.decode(ids) == text
            print(f"{name}: {len(ids)} ids, {'the same' if equal else 'DIFFERENT'}")
            failed |= not equal
    return failed


if __name__ == "__main__":
    sys.exit(main())
