"""What `train` promises: keys of --json, a run that is killed goes on to the same bytes, refusals in one line."""

import pathlib
import signal
import subprocess
import tempfile
import time

from octet_program import OCTET, ProgramTest

STORY = "Lily found a red ball. Tom liked the big tree. The cat saw a happy dog. Ben lost the blue boat. "
RECIPE = """
output: {output}
tokenizer: tokenizer
precision: {precision}
model: {{hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 2, tie_word_embeddings: true}}
data: {{train: train.txt, validation: train.txt, sequence_length: 32, end_of_text: "<|endoftext|>"}}
validation_tokens: 320
batch_size: 4
steps: {steps}
validate_every: 10
checkpoint_every: 3
log_every: 1
"""


class Train(ProgramTest):
    def setUp(self):
        self.keeper = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.keeper.name)
        (self.folder / "train.txt").write_text(STORY * 300)
        self.succeeds("train-tokenizer", self.folder / "train.txt", "--vocab-size", "280", "-o", self.folder / "tokenizer")

    def tearDown(self):
        self.keeper.cleanup()

    def recipe(self, output, steps=20, precision="fp32", more=""):
        file = self.folder / f"{output}.yaml"
        file.write_text(RECIPE.format(output=output, steps=steps, precision=precision) + more)
        return file

    def test_json_has_its_keys_and_the_model_is_evaluated(self):
        result = self.json_of("train", self.recipe("a"))
        for key in ("loss", "validation_loss", "steps", "tokens", "tokens_per_second", "peak_memory_bytes", "directory"):
            self.assertIn(key, result)
        self.assertEqual(result["steps"], 20)
        self.assertEqual(result["tokens"], 20 * 4 * 32)
        scores = self.json_of("eval", result["directory"], "--text", self.folder / "train.txt", "--context", "32")
        self.assertLess(scores["nll"], 5.5)

    def test_a_killed_run_goes_on_to_the_same_bytes(self):
        whole = self.json_of("train", self.recipe("whole", 400, "fp8_current"))
        recipe = self.recipe("killed", 400, "fp8_current")
        run = subprocess.Popen([OCTET, "train", str(recipe)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        saved = self.folder / "killed" / "checkpoint.safetensors"
        while run.poll() is None and not saved.exists():
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        run.wait()
        self.assertIn("--resume", self.fails(1, "train", recipe))
        again = self.json_of("train", recipe, "--resume")
        self.assertEqual(again["loss"], whole["loss"])
        for name in ("checkpoint.safetensors", "model/model.safetensors"):
            self.assertEqual((self.folder / "whole" / name).read_bytes(), (self.folder / "killed" / name).read_bytes())

    def test_refusals_are_one_line(self):
        self.assertIn("nothing.yaml", self.fails(1, "train", self.folder / "nothing.yaml"))
        self.assertIn("stpes", self.fails(1, "train", self.recipe("b", more="stpes: 3\n")))
        self.assertIn("fp8_block", self.fails(1, "train", self.recipe("c", precision="fp9")))
        (self.folder / "broken.yaml").write_text("output: [\n")
        self.assertIn("line", self.fails(1, "train", self.folder / "broken.yaml"))


if __name__ == "__main__":
    import unittest

    unittest.main()
