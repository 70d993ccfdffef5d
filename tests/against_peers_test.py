"""bench/against_peers.py with programs that only claim their speeds: the table, its ratios and its refusals."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from octet_program import ROOT

SCRIPT = ROOT / "bench" / "against_peers.py"
OCTET = {"prefill_tokens_per_second": 300.0, "decode_tokens_per_second": 60.0, "first_token_seconds": 0.5}


def program(directory, name, body):
    path = pathlib.Path(directory) / name
    path.write_text(f"#!{sys.executable}\nimport json, sys\n{body}\n")
    path.chmod(0o755)
    return str(path)


def peer(directory, name, speed):
    """A llama-bench: one test of what -p and -n say; it insists on being told the weights and the threads."""
    return program(directory, name, f"""o = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert o["-m"].endswith(".gguf") and int(o["-t"]) > 0
print(json.dumps([{{"n_prompt": int(o["-p"]), "n_gen": int(o["-n"]), "avg_ts": {speed}}}]))""")


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, timeout=60, text=True)


class AgainstPeers(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.octet = program(self.directory.name, "octet", f"print(json.dumps({json.dumps(OCTET)}))")

    def test_ratios_stand_beside_the_speeds_they_come_from(self):
        done = run("model", "--octet", self.octet, "--q8-0", "m.gguf", "--rounds", 3, "--rows", "^W8A8 decode 64$",
                   "--llama-bench", peer(self.directory.name, "a", 30.0),
                   "--ik-llama-bench", peer(self.directory.name, "b", 50.0))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("| W8A8 decode 64 | 60.0 | 30.0 | 2.00 | 50.0 | 1.20 |  |", done.stdout)

    def test_a_peer_that_is_not_given_leaves_its_cells_empty(self):
        done = run("model", "--octet", self.octet, "--rounds", 1, "--rows", "^W8A8 decode 64$")
        self.assertIn("| W8A8 decode 64 | 60.0 |  |  |  |  |  |", done.stdout)

    def test_rows_are_compared_with_octets_own(self):
        done = run("model", "--octet", self.octet, "--rounds", 1, "--rows", "^W8A8 (prefill|load)", "--w8a8", "dir")
        self.assertIn("1.00 × W8A8 prefill 512 |", done.stdout)
        self.assertIn("| W8A8 load to first token | 0.50 s |", done.stdout)

    def test_a_program_that_fails_ends_the_run_and_is_named(self):
        broken = program(self.directory.name, "broken", "sys.exit('no such model')")
        done = run("model", "--octet", broken, "--rounds", 1, "--rows", "^W8A8 decode 64$")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no such model", done.stderr)

    def test_rows_that_do_not_exist_are_refused(self):
        self.assertEqual(run("model", "--rows", "W4A4").returncode, 2)


if __name__ == "__main__":
    unittest.main()
