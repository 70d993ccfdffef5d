"""What every verb promises: help, exit statuses, errors of one line, JSON, closed pipes, signals."""

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


class Help(ProgramTest):
    def verbs(self):
        text = self.succeeds("--help").decode()
        return re.findall(r"^  ([a-z-]+) ", text.split("Verbs\n")[1].split("\n\n")[0], re.MULTILINE)

    def test_version(self):
        self.assertRegex(self.succeeds("--version"), rb"^octet \d+\.\d+\.\d+\n$")

    def test_every_verb_shows_an_example_and_the_common_options(self):
        self.assertIn("doctor", self.verbs())
        for verb in self.verbs():
            text = self.succeeds(verb, "--help").decode()
            self.assertIn("Example\n  ", text)
            self.assertIn(f"octet {verb}", text)
            self.assertIn("--threads", text)
            self.assertIn("--json", text)
            self.assertEqual(text, self.succeeds("help", verb).decode())

    def test_help_has_no_colours_off_a_terminal(self):
        self.assertNotIn(b"\x1b", self.succeeds("--help"))


class WrongUsage(ProgramTest):
    def test_ends_with_2_and_one_line(self):
        for arguments in ([], ["nonsense"], ["--nonsense"], ["doctor", "--nonsense"], ["tokenize"],
                          ["doctor", "--threads", "0"], ["doctor", "--threads", "1025"], ["doctor", "--threads", "two"],
                          ["doctor", "surplus"], ["tokenize", "x"], ["tokenize", "x", "--text", "a", "--file", "b"],
                          ["completion", "fish"], ["completion"], ["\x1b[31m"]):
            self.fails(2, *arguments)

    def test_names_the_verb_that_was_meant(self):
        self.assertIn("did you mean doctor?", self.fails(2, "docter"))

    def test_names_the_option_that_is_not_there(self):
        self.assertIn("--nonsense", self.fails(2, "doctor", "--nonsense", "3"))


