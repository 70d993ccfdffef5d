"""What `train` makes of bad input, full disks and kills: one line, the last good checkpoint kept, the same numbers after."""

import json
import os
import random
import resource
import signal
import struct
import subprocess
import time

from octet_program import OCTET
from train_program import STORY, TrainTest


class Robustness(TrainTest):
    def refused(self, name, *parts, more="", change=lambda text: text, resume=False):
        message = self.fails(1, "train", self.recipe(name, more=more, change=change), *(["--resume"] if resume else []))
        for part in parts:
            self.assertIn(part, message)

    def replaced(self, old, new):
        def change(text):
            self.assertIn(old, text)
            return text.replace(old, new)
        return change

    def test_fields_that_are_unknown_or_contradict_one_another(self):
        self.refused("a", "there is no field", "learning_rte", more="optimizer: {learning_rte: 1}\n")
        self.refused("b", "either steps or epochs", more="epochs: 1\n")
        self.refused("c", "either model", more="from: tokenizer\n")
        self.refused("d", "warmup", more="schedule: {warmup: 0.1, warmup_steps: 5}\n")
        self.refused("e", "momentum", "adamw", more="optimizer: {momentum: 0.9}\n")
        self.refused("f", "beta1", "sgd", more="optimizer: {name: sgd, beta1: 0.9}\n")
        self.refused("g", "hidden_size 33", change=self.replaced("hidden_size: 32", "hidden_size: 33"))
        self.refused("h", "teacher", more="distillation: {weight: 0.5}\n")
        self.refused("i", "weight", more="distillation: {teacher: x, weight: 1.5}\n")
        self.refused("j", "hidden_layers", "hidden_weight", more="distillation: {teacher: x, hidden_layers: [[1, 1]]}\n")
        self.refused("k", "reduce_dtype", more="reduce_dtype: float16\n")
        self.refused("l", "learning_rate", more="optimizer: {learning_rate: fast}\n")
        self.refused("m", "line 13", "twice", change=lambda text: text + "output: again\n")

    def test_files_that_are_missing_or_empty(self):
        self.refused("a", "trian.txt", change=self.replaced("train: train.txt", "train: trian.txt"))
        self.refused("b", "nowhere", change=self.replaced("tokenizer: tokenizer", "tokenizer: nowhere"))
        self.refused("c", "nowhere", more="distillation: {teacher: nowhere}\n")
        for name, text, part in (("empty.txt", "", "empty"), ("blank.txt", " \n\n \n", "empty"),
                                 ("blank.jsonl", '{"text": "Tom."}\n{"text": ""}\n', "blank.jsonl"),
                                 ("broken.jsonl", '{"text": "Tom."}\n{"text": \n', "2"),
                                 ("short.txt", "Tom.", "tokens")):
            (self.folder / name).write_text(text)
            self.refused(name.replace(".", "_"), part, change=self.replaced("train: train.txt", f"train: {name}"))

    def test_sequences_longer_than_the_model(self):
        self.refused("a", "sequence_length 32", "16 positions",
                     change=self.replaced("num_hidden_layers: 2", "num_hidden_layers: 2, max_position_embeddings: 16"))

    def test_a_rate_that_diverges_names_step_and_tensor_and_keeps_the_checkpoint(self):
        more = "optimizer: {learning_rate: 3, clip: 0}\nschedule: {name: linear, warmup_steps: 300}\n"
        recipe = self.recipe("far", steps=400, more=more)
        run = subprocess.run([OCTET, "train", recipe], capture_output=True, text=True)
        self.assertEqual(run.returncode, 1)
        line = run.stderr.splitlines()[-1]
        self.assertRegex(line, r"^octet: step \d+: the loss .*model\..*learning rate.*checkpoint is kept")
        step = int(line.split()[2].rstrip(":"))
        self.assertGreater(step, 2)
        header = self.checkpoint("far")
        self.assertLess(int(header["step"]), step)
        self.assertFalse((self.folder / "far" / "model").exists())

    def checkpoint(self, output):
        """What a checkpoint says of itself."""
        with open(self.folder / output / "checkpoint.safetensors", "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            return json.loads(file.read(size))["__metadata__"]

    def test_a_checkpoint_of_something_else(self):
        self.succeeds("train", self.recipe("out"))
        self.refused("out", "--resume")
        self.refused("out", "another recipe", more="seed: 2\n", resume=True)
        self.recipe("out")
        (self.folder / "train.txt").write_text(STORY * 100 + "Lily.")
        self.refused("out", "other data", resume=True)
        (self.folder / "train.txt").write_text(STORY * 100)
        file = self.folder / "out" / "checkpoint.safetensors"
        whole = file.read_bytes()
        for damaged in (whole[:-100], whole[:50], b"", b"\xff" * 100):
            file.write_bytes(damaged)
            self.refused("out", "checkpoint.safetensors", resume=True)

    def test_a_full_disk_ends_the_run_and_keeps_what_was_there(self):
        self.succeeds("train", self.recipe("whole", steps=40))
        recipe = self.recipe("full", steps=40)
        self.kill_when(recipe, lambda: (self.folder / "full" / "checkpoint.safetensors").exists())
        file = self.folder / "full" / "checkpoint.safetensors"
        before = file.read_bytes()
        limit = len(before) // 2

        def full():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        run = subprocess.run([OCTET, "train", recipe, "--resume"], capture_output=True, text=True, preexec_fn=full)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertRegex(run.stderr.splitlines()[-1], r"^octet: .*checkpoint\.safetensors")
        self.assertEqual(file.read_bytes(), before)
        self.assertEqual([p.name for p in file.parent.iterdir() if "part" in p.name], [])
        self.succeeds("train", recipe, "--resume")
        self.same("whole", "full")

    def kill_when(self, recipe, ready, *arguments):
        """kill -9; False where the run was done before."""
        run = subprocess.Popen([OCTET, "train", str(recipe), *arguments], stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
        while run.poll() is None and not ready():
            time.sleep(0.001)
        run.send_signal(signal.SIGKILL)
        run.wait()
        return run.returncode != 0

    def test_an_interrupted_run_goes_on_where_it_was_whatever_the_recipe_says_of_checkpoints(self):
        def without_checkpoints(text):
            return text.replace("checkpoint_every: 2\n", "").replace("output: whole", "output: cut")

        self.succeeds("train", self.recipe("whole", steps=400, change=lambda text: text.replace("checkpoint_every: 2\n", "")))
        recipe = self.recipe("cut", steps=400, change=without_checkpoints)
        run = subprocess.Popen([OCTET, "train", recipe], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for line in run.stderr:
            if line.startswith("step 20/"):
                break
        run.send_signal(signal.SIGINT)
        with run.stderr:
            last = run.stderr.read().splitlines()[-1]
        self.assertEqual(run.wait(), 130)
        self.assertRegex(last, r"^octet: stopped after step \d+; octet train .* --resume goes on$")
        self.succeeds("train", recipe, "--resume")
        self.same("whole", "cut")

    def test_resuming_what_was_never_saved_says_so(self):
        run = subprocess.run([OCTET, "train", self.recipe("new"), "--resume"], capture_output=True, text=True)
        self.assertIn("new: there is no checkpoint; beginning with the first step", run.stderr)

    def test_kills_at_random_moments_change_no_number(self):
        draw = random.Random(int.from_bytes(os.urandom(4), "little"))
        for precision, more in (("fp8_delayed", ""), ("int8", "accumulate: 2\noptimizer: {state: int8}\n"),
                                ("qat:W8A8_STATIC", "quantization: {steps: 60}\n")):
            name = precision.replace(":", "-")
            self.succeeds("train", self.recipe(f"{name}-whole", precision, 90, more))
            recipe = self.recipe(name, precision, 90, more)
            saved = self.folder / name / "checkpoint.safetensors"
            self.kill_when(recipe, saved.exists)
            for kill in range(5):
                end = time.monotonic() + draw.uniform(0.02, 0.25)
                if not self.kill_when(recipe, lambda: time.monotonic() > end, "--resume"):
                    break
            self.succeeds("train", recipe, "--resume")
            self.same(f"{name}-whole", name)


if __name__ == "__main__":
    import unittest

    unittest.main()
