"""What `mpirun -n N octet train` promises: the bytes of one process with as many micro-batches, and one line when it fails."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from octet_program import OCTET, ROOT
from train_program import TrainTest

# As root, with more processes than cores, and nothing bound to a core that others use.
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none"]
ENVIRONMENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
               # Open MPI keeps some of its memory until the end.
               "LSAN_OPTIONS": f"suppressions={ROOT / 'tests' / 'mpi_leaks.txt'}:print_suppressions=0",
               "TSAN_OPTIONS": f"suppressions={ROOT / 'tests' / 'mpi_locks.txt'}"}


class Processes(TrainTest):
    def setUp(self):
        if not self.json_of("doctor")["mpi"]:
            self.skipTest("octet was built without MPI")
        if not shutil.which("mpirun"):
            self.skipTest("mpirun is not there (package openmpi-bin)")
        super().setUp()

    def start(self, count, *arguments):
        command = [*MPIRUN, "-n", str(count), OCTET, "train", *map(str, arguments), "--threads", "1"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**os.environ, **ENVIRONMENT})

    def together(self, count, *arguments):
        """Standard output and error of as many processes that succeed."""
        run = self.start(count, *arguments)
        out, error = run.communicate(timeout=120)
        self.assertEqual(run.returncode, 0, error.decode())
        return out.decode(), error.decode()

    def lines_of_failure(self, run):
        """What octet itself says; mpirun adds what it has to say."""
        out, error = run.communicate(timeout=120)
        self.assertNotEqual(run.returncode, 0, out)
        return [line for line in error.decode().splitlines() if line.startswith("octet: ")]

    def compare(self, name, precision, more="", count=2, steps=6):
        self.succeeds("train", self.recipe(f"{name}-one", precision, more=f"accumulate: 4\n{more}"))
        recipe = self.recipe(f"{name}-many", precision, more=f"accumulate: 4\n{more}")
        out, error = self.together(count, recipe, "--json")
        self.assertEqual(json.loads(out)["steps"], steps)  # said once
        self.assertEqual(error.count(f"step {steps}/{steps}"), 1, error)
        self.same(f"{name}-one", f"{name}-many")

    def test_fp32_is_that_of_one_process(self):
        self.compare("fp32", "fp32")

    def test_delayed_scaling_is_that_of_one_process(self):
        self.compare("fp8", "fp8_delayed", count=4)

    def test_static_input_ranges_are_those_of_one_process(self):
        self.compare("static", "qat:W8A8_STATIC", more="quantization: {from_start: true}\n")

    def test_a_model_that_is_compressed_on_the_way_is_that_of_one_process(self):
        self.compare("aware", "qat:W8A8", more="quantization: {steps: 2}\n", steps=8)

    def test_gradients_sent_in_bfloat16_are_those_of_one_process(self):
        self.compare("bf16", "bf16", more="reduce_dtype: bfloat16\n")

    def test_a_micro_batch_for_each_process_unless_the_recipe_says_otherwise(self):
        self.succeeds("train", self.recipe("two", more="accumulate: 2\n"))
        self.together(2, self.recipe("each"))
        self.same("two", "each")
        lines = self.lines_of_failure(self.start(2, self.recipe("odd", more="accumulate: 3\n")))
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("accumulate is 3", lines[0])

    def test_a_killed_process_ends_all_and_another_number_goes_on(self):
        more = "accumulate: 4\n"
        self.succeeds("train", self.recipe("whole", "fp8_delayed", 60, more))
        recipe = self.recipe("killed", "fp8_delayed", 60, more)
        run = self.start(2, recipe)
        saved = self.folder / "killed" / "checkpoint.safetensors"
        while run.poll() is None and not saved.exists():
            time.sleep(0.002)
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        self.assertEqual(len(children), 2)
        os.kill(int(children[1]), signal.SIGKILL)
        self.assertEqual(self.lines_of_failure(run), [])
        self.assertFalse((self.folder / "killed" / "model").exists())
        self.together(4, recipe, "--resume")
        self.same("whole", "killed")

    def test_an_error_is_said_once(self):
        for name, more, wrong in (("field", "stpes: 3\n", "stpes"),
                                  ("rate", "optimizer: {learning_rate: 1e5, clip: 0}\n", "learning rate")):
            lines = self.lines_of_failure(self.start(2, self.recipe(name, steps=100, more=more)))
            self.assertEqual(len(lines), 1, lines)
            self.assertIn(wrong, lines[0])

    def test_an_error_of_one_process_ends_all(self):
        recipe = self.recipe("alone", steps=100000)
        (self.folder / "alone").mkdir()
        (self.folder / "alone" / "metrics.csv").mkdir()  # only the first process writes a log
        lines = self.lines_of_failure(self.start(2, recipe))
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("metrics.csv", lines[0])


if __name__ == "__main__":
    import unittest

    unittest.main()
