"""What `bench` promises: its keys, and that a model needs nothing but weights and a config.json."""

import pathlib
import tempfile
import unittest

from octet_program import ProgramTest

MODEL = "models/stories260K"


class Bench(ProgramTest):
    def test_a_model_without_a_tokenizer_is_timed(self):
        with tempfile.TemporaryDirectory() as directory:
            for file in self.data(MODEL).iterdir():
                if "tokenizer" not in file.name:
                    (pathlib.Path(directory) / file.name).symlink_to(file)
            speed = self.json_of("bench", directory, "--prefill", 16, "--decode", 4, "--depth", 8, "--batch", 2)
        self.assertGreater(speed["prefill_tokens_per_second"], 0)
        self.assertGreater(speed["decode_tokens_per_second"], 0)
        self.assertGreater(speed["first_token_seconds"], speed["load_seconds"])

    def test_every_cache_format_is_timed(self):
        for cache in ("f32", "bf16", "fp8", "int8"):
            speed = self.json_of("bench", self.data(MODEL), "--prefill", 0, "--decode", 4, "--kv-cache", cache)
            self.assertGreater(speed["decode_tokens_per_second"], 0)

    def test_more_positions_than_the_model_has_are_refused(self):
        self.assertIn("512", self.fails(2, "bench", self.data(MODEL), "--depth", 512))

    def test_nothing_to_time_is_refused(self):
        self.assertIn("--prefill", self.fails(2, "bench", self.data(MODEL), "--prefill", 0, "--decode", 0))


if __name__ == "__main__":
    unittest.main()
