#!/usr/bin/env python3
"""Makes one JSON-lines file of clean English prose from a folder of Project Gutenberg's plain texts and other stories.

    python3 prepare_texts.py BOOKS STORIES.txt [MORE.txt…] -o prose.jsonl --held-out unseen.txt --titles texts.md

BOOKS holds AUTHOR/TITLE.txt. Taken are the authors below, at most PER_AUTHOR bytes each, whole books in an order fixed
by their names' hash; those whose first pages claim a copyright of 1930 or later are left out, and those that have
paragraphs of one already taken. Headers, licence, contents, notes and verse are left out, lines are joined to
paragraphs, each chapter is a document. STORIES.txt holds short stories between blank lines and is taken STORIES_TIMES
times. HELD_OUT_AUTHOR's prose is never trained on.
"""
import argparse
import hashlib
import json
import pathlib
import re

PER_AUTHOR = 3_600_000
STORIES_TIMES = 3
HELD_OUT_AUTHOR, HELD_OUT_BYTES = "Trollope", 400_000
AUTHORS = """Alcott Alger Andersen Austen Barrie Baum Blackwood Brontë Burnett Burroughs Carroll Chekhov Chesterton Collins Conrad
Dickens Doyle Goldfrap Grimm Hardy Hawthorne Henty Irving Kipling Lang London Melville Montgomery Nesbit Poe Potter Shelley Stevenson
Stoker Swift Thoreau Tolstoy Twain Verne Wells Wharton Wilde Wodehouse""".split()
SKIPPED_TITLES = re.compile(r"index|dictionary|poem|verse|ballad|lays|songs|rhymes|bibliograph|catalog|letters|works of|complete", re.I)
PROTECTED = re.compile(r"COPYRIGHTED Project Gutenberg|(?:copyright|\(c\)|©)[^\n]{0,20}(?:19[3-9]\d|20\d\d)", re.I)
RECENT_TITLES = re.compile(r"Right Ho, Jeeves|Mathilda|Handy Mandy|Ozoplaning")  # first printed in 1929 or later
START = re.compile(r"^\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG.*$", re.M)
END = re.compile(r"^(?:\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|End of (?:the )?Project Gutenberg).*$", re.M | re.I)
HEADING = re.compile(r"^(?:chapter|book|part|letter|stave|volume)\b.{0,60}$|^[IVXLC]+\.?(?: .{0,60})?$", re.I)
NOISE = re.compile(r"gutenberg|\[illustration|\[footnote|transcribe|produced by|e-?text|proofread|copyright|all rights|^contents|^\s*the end|http", re.I)
PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "\u00a0": " ", "\ufeff": "", "_": "", "\t": " "})


def body(raw):
    text = raw.replace("\r\n", "\n")
    start, end = START.search(text), END.search(text)
    return text[start.end() if start else 0:end.start() if end else len(text)]


def paragraph_of(block):
    """The block as one line of prose; None for what is not prose: verse, tables, notes."""
    lines = block.split("\n")
    if sum(line.startswith(("  ", "\t")) for line in lines) * 2 > len(lines) or NOISE.search(block):
        return None
    text = re.sub(r"\s+", " ", " ".join(lines).translate(PLAIN)).strip()
    text = re.sub(r" ?-{2,} ?", "—", text)
    text = re.sub(r"\[\w{1,3}\]|\{\d+\}", "", text)
    letters = sum(c.isalpha() for c in text)
    if len(text) < 2 or letters < 0.6 * len(text) or "*" in text or "|" in text or ". . ." in text:
        return None
    return text


def documents(raw):
    """Chapters of a book, each a list of paragraphs."""
    chapter, found = [], []
    for block in re.split(r"\n\s*\n", body(raw)):
        block = block.strip("\n")
        if HEADING.match(block.strip()):
            found.append(chapter)
            chapter = []
            continue
        paragraph = paragraph_of(block)
        if paragraph and not paragraph.isupper():
            chapter.append(paragraph)
    found.append(chapter)
    return [c for c in found if sum(map(len, c)) > 600]


def is_english(chapters):
    words = " ".join(p for c in chapters for p in c)[:200_000].lower().split()
    return len(words) > 2000 and sum(w in ("the", "and", "of", "to") for w in words) > 0.08 * len(words)


def decoded(path):
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def books_of(folder, seen, limit):
    """Yields (title, chapters) of a folder's books until `limit` bytes are taken."""
    taken = 0
    for path in sorted(folder.glob("*.txt"), key=lambda p: hashlib.sha256(p.name.encode()).digest()):
        if SKIPPED_TITLES.search(path.stem) or RECENT_TITLES.search(path.stem) or path.stat().st_size < 15_000:
            continue
        raw = decoded(path)
        if PROTECTED.search(raw[:6000]):
            continue
        chapters = documents(raw)
        marks = {hashlib.md5(p.encode()).digest() for c in chapters for p in c if len(p) > 200}
        if not marks or not is_english(chapters) or len(marks & seen) > 0.02 * len(marks):
            continue
        size = sum(len(p.encode()) + 1 for c in chapters for p in c)
        if taken + size > 1.15 * limit:
            continue
        seen |= marks
        taken += size
        yield path.stem, chapters, size
        if taken > 0.9 * limit:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("books", type=pathlib.Path)
    parser.add_argument("stories", type=pathlib.Path)
    parser.add_argument("more", type=pathlib.Path, nargs="*")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    parser.add_argument("--held-out", type=pathlib.Path, required=True)
    parser.add_argument("--titles", type=pathlib.Path, required=True)
    args = parser.parse_args()
    seen, total = set(), 0
    with open(args.output, "w", encoding="utf-8") as out, open(args.titles, "w", encoding="utf-8") as titles:
        def write(text):
            out.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")

        for folder in sorted(p for p in args.books.iterdir() if p.is_dir()):
            author = folder.name
            if author.split(",")[0] == HELD_OUT_AUTHOR:
                prose = "\n".join(p for _, chapters, _ in books_of(folder, set(), HELD_OUT_BYTES * 8) for c in chapters for p in c)
                args.held_out.write_text(prose[:HELD_OUT_BYTES], encoding="utf-8")
            if author.split(",")[0] not in AUTHORS:
                continue
            names = []
            for title, chapters, size in books_of(folder, seen, PER_AUTHOR):
                names.append(title)
                total += size
                for chapter in chapters:
                    write("\n".join(chapter))
            if names:
                titles.write(f"- {author}: {'; '.join(names)}\n")
        stories = [re.sub(r"\s*\n\s*", "\n", s).strip() for s in re.split(r"\n\s*\n", args.stories.read_text(encoding="utf-8"))]
        for _ in range(STORIES_TIMES):
            for story in stories:
                if story:
                    write(story)
        for path in args.more:
            text = path.read_text(encoding="utf-8")
            for begin in range(0, len(text), 50_000):
                write(text[begin:begin + 50_000])
    print(f"{total / 1e6:.1f} MB of books, {len(stories)} stories {STORIES_TIMES} times")


if __name__ == "__main__":
    main()
