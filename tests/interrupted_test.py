"""Compressing that is killed, runs out of disk or may take no more memory than it was given."""

import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from octet_program import OCTET, ProgramTest

SANITIZED = bool(os.environ.get("OCTET_SANITIZE"))
MOMENTS = 4 if SANITIZED else 10
TOKENS = 1500 if SANITIZED else 4000


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
        tokens = () if "--calibration-tokens" in more else ("--calibration-tokens", str(TOKENS))
        return [OCTET, "compress", str(self.model), "--scheme", "W8A8", "--calibration", str(self.text),
                "--context", "256", *tokens, "--threads", "2", "-o", str(out), *more]

    def run_limited(self, out, *more, what=None, size=0):
        return subprocess.run(self.command(out, *more), capture_output=True, timeout=300,
                              preexec_fn=limit(what, size) if what is not None else None)

    def whole(self, name="whole"):
        done = self.run_limited(self.folder / name)
        self.assertEqual(done.returncode, 0, done)
        return files_of(self.folder / name)

    def smallest_budget(self, *more):
        done = self.run_limited(self.folder / "no", *more, "--ram", "1M")
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
        self.assertGreaterEqual(killed, MOMENTS // 2)

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
        self.assertNotIn("went on", self.fails_then_goes_on("layer", whole, "layer-00000", 10_000))
        self.assertIn("went on with 5 of 5 layers",
                      self.fails_then_goes_on("save", whole, "model.safetensors", 300_000))

    def test_a_disk_too_small_for_the_activations_is_said_in_a_line(self):
        self.model = pathlib.Path(os.environ["OCTET_SOURCE"]) / "assets" / "octet-stories"
        self.text.write_bytes(self.data("text/tinystories.train.txt").read_bytes()[:60000])
        more = ("--algorithm", "mse", "--calibration-tokens", "12000")
        done = self.run_limited(self.folder / "whole", *more)
        self.assertEqual(done.returncode, 0, done)
        spilled = (*more, "--ram", self.smallest_budget(*more))
        text = self.fails_then_goes_on("spill", files_of(self.folder / "whole"), "activations need", 300_000, *spilled)
        self.assertIn("activations in a file", text)
        self.assertNotIn("went on", text)

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

    @unittest.skipIf(SANITIZED, "sanitizers take memory of their own")
    def test_the_smallest_budget_holds_under_a_hard_limit(self):
        whole = self.whole()
        budget = self.smallest_budget()
        done = self.run_limited(self.folder / "tight", "--ram", budget, what=resource.RLIMIT_DATA,
                                size=int(budget[:-1]) * 1_000_000)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("predicted: at most", done.stderr.decode())
        self.assertEqual(files_of(self.folder / "tight"), whole)

    @unittest.skipIf(SANITIZED, "sanitizers take memory of their own")
    def test_what_is_said_holds_under_a_hard_limit_and_is_not_much_more_than_needed(self):
        model = pathlib.Path(os.environ["OCTET_SOURCE"]) / "assets" / "octet-stories"
        for scheme, algorithm, threads in (("W8A8", "default", 2), ("FP8_DYNAMIC", "gptq", 8), ("W8A16_CHANNEL", "mse", 1),
                                           ("CODEBOOK8A16", "rtn", 2), ("W8A8", "rotation+mse", 2)):
            def run(name, size=None):
                return subprocess.run([OCTET, "compress", str(model), "--scheme", scheme, "--algorithm", algorithm,
                                       "--calibration", str(model / "calibration.txt"), "--calibration-tokens", "600",
                                       "--threads", str(threads), "--ram", "4G", "-o", str(self.folder / name)],
                                      capture_output=True, timeout=300,
                                      preexec_fn=limit(resource.RLIMIT_DATA, size) if size else None)
            with self.subTest(scheme=scheme, algorithm=algorithm):
                out = f"{scheme}-{algorithm}"
                said = re.search(r"at most ([0-9.]+) MB", run(out).stderr.decode())
                size = float(said.group(1)) * 1e6
                done = run(out + "-tight", int(size))
                self.assertEqual(done.returncode, 0, done)
                self.assertEqual(files_of(self.folder / out), files_of(self.folder / (out + "-tight")))
                done = run(out + "-short", int((size - 10e6) / 1.15))
                self.assertNotEqual(done.returncode, 0, f"{said.group(1)} MB are said, and far less is enough")

    @unittest.skipIf(SANITIZED, "sanitizers take memory of their own")
    def test_what_is_said_of_a_run_with_a_report_holds_under_a_hard_limit(self):
        for algorithm in ("default", "rtn", "smoothquant", "adaround"):
            report = ("--algorithm", algorithm, "--report", str(self.folder / "report.html"))
            with self.subTest(algorithm=algorithm):
                done = self.run_limited(self.folder / "free", *report)
                said = re.search(r"at most ([0-9.]+) MB", done.stderr.decode())
                done = self.run_limited(self.folder / algorithm, *report, what=resource.RLIMIT_DATA,
                                        size=int(float(said.group(1)) * 1e6))
                self.assertEqual(done.returncode, 0, done)
                shutil.rmtree(self.folder / "free")

    @unittest.skipIf(SANITIZED, "sanitizers take memory of their own")
    def test_a_long_validation_text_is_counted_and_what_is_said_holds(self):
        validation = self.folder / "validation.txt"
        text = self.data("text/tinystories.train.txt").read_bytes()[100_000:]
        for name, size, more in (("report", 300_000, ("--report", str(self.folder / "report.html"))),
                                 ("contract", 30_000, ("--max-kl", "0.001"))):
            validation.write_bytes(text[:size])
            more = ("--algorithm", "rtn", "--validation", str(validation), *more)
            with self.subTest(name):
                done = self.run_limited(self.folder / "free", *more)
                size = float(re.search(r"at most ([0-9.]+) MB", done.stderr.decode()).group(1)) * 1e6
                self.assertEqual(done.returncode, 0, done)
                shutil.rmtree(self.folder / "free")
                done = self.run_limited(self.folder / name, *more, what=resource.RLIMIT_DATA, size=int(size))
                self.assertEqual(done.returncode, 0, done)

    @unittest.skipIf(SANITIZED, "sanitizers take memory of their own")
    def test_too_tight_a_limit_is_said_with_what_was_needed(self):
        for size, part in ((2_500_000, "give fewer --threads, or raise what limits them"),
                           (5_000_000, "--ram 1M says how little is enough"), (12_000_000, "MB were predicted")):
            done = self.run_limited(self.folder / "no", what=resource.RLIMIT_DATA, size=size)
            self.assertEqual(done.returncode, 1, done)
            lines = done.stderr.decode().splitlines()
            self.assertIn(part, lines[-1])
            self.assertIn("ulimit -d", lines[-1])
            self.assertEqual([line for line in lines[:-1] if "predicted" not in line and "warning" not in line], [])
            self.assertFalse((self.folder / "no").exists())

    def test_interrupted_it_says_that_the_same_command_goes_on(self):
        whole = self.whole()
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            out = self.folder / f"out-{status}"
            process = subprocess.Popen(self.command(out), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
            self.wait_for(process, out.with_suffix(".part") / "work" / "layer-00001.safetensors")
            process.send_signal(number)
            text = process.communicate()[1].decode()
            self.assertEqual(process.returncode, status, text)
            self.assertIn(f"interrupted: what is finished stands in {out}.part; the same command goes on with it", text)
            done = self.run_limited(out)
            self.assertIn("octet: went on with", done.stderr.decode())
            self.assertEqual(files_of(out), whole)

    def test_interrupted_before_anything_is_finished_it_says_so(self):
        out = self.folder / "out"
        process = subprocess.Popen(self.command(out, "--calibration-tokens", "6000"), stderr=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL)
        self.wait_for(process, out.with_suffix(".part"))
        process.send_signal(signal.SIGINT)
        text = process.communicate()[1].decode()
        self.assertEqual(process.returncode, 130, text)
        self.assertIn("nothing was finished yet, and nothing is left behind", text)
        self.assertEqual([p.name for p in self.folder.iterdir()], ["stories.txt"])

    def wait_for(self, process, file):
        end = time.time() + 60
        while not file.exists() and process.poll() is None and time.time() < end:
            time.sleep(0.002)
        self.assertTrue(file.exists() and process.poll() is None, "it ended too early")

    def test_other_work_is_said_not_to_be_used_and_a_report_does_not_make_it_other(self):
        out = self.folder / "out"
        def leave_work():
            process = subprocess.Popen(self.command(out), stderr=subprocess.DEVNULL)
            self.wait_for(process, out.with_suffix(".part") / "work" / "layer-00001.safetensors")
            process.kill()
            process.wait()
        leave_work()
        done = self.run_limited(out, "--algorithm", "mse")
        self.assertIn("the work of an earlier run is not used: it was made by: octet compress", done.stderr.decode())
        shutil.rmtree(out)
        report = ("--validation", str(self.text), "--report", str(self.folder / "report.html"))
        process = subprocess.Popen(self.command(out, *report), stderr=subprocess.DEVNULL)
        self.wait_for(process, out.with_suffix(".part") / "work" / "layer-00001.safetensors")
        process.kill()
        process.wait()
        done = self.run_limited(out, *report[:3], str(self.folder / "another.html"))
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("octet: went on with", done.stderr.decode())
        self.assertIn("another.html", (out / "octet.json").read_text())

    def test_killed_while_its_report_is_measured_the_same_command_makes_both(self):
        out, page = self.folder / "out", self.folder / "report.html"
        validation = self.folder / "validation.txt"
        validation.write_bytes(self.text.read_bytes()[:3000])
        report = ("--validation", str(validation), "--report", str(page), "--calibration-tokens", "1000")
        self.assertEqual(self.run_limited(self.folder / "whole", *report).returncode, 0)
        page.unlink()
        process = subprocess.Popen(self.command(out, *report), stderr=subprocess.DEVNULL)
        self.wait_for(process, out.with_suffix(".part") / "octet.json")  # the last of the model's files
        process.kill()
        process.wait()
        self.assertFalse(out.exists() or page.exists())
        done = self.run_limited(out, *report)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("octet: went on with", done.stderr.decode())
        self.assertTrue(page.exists())
        self.assertEqual(files_of(out), files_of(self.folder / "whole"))

    def test_a_search_goes_on_under_other_bounds(self):
        out = self.folder / "out"
        bounds = lambda kl: ("--algorithm", "rtn", "--max-kl", kl)
        process = subprocess.Popen(self.command(out, *bounds("1e-9")), stderr=subprocess.DEVNULL)
        self.wait_for(process, out.with_suffix(".part") / "work" / "sensitivities.json.sha256")
        process.kill()
        process.wait()
        done = self.run_limited(out, *bounds("1"), "--report", str(self.folder / "report.html"))
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("went on with the sensitivities", done.stderr.decode())
        self.assertIn("--max-kl 1 ", (out / "octet.json").read_text())


if __name__ == "__main__":
    unittest.main()
