"""What `train-tokenizer` and `train --compare` promise around their files: the same bytes, nothing lost, refusals that come early."""

import json
import pathlib
import tempfile
import unittest

from octet_program import ProgramTest

STORY = "The miller's daughter counted the sacks: one sack, two sacks, three sacks. Nobody counted the mice.\n"


class Files(ProgramTest):
    def setUp(self):
        self.keep = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.keep.name)

    def tearDown(self):
        self.keep.cleanup()

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


class TrainTokenizer(Files):
    def setUp(self):
        super().setUp()
        self.text = self.write("story.txt", STORY * 20)

    def train(self, *more, size=300):
        return self.json_of("train-tokenizer", self.text, "--vocab-size", size, "-o", self.folder / "out", *more)

    def test_text_goes_through_and_comes_back(self):
        done = self.train()
        self.assertEqual((done["vocab_size"], done["bytes"]), (300, len(STORY) * 20))
        self.assertGreater(done["seconds"], 0)
        ids = self.json_of("tokenize", self.folder / "out", "--text", STORY + "naïve 😀")["ids"]
        text = self.json_of("tokenize", self.folder / "out", "--ids", "--text", " ".join(map(str, ids)))["text"]
        self.assertEqual(text, STORY + "naïve 😀")
        config = json.loads((self.folder / "out" / "tokenizer_config.json").read_text())
        self.assertEqual((config["bos_token"], config["eos_token"]), ("<|endoftext|>", "<|endoftext|>"))

    def test_threads_do_not_change_a_byte(self):
        files = []
        for threads in 1, 3:
            self.train("--threads", threads, "--force")
            files.append((self.folder / "out" / "tokenizer.json").read_bytes())
        self.assertEqual(files[0], files[1])

    def test_what_is_there_is_replaced_only_with_force(self):
        self.train()
        before = (self.folder / "out" / "tokenizer.json").read_bytes()
        self.text.write_text("something else altogether, something else altogether")
        command = ("train-tokenizer", self.text, "--vocab-size", 300, "-o", self.folder / "out")
        self.assertIn("--force", self.fails(1, *command))
        self.assertEqual((self.folder / "out" / "tokenizer.json").read_bytes(), before)
        self.succeeds(*command, "--force")
        self.assertNotEqual((self.folder / "out" / "tokenizer.json").read_bytes(), before)

    def test_special_tokens_and_a_pattern_are_taken(self):
        self.train("--special-tokens", "<s>,</s>,<pad>", "--pattern", r"\w+|\W")
        tokenizer = json.loads((self.folder / "out" / "tokenizer.json").read_text())
        self.assertEqual([token["content"] for token in tokenizer["added_tokens"]], ["<s>", "</s>", "<pad>"])
        self.assertEqual(tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"], {"Regex": r"\w+|\W"})
        self.assertEqual(self.json_of("tokenize", self.folder / "out", "--text", "<s>The</s>")["ids"][0], 0)

    def test_bad_input_is_refused_in_one_line(self):
        out = self.folder / "new"
        empty = self.write("empty.txt", "")
        self.assertIn("empty", self.fails(1, "train-tokenizer", empty, "--vocab-size", 300, "-o", out))
        self.assertIn("nowhere", self.fails(1, "train-tokenizer", "nowhere", "--vocab-size", 300, "-o", out))
        self.assertIn("257", self.fails(1, "train-tokenizer", self.text, "--vocab-size", 256, "-o", out))
        self.assertIn("--pattern", self.fails(1, "train-tokenizer", self.text, "--vocab-size", 300, "-o", out, "--pattern", "("))
        self.fails(2, "train-tokenizer", self.text, "--vocab-size", 100, "-o", out)
        self.fails(2, "train-tokenizer", self.text, "-o", out)
        self.fails(2, "train-tokenizer", "--vocab-size", 300, "-o", out)
        self.assertFalse((out / "tokenizer.json").exists())

    def test_a_small_text_says_how_many_tokens_it_gave(self):
        done = self.succeeds("train-tokenizer", self.write("a.txt", "aa aa"), "--vocab-size", 1000, "-o", self.folder / "out")
        self.assertIn(b"258 tokens", done)


class Compare(Files):
    def run_of(self, name, shift):
        lines = ["step,wall_time,tag,value"]
        for step in range(1, 101):
            lines.append(f"{step},{1000 + step}.000,train/loss,{2 + shift + 1 / step}")
            if step % 10 == 0:
                lines.append(f"{step},{1000 + step}.000,validation/loss,{2.5 + shift}")
        return self.write(f"{name}/metrics.csv", "\n".join(lines) + "\n").parent

    def test_gaps_are_those_to_the_first_run(self):
        first, second = self.run_of("bf16", 0), self.run_of("fp8", 0.25)
        page = self.folder / "page.html"
        text = self.succeeds("train", "--compare", first, second, "--report", page).decode()
        self.assertIn("2.7500 (+10.000 %)", text)
        gaps = [25 / (2 + 1 / step) for step in range(1, 101)]
        self.assertIn(f"{sum(gaps) / 100:+.3f} %", text)
        self.assertIn("Gap of the validation loss", page.read_text())
        runs = self.json_of("train", "--compare", second, first)["runs"]
        self.assertEqual([(run["name"], run["validation_loss"], run["steps"]) for run in runs], [("fp8", 2.75, 100), ("bf16", 2.5, 100)])
        self.assertEqual(runs[0]["mean_gap_percent"], 0)
        self.assertAlmostEqual(runs[1]["end_gap_percent"], sum(-25 / (2.25 + 1 / step) for step in range(96, 101)) / 5)

    def test_bad_input_is_refused_in_one_line(self):
        self.assertIn("metrics.csv", self.fails(1, "train", "--compare", self.folder))
        self.fails(2, "train", "--report", "page.html")
        self.fails(2, "train", "recipe.yaml", "--compare", self.run_of("bf16", 0))
        self.assertIn("--compare", self.fails(2, "train"))


if __name__ == "__main__":
    unittest.main()
