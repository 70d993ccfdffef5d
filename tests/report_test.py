"""The page of eval --report is well formed, fetches nothing, and says its plots in words and numbers too."""

import html.parser
import pathlib
import re
import shutil
import tempfile
import unittest
import xml.dom.minidom

from octet_program import ProgramTest

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Balance(html.parser.HTMLParser):
    """Every element that opens is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.problems, self.seen, self.ids = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()}")


class Report(ProgramTest):
    def page(self, *more, model="models/stories260K"):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "report.html"
            self.succeeds("eval", self.data(model) if isinstance(model, str) else model, "--text",
                          self.data("text/tinystories.sample.txt"), "--report", file, *more)
            return file.read_text()

    def check(self, text):
        parser = Balance()
        parser.feed(text)
        self.assertEqual((parser.problems, parser.open), ([], []))
        self.assertEqual(len(parser.ids), len(set(parser.ids)), "an id stands twice")
        tags = [tag for tag, _ in parser.seen]
        self.assertFalse({"script", "link", "img", "iframe", "object"} & set(tags))
        for tag, attributes in parser.seen:
            self.assertNotIn("src", attributes)
            self.assertNotIn("href", attributes)
            for reference in attributes.get("aria-labelledby", "").split():
                self.assertIn(reference, parser.ids)
        for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
            document = xml.dom.minidom.parseString(svg)
            self.assertTrue(document.getElementsByTagName("title") and document.getElementsByTagName("desc"))
        self.assertEqual(tags.count("figure"), tags.count("details"), "a plot without its numbers")
        self.assertNotIn("nan", re.sub(r"[a-z]*nan[a-z]+|[a-z]+nan[a-z]*", "", text))
        return tags

    def test_of_one_model(self):
        self.assertIn("svg", self.check(self.page()))

    def test_beside_a_baseline(self):
        baseline = self.data("models/stories260K")
        text = self.page("--baseline", baseline, "--scheme", "W8A8")
        self.assertIn("svg", self.check(text))
        self.assertIn("KL", text)

    def test_names_are_escaped(self):
        with tempfile.TemporaryDirectory() as folder:
            evil = pathlib.Path(folder) / "<b>evil & \"co\"\x1b[31m"
            shutil.copytree(self.data("models/stories260K"), evil)
            text = self.page(model=evil)
            self.check(text)
            self.assertNotIn("<b>", text)
            self.assertNotIn("\x1b", text)


if __name__ == "__main__":
    unittest.main()
