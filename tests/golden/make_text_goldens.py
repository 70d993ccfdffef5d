#!/usr/bin/env python3
"""Writes tests/golden/text/*.json: small tokenizers and what the tokenizers library (PyPI) does with a few texts.

    pip install tokenizers sentencepiece && python3 make_text_goldens.py [OUT_DIR] [EXTRA_RANDOM_TEXTS]

Each file is a list of {"name", "tokenizer": {...}, "cases": [{"text", "ids", "special", "decoded", "skipped"}]}: ids without and with the
post-processor's tokens, and what both decode to (all tokens kept, special tokens skipped).
"""
import base64
import json
import pathlib
import random
import sys
import tempfile

import sentencepiece
import sentencepiece.sentencepiece_model_pb2 as spm_model
from tokenizers import Tokenizer

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "text"
written = []
EXTRA = int(sys.argv[2]) if len(sys.argv) > 2 else 0

TEXTS = [
    "", " ", "  ", "Hello, world!", "  two  spaces ", "don't I'LL we've 's", "a1b22c333", "tab\tnew\nline\r\n\r\n end",
    "Äpfel über naïve café Å É", "e\u0301 a\u0323\u0301 a\u0301\u0323", "你好，世界 hello", "ﬁ ① ½ Ⅷ ㎏ ｆｕｌｌ",
    "İstanbul ΑΣ ß K", "\u00a0nbsp\u2003em\u3000wide\u200bzero", "नमस्ते दुनिया", "ก็ที่", "한국어 각", "😀👩‍👩‍👧 🇩🇪", "a-b_c.d,e;f",
    "x\u0000y\ufffdz\u0007", "<s>in<mask> the</s> [MASK]a", "foo <mask>  bar<mask>baz", "$1,234.56 + 7%", "---", "...!?", "▁a▁▁b ▁",
    "abcabcabc ab cab", "(ⓐ) ²³ ٣٤", "\u180e\u0085x\u2028y", "the the then thence unthinkable", "low lower lowest newest widest",
]


def more_texts(count):
    rng = random.Random(7)
    alphabet = "abcdehlnorstuw ABC  019..,;!?'-_\n\t▁éñüßΣİ你好世界\u0301\u0323한각ﬁ½①😀\u200d\u00a0\u3000<>[]ไทย\u180eⓐ"
    words = ["<mask>", "<s>", "[MASK]", "the", " low", "'ll", "  "]
    for _ in range(count):
        yield "".join(rng.choice(words) if rng.random() < 0.1 else rng.choice(alphabet) for _ in range(rng.randrange(30)))


ALL_TEXTS = TEXTS + list(more_texts(EXTRA))


def token(number, content, **flags):
    base = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    return {"id": number, "content": content, **base, **flags}


def spec(model, **parts):
    base = dict(version="1.0", truncation=None, padding=None, added_tokens=[], normalizer=None, pre_tokenizer=None,
                post_processor=None, decoder=None)
    return {**base, **parts, "model": model}


def write(name, tokenizer, texts=None, decode=()):
    library = Tokenizer.from_str(json.dumps(tokenizer))
    cases = []
    for text in ALL_TEXTS if texts is None else texts:
        case = {"text": text, "ids": library.encode(text, add_special_tokens=False).ids,
                "special": library.encode(text).ids}
        cases.append(case)
    # On no tokens at all the library panics in fuse_strip.
    for case in cases + [{"special": ids} for ids in decode if ids or name != "decoder_fuse_strip"]:
        case["decoded"] = library.decode(case["special"], skip_special_tokens=False)
        case["skipped"] = library.decode(case["special"], skip_special_tokens=True)
        if "text" not in case:
            cases.append(case)
    lines = ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases)
    written.append('{"name": "%s",\n"tokenizer": %s,\n"cases": [\n%s\n]}' % (
        name, json.dumps(tokenizer, ensure_ascii=False), lines))


def byte_alphabet():
    """The 256 characters of byte-level vocabularies, by byte."""
    itself = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    rest = iter(range(0x100, 0x200))
    return [chr(b) if b in itself else chr(next(rest)) for b in range(256)]


def bpe(vocab, merges=(), **options):
    base = dict(dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=False,
                byte_fallback=False, ignore_merges=False)
    return {"type": "BPE", **base, **options, "vocab": {t: i for i, t in enumerate(vocab)}, "merges": list(merges)}


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def write_normalizer(name, normalizer):
    """Ids are the bytes of the normalized text."""
    write("normalizer_" + name, spec(bpe(byte_alphabet()), normalizer=normalizer, pre_tokenizer=BYTE_LEVEL,
                                     decoder=BYTE_LEVEL))


