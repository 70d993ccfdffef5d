"""The pages of eval --report and compress --report are well formed, fetch nothing, say their plots in words and numbers
too, and fit a phone and a desktop in a real browser."""

import html
import html.parser
import json
import os
import pathlib
import re
import shutil
import subprocess
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
        for figure in re.findall(r"<figure>.*?</figure>", text, re.DOTALL):
            self.assertIn("<details>", figure, "a plot without its numbers")
        self.assertNotIn("NaN", text)
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


class CompressReportPage(Report):
    """Of a whole compression, made once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)

    def report(self):
        file = pathlib.Path(self.folder.name) / "report.html"
        if not file.exists():
            self.succeeds("compress", self.data("models/stories260K"), "--scheme", "W8A8", "--calibration",
                          self.data("text/tinystories.sample.txt"), "--max-ppl-increase", "5%", "--max-size", "600K",
                          "--report", file, "-o", file.with_name("compressed"))
        return file

    def test_says_everything(self):
        text = self.report().read_text()
        self.check(text)
        for part in ("Before and after", "memory when loaded", "What was done", "smoothquant", "GPTQ", "Signal and noise",
                     "Largest weight of each layer", "Weights that are clipped", "grid of codes", "Activation ranges",
                     "The tokens that changed most", "How to repeat it", "--max-ppl-increase"):
            self.assertIn(part, text)

    def test_charts_of_layers_name_every_module(self):
        text = self.report().read_text()
        modules = [layer["module"] for layer in json.loads(self.report().with_suffix(".json").read_text())["layers"]]
        for title in ("Signal-to-noise ratio by kind of noise", "Largest weight of each layer", "Weights that are clipped"):
            figure = self.figure(text, title)
            rows = re.findall(r'<th scope="row">(.*?)</th>', figure)
            self.assertEqual(rows, modules, title)
            for module in modules:
                self.assertEqual(figure.count(f"<title>{module}\n"), 2, "once in the wide plot, once in the narrow one")
            for layer in range(5):
                self.assertIn(f'class="tick">{layer}</text>', figure)
        self.assertIn("<title>model.layers.0.self_attn.q_proj\n", self.figure(text, "How far inputs reach"))

    def figure(self, text, title):
        begin = rf"<figure><figcaption><strong>{re.escape(title)}</strong>"
        return re.search(begin + ".*?</figure>", text, re.DOTALL).group()

    def test_command_breaks_at_spaces_only(self):
        text = self.report().read_text()
        code = re.search('<pre class="code"><code>(.*?)</code></pre>', text).group(1)
        words = re.findall("<span>(.*?)</span>", code)
        self.assertEqual(" ".join(f"<span>{word}</span>" for word in words), code)
        self.assertIn("--max-ppl-increase", words)

    def test_no_token_looks_empty(self):
        text = self.report().read_text()
        cells = re.findall(r"<td[^>]*>(.*?)</td>", text[text.index("The tokens that changed most"):], re.DOTALL)
        self.assertEqual([cell for cell in cells if not cell.strip()], [])

    def test_has_the_same_numbers_beside_it(self):
        numbers = json.loads(self.report().with_suffix(".json").read_text())
        self.assertEqual(len(numbers["layers"]), 35)
        for layer in numbers["layers"]:
            self.assertGreater(layer["rounding"], 0)
            self.assertGreater(layer["largest_weight_of_reach"], 0)
        self.assertEqual(len(numbers["worst_tokens"]), 20)
        if not os.environ.get("OCTET_SANITIZE"):  # sanitizers keep freed memory
            self.assertGreater(numbers["memory_bytes"]["before"], numbers["memory_bytes"]["after"])
        slowest = numbers["slowest_decode_tokens_per_second"]["after"]
        self.assertGreater(slowest, 0)
        self.assertGreaterEqual(numbers["decode_tokens_per_second"]["after"], slowest)
        self.assertEqual(sum(kind["count"] for kind in numbers["layer_kinds"]), 35)
        self.assertGreater(numbers["candidates"][0]["predicted_tokens_per_second"], 0)

    def contract_report(self):
        """Of a search that has to leave units wide, in a model whose characters tokens split."""
        file = pathlib.Path(self.folder.name) / "contract.html"
        if not file.exists():
            text = file.with_name("text.txt")
            story = self.data("text/tinystories.sample.txt").read_text()[:8000]
            text.write_text(story + "日本語 mañana 🦙 " * 40)
            self.succeeds("compress", self.data("models/stories260K"), "--scheme", "W8A8", "--calibration", text,
                          "--max-kl", "0.0005", "--max-size", "900K", "--report", file, "-o", file.with_name("kept"))
        text = file.read_text()
        return text, json.loads(file.with_suffix(".json").read_text()), self.check(text)

    def test_of_a_contract_says_what_was_reached(self):
        text, numbers, _ = self.contract_report()
        self.assertRegex(text, r"--max-kl 0\.0005, kept: [1-4]\.\d\de-04")
        self.assertRegex(text, r"--max-size 900K, kept: [\d.]+ [kM]B of files")
        self.assertRegex(text, r"[\d.]+ % of [\d.]+ MB; [\d.]+ [kM]B with all files")
        kl, size = numbers["contract"]
        self.assertEqual((kl["option"], kl["limit"], size["limit"]), ("--max-kl", 0.0005, 900000))
        self.assertEqual(kl["reached"], numbers["kl_divergence"])
        self.assertTrue(any(candidate["bytes"] == size["reached"] for candidate in numbers["candidates"]))

    def test_of_a_contract_marks_the_chosen_and_the_bounds(self):
        text, numbers, _ = self.contract_report()
        self.assertGreater(len(numbers["candidates"]), 2)
        front = self.figure(text, "Size and divergence")
        self.assertEqual(front.count(">--max-kl 0.0005</text>"), 2)
        self.assertEqual(front.count('class="bound"'), 4)
        self.assertEqual(len(re.findall(r"<title>\d+ wide, chosen: ", front)), 2)
        rows = re.findall(r"<tr>(.*?)</tr>", text[text.index('<th scope="col">contract</th>'):], re.DOTALL)
        self.assertEqual(sum("holds; chosen" in row for row in rows), 1)

    def test_of_a_contract_lists_sensitivities_and_wide_layers(self):
        text, numbers, _ = self.contract_report()
        units = numbers["sensitivities"]
        modules = sum((unit["modules"] for unit in units), [])
        self.assertEqual((len(modules), len(set(modules))), (35, 35))
        wide = [module for unit in units if unit["stays_wide"] for module in unit["modules"]]
        self.assertGreater(len(wide), 0)
        self.assertEqual(sum(kind["count"] for kind in numbers["layer_kinds"]), 35)
        same = [kind["count"] for kind in numbers["layer_kinds"] if kind["before"] == kind["after"]]
        self.assertEqual(sum(same), len(wide))
        rate = [unit["kl_divergence"] / unit["bytes_saved"] for unit in units]
        self.assertEqual(rate, sorted(rate, reverse=True))
        table = re.search(r"<summary>\d+ units, of which \d+ stay wide</summary>(.*?)</details>", text, re.DOTALL)
        self.assertEqual(table.group(1).count("<td>wide</td>"), sum(unit["stays_wide"] for unit in units))

    def test_parts_of_characters_show_their_bytes(self):
        text, numbers, _ = self.contract_report()
        self.assertNotIn("\ufffd", text)
        self.assertTrue(any(re.fullmatch("<0x[0-9A-F]{2}>", token["token"]) for token in numbers["worst_tokens"]))

    def test_fits_the_browsers_window(self):
        chromium = shutil.which("chromium")
        if not chromium:
            self.skipTest("chromium is not there")
        pages = {"compress": self.report().read_text(), "contract": self.contract_report()[0],
                 "eval": self.page("--baseline", self.data("models/stories260K"), "--scheme", "W8A8")}
        # The page in a frame, which can be narrower than any window; the frame's own policy allows no script.
        frame = ("<body style='margin:0'><iframe id=f style='border:0' width={} height=2000 srcdoc=\"{}\"></iframe><script>"
                 "onload = () => {{ const d = f.contentDocument; document.body.dataset.measured = ["
                 "f.contentWindow.innerWidth, d.documentElement.scrollWidth, "
                 "[...d.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width > 0).length, "
                 "f.contentWindow.getComputedStyle(d.body).backgroundColor, "
                 "[...d.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth && s.clientWidth > 0).length"
                 "].join(';') }}</script>")
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "frame.html"
            for name, text in pages.items():
                paper = set()
                for width, scheme in ((390, 0), (390, 1), (1280, 0)):
                    file.write_text(frame.format(width, html.escape(text)))
                    done = subprocess.run([chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
                                           f"--blink-settings=preferredColorScheme={scheme}", "--window-size=1400,2100",
                                           f"--user-data-dir={folder}/profile", file.as_uri()],
                                          capture_output=True, text=True, timeout=120)
                    measured = re.search('data-measured="([^"]*)"', done.stdout)
                    self.assertTrue(measured, done.stderr[-2000:])
                    inner, scrolled, plots, color, cut = measured.group(1).split(";")
                    self.assertEqual(int(inner), width)
                    self.assertLessEqual(int(scrolled), width, f"{name} runs out of a window of {width}")
                    self.assertEqual(int(plots), text.count("<figure"), "each plot is drawn once")
                    if width == 1280:
                        self.assertEqual(int(cut), 0, f"{name}: tables that have to be scrolled on a wide screen")
                    paper.add(color)
                self.assertEqual(len(paper), 2, "light and dark look alike")


if __name__ == "__main__":
    unittest.main()
