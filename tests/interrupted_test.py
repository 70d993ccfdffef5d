"""Compressing that is killed, runs out of disk or may take no more memory than it was given."""

import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from octet_program import OCTET, ProgramTest

MOMENTS = 10


def limit(what, size):
    return lambda: resource.setrlimit(what, (size, size))


def files_of(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


class Interrupted(ProgramTest):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.model = self.data("models/stories260K")
        self.text = self.folder / "stories.txt"
        self.text.write_bytes(self.data("text/tinystories.train.txt").read_bytes()[:20000])

    def command(self, out, *more):
        return [OCTET, "compress", str(self.model), "--scheme", "W8A8", "--calibration", str(self.text),
                "--context", "256", "--calibration-tokens", "4000", "--threads", "2", "-o", str(out), *more]

    def run_limited(self, out, *more, what=None, size=0):
        return subprocess.run(self.command(out, *more), capture_output=True, timeout=300,
                              preexec_fn=limit(what, size) if what is not None else None)

    def whole(self, name="whole"):
        done = self.run_limited(self.folder / name)
        self.assertEqual(done.returncode, 0, done)
        return files_of(self.folder / name)

    def smallest_budget(self):
        done = self.run_limited(self.folder / "no", "--ram", "1M")
        self.assertEqual(done.returncode, 2, done)
        return done.stderr.decode().rsplit(" ", 1)[1].strip()

    def test_runs_killed_at_any_moment_end_in_the_same_bytes(self):
        started = time.time()
        whole = self.whole()
        seconds = time.time() - started
        tight = self.smallest_budget()
        chance = random.Random(5)
        killed = 0
        for moment in range(MOMENTS):
            out = self.folder / f"out-{moment}"
            more = ("--ram", tight) if moment % 2 else ()  # the activations in a file
            process = subprocess.Popen(self.command(out, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(seconds * (moment + chance.random()) / MOMENTS)
            process.send_signal(signal.SIGKILL)
            process.wait()
            if not out.exists():
                killed += 1
                done = self.run_limited(out, *more)
                self.assertEqual(done.returncode, 0, done)
            self.assertEqual(files_of(out), whole, f"killed at moment {moment}")
            self.assertFalse(out.with_suffix(".part").exists())
        self.assertGreater(killed, MOMENTS // 2)

    def fails_then_goes_on(self, name, whole, word, size, *more):
        out = self.folder / name
        done = self.run_limited(out, *more, what=resource.RLIMIT_FSIZE, size=size)
        self.assertEqual(done.returncode, 1, done)
        lines = [line for line in done.stderr.decode().splitlines() if "predicted" not in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(word, lines[0])
        self.assertFalse(out.exists())
        done = self.run_limited(out, *more)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(files_of(out), whole)
        return done.stderr.decode()

    def test_a_full_disk_is_said_in_a_line_and_loses_nothing(self):
        whole = self.whole()
        self.assertNotIn("went on", self.fails_then_goes_on("spill", whole, "activations need", 300_000, "--ram",
                                                            self.smallest_budget()))
        self.assertNotIn("went on", self.fails_then_goes_on("layer", whole, "layer-00000", 10_000))
        self.assertIn("went on with 5 of 5 layers",
                      self.fails_then_goes_on("save", whole, "model.safetensors", 300_000))

    def test_a_layer_that_was_damaged_is_made_again(self):
        whole = self.whole()
        for name, damage in (("zeros", lambda b: b[:len(b) // 2] + bytes(4096) + b[len(b) // 2 + 4096:]),
                             ("empty", lambda b: b""), ("cut", lambda b: b[:-7])):
            out = self.folder / name
            done = self.run_limited(out, what=resource.RLIMIT_FSIZE, size=300_000)  # all layers, but no model
            self.assertEqual(done.returncode, 1, done)
            layer = self.folder / f"{name}.part" / "work" / "layer-00002.safetensors"
            layer.write_bytes(damage(layer.read_bytes()))
            done = self.run_limited(out)
            self.assertEqual(done.returncode, 0, done)
            self.assertIn("layer-00002.safetensors: was damaged", done.stderr.decode())
            self.assertIn("went on with 2 of 5 layers", done.stderr.decode())
            self.assertEqual(files_of(out), whole, name)

    @unittest.skipIf(os.environ.get("OCTET_SANITIZE"), "sanitizers take memory of their own")
    def test_the_smallest_budget_holds_under_a_hard_limit(self):
        whole = self.whole()
        budget = self.smallest_budget()
        done = self.run_limited(self.folder / "tight", "--ram", budget, what=resource.RLIMIT_DATA,
                                size=int(budget[:-1]) * 1_000_000)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("predicted: at most", done.stderr.decode())
        self.assertEqual(files_of(self.folder / "tight"), whole)


if __name__ == "__main__":
    unittest.main()