def write_pre_tokenizer(name, pre_tokenizer, **parts):
    """Each piece is one token, so ids tell the pieces."""
    byte_spec = spec({"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}, pre_tokenizer=pre_tokenizer)
    library = Tokenizer.from_str(json.dumps(byte_spec))
    vocab = {"[UNK]": 0}
    for text in ALL_TEXTS:
        for piece, _ in library.pre_tokenizer.pre_tokenize_str(text):
            vocab.setdefault(piece, len(vocab))
    for i, added in enumerate(parts.get("added_tokens", [])):
        added["id"] = len(vocab) + i
    write("pre_tokenizer_" + name, spec({"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"},
                                        pre_tokenizer=pre_tokenizer, **parts))


def tiny_charsmap():
    """SentencePiece compiles a few rules."""
    rules = {"ﬁ": "fi", "①": "1", "½": "1⁄2", "\u3000": " ", "\u00a0": " ", "\u212b": "\u00c5", "\u00e9": "e", "e\u0301": "\u00e9", "\t": " ",
             "ก็": "ko", "㎏": "kg", "\u200b": ""}
    with tempfile.TemporaryDirectory() as folder:
        tsv = pathlib.Path(folder, "rules.tsv")
        code = lambda s: " ".join("%X" % ord(c) for c in s)
        tsv.write_text("".join(f"{code(a)}\t{code(b)}\n" for a, b in rules.items()))
        corpus = pathlib.Path(folder, "corpus.txt")
        corpus.write_text("low lower lowest newest widest the then thence hello world\n" * 20)
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus), model_prefix=f"{folder}/m", vocab_size=40, hard_vocab_limit=False, model_type="unigram",
            minloglevel=2,
            normalization_rule_tsv=str(tsv))
        proto = spm_model.ModelProto()
        proto.ParseFromString(pathlib.Path(folder, "m.model").read_bytes())
    pieces = [[p.piece, p.score] for p in proto.pieces]
    return base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode(), pieces


