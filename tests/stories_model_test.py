"""The project's own model, assets/octet-stories: small, of widths that every kernel takes, and good at prose it has not seen."""

import json
import math
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from octet_program import OCTET, ROOT, ProgramTest

MODEL = ROOT / "assets" / "octet-stories"
HELD_OUT = MODEL / "held-out.txt"


class StoriesModel(ProgramTest):
    def test_the_directory_is_small(self):
        self.assertLessEqual(sum(f.stat().st_size for f in MODEL.rglob("*") if f.is_file()), 12_000_000)

    def test_widths_are_multiples_of_128(self):
        config = json.loads((MODEL / "config.json").read_text())
        self.assertEqual(config["architectures"], ["LlamaForCausalLM"])
        for width in ("hidden_size", "intermediate_size", "vocab_size"):
            self.assertEqual(config[width] % 128, 0, width)
        tensors = self.json_of("inspect", MODEL)["tensors"]
        matrices = [t for t in tensors if len(t["shape"]) == 2]
        self.assertEqual(len(matrices), 7 * config["num_hidden_layers"] + 1)
        for tensor in tensors:
            self.assertEqual(tensor["dtype"], "BF16", tensor)
            self.assertFalse([n for n in tensor["shape"] if n % 128], tensor)

    def test_unseen_prose_costs_as_many_bits_as_the_card_says(self):
        size = HELD_OUT.stat().st_size
        self.assertGreaterEqual(size, 20_000)
        scores = self.json_of("eval", MODEL, "--text", HELD_OUT)
        bits = scores["nll"] * scores["tokens"] / math.log(2) / size
        self.assertLessEqual(bits, 2.2)
        said = re.search(r"held-out\.txt[^|]*\|\s*([\d.]+)\s*\|", (MODEL / "MODEL_CARD.md").read_text())
        self.assertAlmostEqual(bits, float(said.group(1)), delta=0.005)

    def test_the_tokenizer_keeps_every_byte(self):
        for file in (HELD_OUT, MODEL / "calibration.txt"):
            read = self.json_of("tokenize", MODEL, "--file", file)
            self.assertEqual(read["text"], file.read_text(encoding="utf-8"))
            self.assertLess(len(read["ids"]) * 3, file.stat().st_size)
        self.assertEqual(self.json_of("tokenize", MODEL, "--text", "<|endoftext|>")["ids"], [0])

    def test_what_it_calibrates_on_is_not_what_it_is_measured_with(self):
        paragraphs = lambda name: {p for p in (MODEL / name).read_text(encoding="utf-8").split("\n") if len(p) > 40}
        self.assertGreater(len(paragraphs("calibration.txt")), 20)
        self.assertFalse(paragraphs("calibration.txt") & paragraphs("held-out.txt"))

    def test_a_seed_gives_the_same_story_again(self):
        story = ("run", MODEL, "--prompt", "Once upon a time", "--max-tokens", 40, "--temperature", "0.8", "--seed", 7)
        first = self.json_of(*story)
        self.assertEqual(first["ids"], self.json_of(*story, "--threads", 1)["ids"])
        self.assertGreater(len(set(first["ids"])), 15)

    @unittest.skipIf(os.environ.get("OCTET_SANITIZE"), "the demo is run in the release build")
    def test_the_demo_needs_nothing_but_the_clone(self):
        out = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, out)
        plain = {k: v for k, v in os.environ.items() if k not in ("MODEL", "TEXT", "CALIBRATION", "PROMPT")}
        demo = lambda **more: subprocess.run([ROOT / "scripts" / "demo.sh"], capture_output=True, text=True, timeout=300,
                                             env={**plain, "OCTET": OCTET, "OUT": out, **more})
        done = demo()
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if re.match(r"(original|W8A8|FP8_DYNAMIC) +\d", line)}
        self.assertEqual(sorted(rows), ["FP8_DYNAMIC", "W8A8", "original"])
        for scheme in ("W8A8", "FP8_DYNAMIC"):
            self.assertLess(float(rows[scheme][3]), 1.01 * float(rows["original"][3]), rows)
            self.assertTrue(0 < float(rows[scheme][4]) < 0.01, rows)  # KL divergence
        self.assertNotIn("invalid", done.stderr)
        missing = demo(MODEL="nowhere")
        self.assertEqual((missing.returncode, missing.stdout), (1, ""))
        self.assertIn("there is no config.json", missing.stderr)


if __name__ == "__main__":
    unittest.main()
