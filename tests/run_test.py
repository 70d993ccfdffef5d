"""What `run` and `eval` promise on the way to their numbers: text that goes on from the prompt, refusals that come early."""

import json
import os
import pathlib
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


    def test_what_steers_a_terminal_does_not_reach_it(self):
        with tempfile.TemporaryDirectory() as directory:
            tokenizer = pathlib.Path(directory) / "tokenizer.json"
            vocabulary = {"\x1b[31m": 0, "\u009b31m": 1, "a\n": 2}
            tokenizer.write_text(json.dumps({"model": {"type": "BPE", "vocab": vocabulary, "merges": []}}))
            command = [OCTET, "tokenize", str(tokenizer), "--ids", "--text", "0 1 2"]
            self.assertEqual(subprocess.check_output(command, timeout=60), "\x1b[31m \u009b31m a\n\n".encode())
            self.assertEqual(on_a_terminal(command), b"\\x1b[31m \\u009b31m a\r\n\r\n")

    def test_settings_of_the_model_that_make_no_sense_are_refused(self):
        for key, value in (("temperature", -1), ("temperature", "hot"), ("top_p", 7), ("top_k", -5), ("min_p", 2),
                           ("eos_token_id", 2**32 + 2)):
            with tempfile.TemporaryDirectory() as directory:
                for file in self.data(MODEL).iterdir():
                    (pathlib.Path(directory) / file.name).symlink_to(file)
                config = pathlib.Path(directory) / "generation_config.json"
                config.unlink()
                config.write_text(json.dumps({"do_sample": True, key: value}))
                text = self.fails(1, "run", directory, "--prompt", "a", "--max-tokens", "1")
                self.assertIn("generation_config.json", text)
                self.assertIn(key, text)


class Codes(ProgramTest):
    def test_a_code_that_is_no_number_is_refused_by_file_and_tensor(self):
        with tempfile.TemporaryDirectory() as directory:
            model = f"{directory}/fp8"
            self.succeeds("compress", self.data(MODEL), "--scheme", "FP8_DYNAMIC", "-o", model)
            weights = pathlib.Path(model) / "model.safetensors"
            raw = bytearray(weights.read_bytes())
            size = int.from_bytes(raw[:8], "little")
            name = "model.layers.0.self_attn.q_proj.weight"
            raw[8 + size + json.loads(raw[8:8 + size])[name]["data_offsets"][0] + 5] = 0x7F
            weights.write_bytes(raw)
            text = self.fails(1, "run", model, "--prompt", "a")
            self.assertTrue(text.startswith(f"octet: {model}: tensor {name} has the code 0x7F"), text)


def on_a_terminal(command):
    """What the program writes to a terminal."""
    master, slave = os.openpty()
    with subprocess.Popen(command, stdout=slave, stdin=subprocess.DEVNULL):
        os.close(slave)
    text = os.read(master, 1 << 16)
    os.close(master)
    return text


class Eval(ProgramTest):
    def test_a_report_that_has_no_place_is_refused_before_the_work(self):
        with tempfile.TemporaryDirectory() as directory:
            self.assertIn("report", self.fails(1, "eval", "no-such-model", "--text", "x", "--report",
                                               f"{directory}/nowhere/r.html"))

    def test_a_cache_of_eight_bits_is_compared_with_the_model_as_it_is(self):
        with tempfile.TemporaryDirectory() as folder:
            text = pathlib.Path(folder) / "text.txt"
            text.write_text("Once upon a time there was a little girl named Lily. " * 10)
            done = self.json_of("eval", self.data(MODEL), "--kv-cache", "fp8", "--baseline", self.data(MODEL), "--text", text)
            self.assertGreater(done["kl_divergence"], 0)

    def test_the_runs_of_a_text_come_to_its_means(self):
        done = self.json_of("eval", self.data(MODEL), "--scheme", "W8A8", "--baseline", self.data(MODEL), "--context", "100",
                            "--text", self.data("text/tinystories.sample.txt"))
        runs = done["runs"]
        self.assertEqual(sum(runs["tokens"]), done["tokens"])
        self.assertEqual(set(runs["tokens"][:-1]), {99})
        for key, mean in (("nll", done["nll"]), ("kl_divergence", done["kl_divergence"]),
                          ("baseline_nll", done["baseline"]["nll"])):
            weighted = sum(n * value for n, value in zip(runs["tokens"], runs[key]))
            self.assertAlmostEqual(weighted / done["tokens"], mean, delta=1e-9 + 1e-9 * mean)


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
