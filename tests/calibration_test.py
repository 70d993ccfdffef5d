"""Compressing with a calibration text, as a whole: contracts, budgets, targets, recipes, the report, and a run that is killed."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from octet_program import OCTET, ProgramTest, octet

MODEL = "models/stories260K"
STORIES = "text/tinystories.train.txt"
SANITIZED = bool(os.environ.get("OCTET_SANITIZE"))
BYTES = 15000 if SANITIZED else 60000


class Calibration(ProgramTest):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.model = self.data(MODEL)
        self.text = self.folder / "stories.txt"
        self.text.write_bytes(self.data(STORIES).read_bytes()[:BYTES])

    def compress(self, *more):
        return ("compress", self.model, "--calibration", self.text, "--context", 256, *more)

    def test_a_contract_is_kept_or_ends_with_3(self):
        out = self.folder / "kept"
        made = self.json_of(*self.compress("-o", out, "--scheme", "FP8_DYNAMIC", "--max-kl", "0.005"))
        self.assertTrue(made["contract"]["holds"])
        self.assertLessEqual(made["contract"]["kl_divergence"], 0.005)
        self.assertTrue(0 < made["contract"]["wide_units"] < made["contract"]["units"])
        self.succeeds("eval", out, "--text", self.data("text/tinystories.sample.txt"))

        small = self.json_of(*self.compress("-o", self.folder / "small", "--max-size", "700K"))
        files = sum(f.stat().st_size for f in (self.folder / "small").iterdir())
        self.assertEqual(files, small["contract"]["bytes"])
        self.assertTrue(600_000 < files <= 700_000)

        for impossible in (("--max-kl", "1e-9"), ("--max-size", "100K"), ("--max-size", "600K", "--max-kl", "1e-5")):
            done = octet(*self.compress("-o", self.folder / "never", *impossible))
            self.assertEqual(done.returncode, 3, done)
            self.assertIn("the contract cannot be met", done.stderr.decode())
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["kept", "small", "stories.txt"])

    def test_contracts_that_cannot_be_understood_are_usage_errors(self):
        out = ("-o", self.folder / "out")
        for wrong, word in ((("--max-size", "10Q"), "K, M or G"), (("--max-ppl-increase", "half"), "no number"),
                            (("--max-latency", "20"), "20ms"), (("--max-kl", "-1"), "is negative")):
            self.assertIn(word, self.fails(2, *self.compress(*out, *wrong)))
        self.assertIn("--validation", self.fails(2, "compress", self.model, *out, "--max-kl", "0.1"))

    def test_contracts_that_contradict_themselves_are_usage_errors(self):
        out = ("-o", self.folder / "out", "--max-kl", "0.1")
        for wrong, word in ((("--validation", self.text), "the calibration text itself"), (("--max-size", "0"), "no model"),
                            (("--scheme", "UNQUANTIZED"), "compresses nothing"), (("--dry-run",), "--dry-run"),
                            (("--ram", "1M"), "the smallest that can be kept is")):
            self.assertIn(word, self.fails(2, *self.compress(*out, *wrong)))

    def test_a_contract_takes_static_schemes(self):
        self.text.write_bytes(self.text.read_bytes()[:BYTES // 2])
        made = self.json_of(*self.compress("-o", self.folder / "static", "--scheme", "W8A8_STATIC", "--max-kl", "0.05",
                                           "--calibration-tokens", 4000))
        self.assertTrue(made["contract"]["holds"])
        config = json.loads((self.folder / "static" / "config.json").read_text())
        groups = config["quantization_config"]["config_groups"].values()
        self.assertTrue(all(not group["input_activations"]["dynamic"] for group in groups))
        self.assertEqual([p.name for p in self.folder.iterdir() if "candidate" in p.name], [])

    def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(self):
        whole, out = self.folder / "whole", self.folder / "out"
        self.succeeds(*self.compress("--scheme", "W8A8", "-o", whole))
        command = [OCTET, *map(str, self.compress("--scheme", "W8A8", "-o", out))]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.time() + 120
        while not list(self.folder.glob("out.part/work/layer-00001.safetensors")) and time.time() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if not out.exists():  # it may have been faster
            done = octet(*command[1:])
            self.assertEqual(done.returncode, 0, done)
            self.assertIn("that an earlier run had finished", done.stderr.decode())
        self.assertEqual((out / "model.safetensors").read_bytes(), (whole / "model.safetensors").read_bytes())
        self.assertEqual(sorted(p.name for p in out.iterdir()), sorted(p.name for p in whole.iterdir()))

    def test_a_budget_spills_to_a_file_or_is_refused(self):
        self.assertIn("the smallest that can be kept is",
                      self.fails(2, *self.compress("--scheme", "W8A8", "-o", self.folder / "no", "--ram", "10M")))
        outputs = []
        for name, ram in (("roomy", "4G"), ("tight", None)):
            if ram is None:  # as little as is said to do
                text = self.fails(2, *self.compress("--scheme", "W8A8", "-o", self.folder / "no", "--ram", "1M"))
                ram = text.rsplit(" ", 1)[1].strip()
            made = self.json_of(*self.compress("--scheme", "W8A8", "-o", self.folder / name, "--ram", ram))
            if not SANITIZED:  # sanitizers keep freed memory and shadows of their own
                self.assertLess(made["peak_memory_bytes"], 4_000_000_000 if ram == "4G" else int(ram[:-1]) * 1_000_000)
            outputs.append((self.folder / name / "model.safetensors").read_bytes())
        self.assertEqual(outputs[0], outputs[1])

    @unittest.skipIf(SANITIZED, "sanitizers take memory of their own")
    def test_a_dry_run_says_no_less_memory_than_the_run(self):
        command = self.compress("--scheme", "W8A8", "--calibration-tokens", 3000, "--threads", 1)
        dry = self.json_of(*command, "--dry-run")
        said = octet(*command, "-o", self.folder / "out").stderr.decode()
        run = float(re.search(r"at most ([0-9.]+) MB", said).group(1)) * 1e6
        self.assertTrue(0.99 * run < dry["memory_bytes"] < 1.1 * run, (dry["memory_bytes"], run))

    def test_a_text_is_read_as_far_as_it_is_needed(self):
        command = ("--scheme", "W8A8_STATIC", "--calibration-tokens", 500, "--context", 256)
        peaks, bytes_of = {}, {}
        large = self.folder / "large.txt"
        large.write_bytes(self.text.read_bytes() * (200_000_000 // BYTES))
        for name, text in (("short", self.text), ("long", large)):
            made = self.json_of("compress", self.model, "--calibration", text, "-o", self.folder / name, *command)
            peaks[name] = made["peak_memory_bytes"]
            bytes_of[name] = (self.folder / name / "model.safetensors").read_bytes()
        self.assertEqual(bytes_of["short"], bytes_of["long"])
        self.assertLess(peaks["long"], peaks["short"] + 10_000_000)

        endless = subprocess.Popen(["yes", json.dumps({"text": "Once upon a time."})], stdout=subprocess.PIPE)
        self.addCleanup(endless.wait)
        self.addCleanup(endless.stdout.close)
        done = subprocess.run([OCTET, "compress", str(self.model), "--calibration", "/dev/stdin", *map(str, command), "-o",
                               str(self.folder / "piped")], stdin=endless.stdout, capture_output=True, timeout=100)
        self.assertEqual(done.returncode, 0, done)

    def test_work_is_taken_up_where_the_text_that_is_used_is_the_same(self):
        out = self.folder / "out"
        command = self.compress("--scheme", "W8A8", "--calibration-tokens", BYTES // 40, "-o", out)

        def begun_and_killed():
            layer = self.folder / "out.part" / "work" / "layer-00000.safetensors.sha256"
            for _ in range(10):  # it may be done before it is killed
                process = subprocess.Popen([OCTET, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                while not layer.exists() and process.poll() is None:
                    time.sleep(0.001)
                process.kill()
                process.wait()
                if layer.exists():
                    return
                shutil.rmtree(out, ignore_errors=True)
            self.skipTest("it was always done before it was killed")

        begun_and_killed()
        with self.text.open("ab") as text:
            text.write(b"What lies beyond the tokens that are used.")
        self.assertIn("that an earlier run had finished", octet(*command).stderr.decode())
        shutil.rmtree(out)
        begun_and_killed()
        self.text.write_bytes(b"Another text. " + self.text.read_bytes())
        self.assertIn("a text or octet itself is not the same as then", octet(*command).stderr.decode())

    def test_numbers_that_are_none_are_named_with_their_option(self):
        out = ("--scheme", "W8A8", "-o", self.folder / "out")
        for seed in ("-1", "abc", "inf", "nan", "1.5", "99999999999999999999"):
            for verb in (self.compress(*out), ("run", self.model, "--prompt", "a")):
                text = self.fails(2, *verb, "--seed", seed)
                self.assertEqual(text, f"octet: --seed {seed}: give a whole number from 0 to 18446744073709551615\n")
        for option in ("--seed", "--context", "--calibration-tokens", "--threads"):
            self.assertIn(f"{option}: has an empty value", self.fails(2, *self.compress(*out, option, "")))
        self.assertIn("--ram abc: is no number", self.fails(2, *self.compress(*out, "--ram", "abc")))
        self.assertIn("is too large", self.fails(2, *self.compress(*out, "--max-size", "99999999999999999999")))

    def test_a_name_that_is_too_long_is_said_to_be(self):
        for length in (252, 300):
            name = self.folder / ("x" * length)
            self.assertEqual(self.fails(1, *self.compress("--scheme", "W8A8", "-o", name)), f"octet: {name}: name too long\n")

    def test_an_ignored_pattern_that_matches_nothing_is_said(self):
        recipe = self.folder / "r.yaml"
        recipe.write_text("QuantizationModifier: {scheme: FP8_DYNAMIC, ignore: [lm_head, 're:.*visoin.*']}")
        done = octet("compress", self.model, "--recipe", recipe, "-o", self.folder / "out")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn('the ignored pattern "re:.*visoin.*" matches no linear layer', done.stderr.decode())

    def test_a_report_without_a_text_of_its_own_says_what_it_is_measured_on(self):
        done = octet(*self.compress("--scheme", "W8A8", "--algorithm", "mse", "--calibration-tokens", 300,
                                    "-o", self.folder / "out", "--report", self.folder / "r.html"))
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("the last tenth of the calibration text", done.stderr.decode())

    def test_a_contract_says_in_its_report_what_stays_wide(self):
        page = self.folder / "r.html"
        made = self.json_of(*self.compress("-o", self.folder / "out", "--scheme", "FP8_DYNAMIC", "--max-kl", "0.005",
                                           "--algorithm", "rtn", "--report", page))
        steps = json.loads((self.folder / "r.json").read_text())["steps"]
        given, kept = steps["contract"].split(", kept: ")
        self.assertEqual(given, "--max-kl 0.005")
        self.assertLessEqual(float(kept), 0.005)
        ignored = json.loads((self.folder / "out" / "config.json").read_text())["quantization_config"]["ignore"]
        self.assertEqual(sorted(steps["stay wide"].split(", ")), sorted(n for n in ignored if n != "lm_head"))
        self.assertGreater(made["contract"]["wide_units"], 0)

    def test_names_that_say_the_same_thing_twice_are_refused(self):
        out = ("--scheme", "W8A8", "-o", self.folder / "out")
        for names, word in (("gptq+adaround", "how numbers are rounded"), ("awq+smoothquant", "how inputs are smoothed"),
                            ("smoothquant+", 'no algorithm ""')):
            self.assertIn(word, self.fails(2, *self.compress(*out, "--algorithm", names)))
        self.assertIn("a rule of its own", self.fails(2, *self.compress(*out, "--algorithm", "gptq", "--rounding", "stochastic")))

    def test_a_cache_takes_nothing_from_the_default(self):
        made = {}
        for name, more in (("with", ("--kv-cache", "fp8")), ("without", ())):
            self.succeeds(*self.compress("--scheme", "W8A8", "--calibration-tokens", 600, *more, "-o", self.folder / name))
        text = octet("diff", self.folder / "with", self.folder / "without").stdout.decode()
        self.assertIn("10 tensors differ", text)
        self.assertEqual(text.count("only in the first"), 10)

    def test_an_uncalibrated_run_says_that_it_removes_the_work_of_another(self):
        out = self.folder / "out"
        process = subprocess.Popen([OCTET, *map(str, self.compress("--scheme", "W8A8", "-o", out))],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        layer = out.with_suffix(".part") / "work" / "layer-00000.safetensors.sha256"
        while not layer.exists() and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.wait()
        done = octet("compress", self.model, "--scheme", "W8A8", "-o", out)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("work of an earlier run in", done.stderr.decode())

    def test_a_dry_run_predicts_the_calibration_too(self):
        plain = self.json_of("compress", self.model, "--scheme", "W8A8", "--dry-run")
        full = self.json_of(*self.compress("--scheme", "W8A8", "--calibration-tokens", 5000, "--dry-run"))
        self.assertEqual((plain["algorithm"], plain["calibration_tokens"]), ("rtn", 0))
        self.assertEqual((full["algorithm"], full["calibration_tokens"]), ("default", 5000))
        self.assertGreater(full["seconds"], 10 * plain["seconds"])
        self.assertGreater(full["memory_bytes"], plain["memory_bytes"])
        for slow in (("--algorithm", "adaround"), ("--observer", "kl")):
            made = self.json_of(*self.compress("--scheme", "W8A8", "--calibration-tokens", 300, "--threads", 1, *slow, "--dry-run"))
            self.assertGreater(made["seconds"], 1, slow)
        text = self.succeeds(*self.compress("--scheme", "W8A8", "--algorithm", "gptq", "--dry-run")).decode()
        for row in (r"algorithm +gptq\n", r"memory +at most \d"):
            self.assertRegex(text, row)

    def test_an_empty_value_is_not_an_option_left_out(self):
        for option in ("--max-ppl-increase", "--max-kl", "--calibration", "--ram", "--algorithm", "--recipe", "--validation",
                       "--report", "--scheme", "-o", "--observer"):
            text = self.fails(2, "compress", self.model, "--scheme", "W8A8", "-o", self.folder / "out", option, "")
            self.assertIn(option if option != "-o" else "--output", text)
        self.assertFalse((self.folder / "out").exists())

    def test_a_report_is_judged_before_the_work(self):
        compress = ("compress", self.model, "--scheme", "W8A8", "-o", self.folder / "out", "--report")
        text = self.fails(2, *compress, self.folder / "r.html")
        self.assertIn("--report measures the model before and after on a text", text)
        self.assertIn("give a FILE.html", self.fails(2, *compress, self.folder / "r.txt"))
        (self.folder / "d.html").mkdir()
        self.assertIn("is a directory", self.fails(1, *compress, self.folder / "d.html"))

    def test_what_needs_a_text_is_named_as_it_was_given(self):
        out = ("-o", self.folder / "out")
        self.assertIn("--observer kl watches", self.fails(2, "compress", self.model, "--scheme", "W8A8", "--observer", "kl", *out))
        recipe = self.folder / "r.yaml"
        recipe.write_text("GPTQModifier: {scheme: W8A8, ignore: [lm_head]}")
        self.assertIn("r.yaml: its modifiers watch", self.fails(2, "compress", self.model, "--recipe", recipe, *out))

    def test_targets_pick_a_scheme_or_refuse_one(self):
        made = self.json_of("compress", self.model, "--target", "vllm-hopper", "-o", self.folder / "hopper")
        self.assertEqual(made["scheme"], "FP8_DYNAMIC")
        for target, scheme in (("vllm-cpu", "FP8_DYNAMIC"), ("vllm-ampere", "MXFP8"), ("vllm-hopper", "FP8_E5M2"),
                               ("vllm-hopper", "FP8_BLOCK")):  # widths of 64 and 172
            text = self.fails(2, "compress", self.model, "--target", target, "--scheme", scheme, "-o", self.folder / "x",
                              "--calibration", self.text)
            self.assertIn(f"--target {target}: ", text)

    def test_bad_texts_and_recipes_are_refused_in_one_line(self):
        out = ("--scheme", "W8A8", "-o", self.folder / "out")
        for name, content, word in (("empty.txt", b"", "no text"), ("binary.txt", b"a\0b", "zero bytes"),
                                    ("chat.jsonl", b'{"messages": []}', "chat template"),
                                    ("latin.txt", b"fine\nna\xefve\n", "latin.txt, line 2, byte 3: is not UTF-8"),
                                    ("pretty.json", b'{\n  "text": "a"\n}\n', "is not JSON lines"),
                                    ("broken.jsonl", b'{"text": ', "broken.jsonl, line 1")):
            file = self.folder / name
            file.write_bytes(content)
            self.assertIn(word, self.fails(1, "compress", self.model, "--calibration", file, *out))
        self.assertIn("no text", self.fails(1, "compress", self.model, "--calibration", self.folder / "empty.txt",
                                            "--max-kl", "1", *out))
        for place, word in (("/dev/zero", "is a device"), (self.folder, "is a directory")):
            self.assertIn(word, self.fails(1, "compress", self.model, "--calibration", place, *out))
        latin = self.folder / "latin.txt"
        self.assertIn("latin.txt, line 2, byte 3", self.fails(1, *self.compress(*out, "--max-kl", "1", "--validation", latin)))
        recipe = self.folder / "recipe.yaml"
        recipe.write_text("QuantizationModifier: {scheme: W8A8, targets: ['model.layers.0.mlp.upp_proj']}")
        self.assertIn("close to it are model.layers.0.mlp.up_proj",
                      self.fails(1, "compress", self.model, "--recipe", recipe, "-o", self.folder / "out"))

    def test_the_report_is_a_page_that_a_browser_draws(self):
        page = self.folder / "report.html"
        self.succeeds(*self.compress("--scheme", "W8A8", "-o", self.folder / "out", "--report", page))
        text, numbers = page.read_text(), json.loads((self.folder / "report.json").read_text())
        for heading in ("Before and after", "Signal and noise, layer by layer", "Activation ranges",
                        "The tokens that changed most", "How to repeat it"):
            self.assertIn(heading, text)
        self.assertEqual(len(numbers["layers"]), 35)
        self.assertEqual(len(numbers["worst_tokens"]), 20)
        self.assertFalse([word for word in ("<script", "src=", "href=") if word in text])
        browser = shutil.which("chromium")
        if not browser:
            self.skipTest("chromium is not there: the page was not drawn")
        sizes = {}
        for name, width, height in (("phone", 500, 4000), ("desktop", 1300, 4000)):
            picture = self.folder / f"{name}.png"
            subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                            f"--user-data-dir={self.folder / name}", f"--window-size={width},{height}",
                            f"--screenshot={picture}", page.as_uri()],
                           check=True, capture_output=True, timeout=120, env={**os.environ, "HOME": str(self.folder)})
            data = picture.read_bytes()
            self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
            self.assertEqual(int.from_bytes(data[16:20], "big"), width)
            sizes[name] = len(data)
        self.assertGreater(min(sizes.values()), 50_000, "an empty page is a few kilobytes")


if __name__ == "__main__":
    unittest.main()
