#!/usr/bin/env python3
"""Writes tests/golden/text/bpe_training.json: what the trainer of the tokenizers library (PyPI) makes of small texts.

    pip install tokenizers && python3 make_bpe_goldens.py [OUT_FILE]

A list of {"name", "texts", "vocabulary_size", "min_frequency", "special_tokens", "pattern", "tokens", "merges", "cases": [{"text", "ids"}]}.
"""
import json
import pathlib
import sys

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "text" / "bpe_training.json"

HARBOUR = """The harbour woke before the town did. Ropes creaked, gulls argued over nothing, and the first of the fishing boats
came in low and heavy with the morning's work. Anna stood where she always stood, at the end of the long stone wall, and counted
the boats as they came. There were seven boats in the fleet; there had been seven boats since before she was born.

She counted six. "They'll be along," said her father, who didn't look up from the net he was mending. "They're always along."
She counted again, because counting was the thing that she could do: one, two, three, four, five, six. The harbour bell rang,
and the baker's boy ran down the hill with the bread, and still there were six boats, and the sea beyond the wall was as grey and
as flat as a slate that nobody had written on. When the seventh came it came slowly, towing a whale that was not dead, and
that's how the story that I'm going to tell you begins. In 1907 there were 12 houses; in 1957 there were 112; today there're 1,212.
"""

MIXED = """naïve café, Ångström, Straße; naïve cafés, Ångströms, Straßen
我们今天去海边，海边的风很大。我们明天也去海边。海边没有人，风还是很大。
def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return a - b\n
😀😃😄 😀😃😄 👩‍👩‍👧 👩‍👩‍👧  tabs\tand\ttabs\r\nline ends\r\n\r\n   spaces   spaces
aaaaaaaa aaaaaaaa aaaa aa abababab abab cbabab  नमस्ते नमस्ते दुनिया
"""

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")

TEXTS = ["", " ", "The whale was towed into the harbour.", "They'll count 12 boats", "naïve Straße 海边的风", "😀😃 👩‍👩‍👧",
         "def mul(a, b):\n    return a * b\n", "aaaaaaaaa ababa", "unseen: ЖЖ ≠ ½"]


def train(name, texts, vocabulary_size, min_frequency=2, special_tokens=("<|endoftext|>",), pattern=""):
    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if pattern:
        library.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary_size, min_frequency=min_frequency, special_tokens=list(special_tokens),
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    library.train_from_iterator(texts, trainer)
    model = json.loads(library.to_str())["model"]
    vocabulary = model["vocab"]
    return {"name": name, "texts": texts, "vocabulary_size": vocabulary_size, "min_frequency": min_frequency,
            "special_tokens": list(special_tokens), "pattern": pattern, "tokens": sorted(vocabulary, key=vocabulary.get),
            "merges": model["merges"],
            "cases": [{"text": text, "ids": library.encode(text).ids} for text in TEXTS + [HARBOUR[:200]]]}


GOLDENS = [
    train("stories", [HARBOUR], 420),
    train("exhausted", [HARBOUR, HARBOUR[:600]], 5000, min_frequency=4),
    train("mixed", [MIXED], 330, min_frequency=0, special_tokens=()),
    train("pattern", [MIXED, HARBOUR], 400, special_tokens=("<s>", "</s>", "<pad>"), pattern=LLAMA3),
]
OUT.write_text(json.dumps(GOLDENS, ensure_ascii=False, separators=(",", ":")) + "\n")