def normalizers():
    for kind in "NFC NFD NFKC NFKD Lowercase StripAccents Nmt".split():
        write_normalizer(kind.lower(), {"type": kind})
    write_normalizer("strip", {"type": "Strip", "strip_left": True, "strip_right": True})
    write_normalizer("strip_left", {"type": "Strip", "strip_left": True, "strip_right": False})
    write_normalizer("prepend", {"type": "Prepend", "prepend": "▁"})
    write_normalizer("replace_regex", {"type": "Replace", "pattern": {"Regex": r"\s+|\h{3}"}, "content": "_"})
    write_normalizer("sequence", {"type": "Sequence", "normalizers": [
        {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
        {"type": "Replace", "pattern": {"String": "l"}, "content": "LL"}]})
    for accents in (None, True, False):
        for lower in (True, False):
            write_normalizer(f"bert_{accents}_{lower}".lower(), {
                "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": accents,
                "lowercase": lower})
    write_normalizer("precompiled", {"type": "Precompiled", "precompiled_charsmap": tiny_charsmap()[0]})


def pre_tokenizers():
    for kind in "Whitespace WhitespaceSplit BertPreTokenizer".split():
        write_pre_tokenizer(kind.lower(), {"type": kind})
    for individual in (True, False):
        write_pre_tokenizer(f"digits_{individual}".lower(), {"type": "Digits", "individual_digits": individual})
    write_pre_tokenizer("char_delimiter", {"type": "CharDelimiterSplit", "delimiter": "e"})
    for behavior in "Removed Isolated MergedWithPrevious MergedWithNext Contiguous".split():
        write_pre_tokenizer("punctuation_" + behavior.lower(), {"type": "Punctuation", "behavior": behavior})
        for invert in (False, True):
            write_pre_tokenizer(f"split_{behavior}_{invert}".lower(), {
                "type": "Split", "pattern": {"Regex": r"[a-f]|\s"}, "behavior": behavior, "invert": invert})
    write_pre_tokenizer("split_string", {"type": "Split", "pattern": {"String": "l"}, "behavior": "MergedWithNext",
                                         "invert": False})
    expressions = {
        "gpt4": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        "deepseek": r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "words": r"\w+|\W", "hex": r"\h+", "not_hex": r"\H", "border": r"\b", "interval_plus": r"[ab]{1,2}+c?",
        "intersection": r"[a-z&&[^aeiou]]+", "union": r"[a-c[x-z]]+", "line": r"^.|.$", "alpha": r"[[:alpha:]]+|\p{Punct}+",
        "spaces": r"\s", "not_spaces": r"\S+", "unicode": r"[\u4e00-\u9fff]+|\x{301}", "han": r"\p{Han}+|\p{^L}",
        "empty": r"x*", "digits": r"\p{N}", "class_not": r"[\D]+", "class_not_word": r"[\W\d]+", "possessive": r"a++b?+|\s*+",
        "dot_all": r"(?m:e.)", "named": r"(?<x>l)\k<x>",
    }
    for name, expression in expressions.items():
        write_pre_tokenizer("regex_" + name, {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated",
                                              "invert": False})
    for scheme in ("always", "first", "never"):
        for split in (True, False):
            step = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}
            write_pre_tokenizer(f"metaspace_{scheme}_{split}".lower(), step, decoder=step,
                                added_tokens=[token(0, "<s>"), token(0, "<mask>", lstrip=True)])
    write_pre_tokenizer("metaspace_old", {"type": "Metaspace", "replacement": "_", "add_prefix_space": True})
    for prefix in (True, False):
        write_pre_tokenizer(f"byte_level_{prefix}".lower(),
                            {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": True},
                            decoder=BYTE_LEVEL)
    write_pre_tokenizer("sequence", {"type": "Sequence", "pretokenizers": [
        {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True},
        {"type": "Punctuation", "behavior": "Contiguous"}, {"type": "Digits", "individual_digits": True}]})


WORD_MERGES = ["l o", "lo w", "e r", "e s", "es t", "t h", "th e", "w e", "n e", "ne w", "a b", "ab c", "i d", "a a"]


def models():
    letters = list("abcdefghijklmnopqrstuvwxyz.,!")
    tokens = letters + ["".join(m.split()) for m in WORD_MERGES]
    space = {"type": "WhitespaceSplit"}
    write("bpe_unk", spec(bpe(["<unk>"] + tokens, WORD_MERGES, unk_token="<unk>"), pre_tokenizer=space))
    write("bpe_fuse_unk", spec(bpe(["<unk>"] + tokens, WORD_MERGES, unk_token="<unk>", fuse_unk=True)))
    write("bpe_no_unk", spec(bpe(tokens, [m.split() for m in WORD_MERGES]), pre_tokenizer=space))
    write("bpe_ignore_merges", spec(bpe(tokens + ["lowest", "then"], WORD_MERGES, ignore_merges=True), pre_tokenizer=space))
    some_bytes = ["<0x%02X>" % b for b in range(256) if b != 0xbd]
    write("bpe_byte_fallback", spec(
        bpe(["<unk>"] + some_bytes + tokens, WORD_MERGES, unk_token="<unk>", byte_fallback=True),
        decoder={"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}), decode=[[200, 201, 30, 225, 228], [229, 189 + 1, 161]])
    suffixed = letters + [c + "</w>" for c in letters] + ["lo", "low</w>", "es", "est</w>", "th", "the</w>"]
    write("bpe_suffix", spec(bpe(["<unk>"] + suffixed, ["l o", "lo w</w>", "e s", "es t</w>", "t h", "th e</w>"],
                                 unk_token="<unk>", end_of_word_suffix="</w>"), pre_tokenizer=space,
                             decoder={"type": "BPEDecoder", "suffix": "</w>"}))
    prefixed = letters + ["##" + c for c in letters] + ["lo", "low", "##es", "##est"]
    write("bpe_prefix", spec(bpe(["<unk>"] + prefixed, ["l ##o", "lo ##w", "##e ##s", "##es ##t"], unk_token="<unk>",
                                 continuing_subword_prefix="##"), pre_tokenizer=space))
    pieces = ["[UNK]", "low", "##er", "##est", "new", "wide", "##st", "the", "##n", "##ce", "un", "##th", "a", "##b", "##c",
              "你", "##好", ",", "!", "##", "'", "don", "t", "[CLS]", "[SEP]"]
    word_piece = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 6, "vocab": {p: i for i, p in enumerate(pieces)}}
    write("word_piece", spec(
        word_piece, pre_tokenizer={"type": "BertPreTokenizer"}, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
        post_processor={"type": "BertProcessing", "sep": ["[SEP]", 24], "cls": ["[CLS]", 23]},
        added_tokens=[token(23, "[CLS]"), token(24, "[SEP]")]), decode=[[21, 20, 22, 17, 1, 2, 18, 2]])
    write("word_piece_plain", spec({**word_piece, "max_input_chars_per_word": 100}, pre_tokenizer=space,
                                   decoder={"type": "WordPiece", "prefix": "##", "cleanup": False}))
    charsmap, trained = tiny_charsmap()
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    write("unigram", spec(
        {"type": "Unigram", "unk_id": 0, "vocab": trained, "byte_fallback": False},
        normalizer={"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": charsmap},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
        pre_tokenizer=metaspace, decoder=metaspace,
        post_processor={"type": "TemplateProcessing", "single": [
            {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}},
        added_tokens=[token(0, "<unk>"), token(1, "<s>"), token(2, "</s>")]))
    write("unigram_byte_fallback", spec(
        {"type": "Unigram", "unk_id": 0, "byte_fallback": True,
         "vocab": trained + [["<0x%02X>" % b, 0.0] for b in range(256)] + [["ab", -2.5], ["abc", -3.5], ["bca", -3.0]]},
        decoder={"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}))


def added_tokens():
    letters = list("abcdefghijklmnopqrstuvwxyz")
    tokens = ["<unk>"] + letters + ["▁"]
    add = [token(28, "<mask>", lstrip=True), token(29, "<s>", rstrip=True), token(30, "[MASK]", normalized=True, special=False),
           token(31, "the", single_word=True, special=False), token(32, "low", special=False), token(33, "lowest", special=False),
           token(34, "Hello", normalized=True, special=False), token(35, "</s>", lstrip=True, rstrip=True)]
    texts = ALL_TEXTS + ["<s> <mask> </s>", "  <mask>  <s>  a", "HELLO hello Hello", "[mask][MASK]", "the-the_the thé the1", "slowest",
                         "low the <mask>", "</s></s>  </s> x"]
    write("added_tokens", spec(bpe(tokens, [], unk_token="<unk>"), normalizer={"type": "Lowercase"}, added_tokens=add), texts)
    write("added_tokens_prepend", spec(
        bpe(tokens, [], unk_token="<unk>"), added_tokens=add, normalizer={"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        decoder={"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "Fuse"}]},
        post_processor={"type": "Sequence", "processors": [
            {"type": "ByteLevel", "trim_offsets": True, "add_prefix_space": True, "use_regex": True},
            {"type": "RobertaProcessing", "sep": ["</s>", 35], "cls": ["<s>", 29], "trim_offsets": True, "add_prefix_space": True}]}),
          texts)


def decoders():
    vocab = ["▁the", "▁", "a", " b ", "<0xE4>", "<0xBD>", "<0xA0>", "<0xzz>", "<pad>", "|", "Ġx", "é", "ä", "½", "ł", "aa", " n't", " .",
             "b</w>", "##c", "  ", "<s>"]
    vocab = {v: i for i, v in enumerate(vocab)}
    ids = [[0, 1, 2, 3], [4, 5, 6, 2], [4, 5, 2], [4, 5], [8, 2, 2, 8, 2, 9, 15, 16, 17], [10, 11, 2], [12, 13], [12, 13, 14], [18, 18, 2, 18],
           [19, 2, 19], [20, 2, 20], [20, 20], [3, 3], [0, 0, 1, 1], [7, 4, 7], [21, 0, 21], []]
    steps = {
        "none": None, "byte_level": BYTE_LEVEL, "byte_fallback": {"type": "ByteFallback"}, "fuse": {"type": "Fuse"},
        "word_piece": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "strip": {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        "fuse_strip": {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 2, "stop": 1}]},
        "fuse_replace": {"type": "Sequence", "decoders": [
            {"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "▁▁"}, "content": "="}]},
        "replace_regex": {"type": "Replace", "pattern": {"Regex": "[a▁]"}, "content": "."},
        "fuse_replace_regex": {"type": "Sequence", "decoders": [
            {"type": "Fuse"}, {"type": "Replace", "pattern": {"Regex": "a+|▁+"}, "content": "."}]},
        "metaspace": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "metaspace_never": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True},
        "bpe": {"type": "BPEDecoder", "suffix": "</w>"},
        "ctc": {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
    }
    for name, step in steps.items():
        write("decoder_" + name, spec({"type": "WordLevel", "vocab": vocab, "unk_token": "a"}, decoder=step,
                                      added_tokens=[token(21, "<s>")]), [], ids)


OUT.mkdir(parents=True, exist_ok=True)
for make in (normalizers, pre_tokenizers, models, added_tokens, decoders):
    written.clear()
    make()
    (OUT / f"{make.__name__}.json").write_text("[" + ",\n".join(written) + "]\n")
