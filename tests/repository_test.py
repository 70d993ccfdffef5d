"""What holds for every file of the repository."""

import ast
import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(os.environ.get("OCTET_SOURCE", pathlib.Path(__file__).resolve().parent.parent))


def files(*suffixes):
    """Sources, without what git does not keep (build folders, caches)."""
    for folder in ("src", "tests", "bench", "fuzz", "scripts", "cmake", "docs", ".ci"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and (not suffixes or path.suffix in suffixes):
                yield path


class Repository(unittest.TestCase):
    def test_code_is_wired_to_build(self):
        """CMake finds tests by their names: a misspelt one would never run."""
        wrong = [str(p.relative_to(ROOT)) for p in files(".cpp")
                 if re.search(r"^TEST(_P|_F)?\(", p.read_text(), re.MULTILINE) and not p.name.endswith("_test.cpp")]
        self.assertEqual(wrong, [])

    def test_no_file_is_too_long(self):
        wrong = [f"{p.relative_to(ROOT)}: {lines} lines" for p in files(".h", ".cpp", ".inc", ".py")
                 if (lines := p.read_text().count("\n")) > 600]
        self.assertEqual(wrong, [])

    def test_no_path_of_one_machine(self):
        path = re.compile(r"(?<![\w./])/(?:home|root|work|farm)/\w")
        wrong = [f"{p.relative_to(ROOT)}:{n}" for p in files(".h", ".cpp", ".inc", ".py", ".sh", ".md", ".txt", ".cmake")
                 for n, line in enumerate(p.read_text(errors="replace").splitlines(), 1) if path.search(line)]
        self.assertEqual(wrong, [])

    def test_scripts_parse(self):
        for script in files(".py"):
            ast.parse(script.read_text(), str(script))
        for script in [*files(".sh"), ROOT / ".ci" / "run"]:
            subprocess.run(["bash", "-n", str(script)], check=True)
            self.assertTrue(os.access(script, os.X_OK), f"{script} cannot be executed")

    def test_links_of_the_documents_lead_somewhere(self):
        wrong = []
        for document in [*ROOT.glob("*.md"), *files(".md")]:
            for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
                if not (document.parent / target).exists():
                    wrong.append(f"{document.relative_to(ROOT)}: {target}")
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
