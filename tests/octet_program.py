"""Runs the octet of this build. Shared by the whole-program tests."""

import json
import os
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(os.environ.get("OCTET_SOURCE", pathlib.Path(__file__).resolve().parent.parent))
OCTET = os.environ.get("OCTET", str(ROOT / "build" / "octet"))
DATA = ROOT.parent / "shared" / "data"


def octet(*arguments, stdin=b"", **environment):
    """The finished process; output as bytes."""
    return subprocess.run([OCTET, *map(str, arguments)], input=stdin, capture_output=True, timeout=300,
                          env={**os.environ, **environment})


class ProgramTest(unittest.TestCase):
    maxDiff = None

    def succeeds(self, *arguments, **more):
        done = octet(*arguments, **more)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def json_of(self, *arguments, **more):
        """The one object that --json prints."""
        return json.loads(self.succeeds(*arguments, "--json", **more))

    def fails(self, status, *arguments, **more):
        """Standard error of a run that must end with `status`: one line, safe for a terminal."""
        done = octet(*arguments, **more)
        self.assertEqual(done.returncode, status, f"{arguments}: {done}")
        text = done.stderr.decode()
        self.assertTrue(text.startswith("octet: ") and text.endswith("\n"), text)
        self.assertEqual(text.count("\n"), 1, text)
        self.assertFalse([c for c in text[:-1] if ord(c) < 32 or ord(c) == 127], text)
        return text

    def data(self, path):
        """A file of the shared data; skips the test where it is absent."""
        if not (DATA / path).exists():
            self.skipTest(f"{path} is not there")
        return DATA / path
