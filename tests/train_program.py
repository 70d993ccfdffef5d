"""A folder with a text, a tokenizer and recipes, for tests of `octet train` as a program."""

import csv
import pathlib
import tempfile

from octet_program import ProgramTest

STORY = "Lily found a red ball. Tom liked the big tree. The cat saw a happy dog. Ben lost the blue boat. "
RECIPE = """
output: {output}
tokenizer: tokenizer
precision: {precision}
model: {{hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, tie_word_embeddings: true}}
data: {{train: train.txt, validation: train.txt, sequence_length: 32}}
validation_tokens: 320
batch_size: 2
steps: {steps}
validate_every: 6
checkpoint_every: 2
log_every: 1
"""


class TrainTest(ProgramTest):
    def setUp(self):
        keeper = tempfile.TemporaryDirectory()
        self.addCleanup(keeper.cleanup)
        self.folder = pathlib.Path(keeper.name)
        (self.folder / "train.txt").write_text(STORY * 100)
        self.succeeds("train-tokenizer", self.folder / "train.txt", "--vocab-size", "280", "-o", self.folder / "tokenizer")

    def recipe(self, output, precision="fp32", steps=6, more="", change=lambda text: text):
        file = self.folder / f"{output}.yaml"
        file.write_text(change(RECIPE.format(output=output, precision=precision, steps=steps) + more))
        return file

    def numbers(self, output):
        """What the log says, without what a clock says."""
        with open(self.folder / output / "metrics.csv") as file:
            return [(r["step"], r["tag"], r["value"]) for r in csv.DictReader(file) if "second" not in r["tag"]]

    def same(self, one, other):
        for name in ("checkpoint.safetensors", "model/model.safetensors"):
            self.assertEqual((self.folder / one / name).read_bytes(), (self.folder / other / name).read_bytes(), name)
        self.assertEqual(self.numbers(one), self.numbers(other))