class Failure(ProgramTest):
    def test_a_missing_file_ends_with_1(self):
        self.assertIn("no-such-model", self.fails(1, "tokenize", "no-such-model", "--text", "x"))

    def test_json_tells_the_error_too(self):
        done = octet("tokenize", "no-such-model", "--text", "x", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no-such-model", json.loads(done.stdout)["error"])

    def test_control_characters_of_names_do_not_reach_the_terminal(self):
        self.fails(1, "tokenize", "evil\x1b[2J\n\x07name", "--text", "x")
        self.fails(1, "tokenize", b"not-utf8-\xff\xfe".decode(errors="surrogateescape"), "--text", "x")

    def test_a_full_disk_is_an_error(self):
        if not pathlib.Path("/dev/full").exists():
            self.skipTest("/dev/full is not there")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([OCTET, "doctor"], stdout=full, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)

    def test_a_closed_pipe_ends_quietly(self):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([OCTET, "doctor"], stdout=writer, stderr=subprocess.PIPE, timeout=60)
        os.close(writer)
        self.assertEqual(done.stderr, b"")
        self.assertEqual(done.returncode, 141)

    def test_an_unknown_instruction_set_is_named(self):
        self.assertIn("OCTET_ISA", self.fails(1, "doctor", OCTET_ISA="mmx"))


class Signals(ProgramTest):
    def waiting(self):
        """octet, waiting for text on standard input."""
        model = self.data("models/stories260K")
        program = subprocess.Popen([OCTET, "tokenize", str(model), "--file", "-"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.5)
        return program

    def test_interrupt_and_termination(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            program = self.waiting()
            program.send_signal(number)
            program.wait(30)  # its standard input stays open
            output, errors = program.communicate(timeout=30)
            self.assertEqual((program.returncode, output, errors), (status, b"", b""))

    def test_a_mapped_file_cut_short_is_said(self):
        program = self.waiting()
        program.send_signal(signal.SIGBUS)
        program.wait(30)
        _, errors = program.communicate(timeout=30)
        self.assertEqual(program.returncode, 1)
        self.assertIn(b"cut short", errors)


class Doctor(ProgramTest):
    def test_tells_the_machine_and_the_kernels(self):
        told = self.json_of("doctor")
        self.assertIsInstance(told["cpu"], str)
        self.assertIsInstance(told["isa"], list)
        self.assertGreaterEqual(told["cores"], 1)
        self.assertGreater(len(told["kernels"]), 3)
        for family in told["kernels"]:
            self.assertTrue(family["family"] and family["chosen"])
            for row in family["refused"]:
                self.assertTrue(row["name"] and row["reason"])

    def test_a_forced_instruction_set_is_a_reason(self):
        told = self.json_of("doctor", OCTET_ISA="reference")
        self.assertEqual(told["isa"], [])
        for family in told["kernels"]:
            self.assertIn("reference", family["chosen"])

    def test_the_table_names_every_family(self):
        text = self.succeeds("doctor").decode()
        for family in self.json_of("doctor")["kernels"]:
            self.assertIn(family["family"], text)


class Tokenize(ProgramTest):
    TEXT = "Once upon a time, Lily said: naïve 层!\n"

    def test_text_to_ids_and_back(self):
        model = self.data("models/stories260K")
        told = self.json_of("tokenize", model, "--text", self.TEXT)
        self.assertEqual(told["tokens"], len(told["ids"]))
        self.assertEqual(told["text"], self.TEXT)
        self.assertGreater(told["bytes_per_second"], 0)
        plain = self.json_of("tokenize", model, "--text", self.TEXT, "--no-special-tokens")["ids"]
        self.assertEqual(told["ids"], [1] + plain)
        back = self.json_of("tokenize", model, "--ids", "--text", " ".join(map(str, told["ids"])), "--no-special-tokens")
        self.assertEqual(back["text"], self.TEXT)
        self.assertEqual(back["ids"], told["ids"])

    def test_a_file_and_standard_input_give_the_same_ids(self):
        model = self.data("models/stories260K")
        text = self.data("text/tinystories.sample.txt")
        from_file = self.succeeds("tokenize", model, "--file", text)
        self.assertEqual(from_file, self.succeeds("tokenize", model, "--file", "-", stdin=text.read_bytes()))
        self.assertEqual([int(i) for i in from_file.split()], self.json_of("tokenize", model, "--file", text)["ids"])

    def test_takes_the_tokenizer_file_itself_and_bytes_that_are_no_text(self):
        file = self.data("models/stories260K/tokenizer.json")
        self.json_of("tokenize", file, "--file", "-", stdin=b"\xff\xfe\x00 ok")
        self.assertEqual(self.json_of("tokenize", file, "--file", "-", "--no-special-tokens")["ids"], [])

    def test_ids_that_are_none(self):
        file = self.data("models/stories260K/tokenizer.json")
        for ids in ("1 two 3", "-4", "99999999999", "1.5"):
            self.assertIn("--ids", self.fails(1, "tokenize", file, "--ids", "--text=" + ids))

    def test_a_directory_as_text_is_an_error(self):
        file = self.data("models/stories260K/tokenizer.json")
        self.fails(1, "tokenize", file, "--file", file.parent)


class Completion(ProgramTest):
    def answers(self, *words):
        """What bash offers for the last word."""
        script = self.succeeds("completion", "bash").decode()
        quoted = " ".join(f"'{word}'" for word in words)
        script += f"\nCOMP_WORDS=(octet {quoted}); COMP_CWORD={len(words)}; _octet 2>&1; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=60, check=True)
        return done.stdout.decode().split()

    def test_bash_completes_verbs_options_and_values(self):
        self.assertEqual(self.answers("doc"), ["doctor"])
        self.assertIn("--no-special-tokens", self.answers("tokenize", "--no"))
        self.assertEqual(self.answers("completion", "z"), ["zsh"])

    def test_the_zsh_script_is_well_formed(self):
        script = self.succeeds("completion", "zsh")
        self.assertTrue(script.startswith(b"#compdef octet\n"))
        if shutil.which("zsh"):
            with tempfile.NamedTemporaryFile(suffix=".zsh") as file:
                file.write(script)
                file.flush()
                subprocess.run(["zsh", "-n", file.name], check=True, timeout=60)

    def test_the_bash_script_is_well_formed(self):
        subprocess.run(["bash", "-n"], input=self.succeeds("completion", "bash"), check=True, timeout=60)


if __name__ == "__main__":
    unittest.main()
