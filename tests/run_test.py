"""What `run` and `eval` promise on the way to their numbers: text that goes on from the prompt, refusals that come early."""

import resource
import signal
import subprocess
import tempfile
import unittest

from octet_program import OCTET, ProgramTest

MODEL = "models/stories260K"


class Run(ProgramTest):
    def test_the_text_goes_on_from_the_prompt(self):
        text = self.succeeds("run", self.data(MODEL), "--prompt", "Once upon", "--max-tokens", "4", "--temperature", "0")
        self.assertEqual(text.decode(), "Once upon a time, there\n")

    def test_a_long_prompt_leaves_what_there_is_to_generate(self):
        prompt = "Once upon a time there was a little girl. " * 25
        model = self.data(MODEL)
        done = self.json_of("run", model, "--prompt", prompt, "--temperature", "0")
        self.assertGreater(len(done["prompt_ids"]), 512 - 256)
        self.assertIn("--max-tokens", self.fails(1, "run", model, "--prompt", prompt, "--max-tokens", "256"))

    def test_not_a_number_is_no_temperature(self):
        for value in ("nan", "-nan", "inf"):
            self.assertIn("--temperature", self.fails(2, "run", "x", "--prompt", "a", f"--temperature={value}"))


class Eval(ProgramTest):
    def test_a_report_that_has_no_place_is_refused_before_the_work(self):
        with tempfile.TemporaryDirectory() as directory:
            self.assertIn("report", self.fails(1, "eval", "no-such-model", "--text", "x", "--report",
                                               f"{directory}/nowhere/r.html"))


class Compress(ProgramTest):
    def test_a_limit_of_file_size_is_an_error_that_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as directory:
            def limit():
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
                resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            done = subprocess.run([OCTET, "compress", self.data(MODEL), "--scheme", "W8A8", "-o", "out"], cwd=directory,
                                  capture_output=True, timeout=60, preexec_fn=limit)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(b"file size", done.stderr)
            self.assertEqual(subprocess.check_output(["ls", "-A", directory]), b"")


if __name__ == "__main__":
    unittest.main()
