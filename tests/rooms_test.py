"""Rooms use only rooms listed before them in CMakeLists.txt, and files compiled for an instruction set share no code."""

import os
import pathlib
import re
import unittest

ROOT = pathlib.Path(os.environ.get("OCTET_SOURCE", pathlib.Path(__file__).resolve().parent.parent))
SOURCE = ROOT / "src"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
ISA_FILE = re.compile(r"_(avx2|avx512\w*|neon\w*)\.cpp$")

# What a file compiled for an instruction set may reach: intrinsics, types, and C functions that are not inline.
PLAIN_HEADERS = {"immintrin.h", "arm_neon.h", "stdint.h", "stddef.h", "cstdint", "cstddef", "cstring", "string.h"}


def rooms():
    """The rooms in the order of CMakeLists.txt; the command line comes last."""
    text = (ROOT / "CMakeLists.txt").read_text()
    return [*dict.fromkeys(re.findall(r"^ *octet_room\((\w+)", text, re.MULTILINE)), "cli"]


def includes(path):
    """(line number, is_system, what) of each include of a file."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) == "<", match.group(2)


def sources():
    return sorted(p for p in SOURCE.rglob("*") if p.suffix in (".h", ".cpp", ".inc"))


def shown(path):
    return path.relative_to(ROOT)


class Rooms(unittest.TestCase):
    def test_every_folder_is_a_room(self):
        folders = {p.relative_to(SOURCE).parts[0] for p in sources()}
        self.assertEqual(folders - set(rooms()), set(), "a folder of src/ that CMakeLists.txt does not list as a room")

    def test_a_room_uses_only_rooms_before_it(self):
        order = {room: place for place, room in enumerate(rooms())}
        wrong = []
        for path in sources():
            room = path.relative_to(SOURCE).parts[0]
            for number, is_system, what in includes(path):
                other = what.split("/")[0]
                if not is_system and other in order and order[other] > order[room]:
                    wrong.append(f"{shown(path)}:{number}: {room} comes before {other}, so it must not include {what}")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_own_headers_are_included_from_src(self):
        wrong = []
        for path in sources():
            for number, is_system, what in includes(path):
                if not is_system and not (SOURCE / what).exists():
                    wrong.append(f'{shown(path)}:{number}: "{what}" is no file of src/')
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_headers_say_pragma_once(self):
        wrong = [str(shown(p)) for p in sources() if p.suffix == ".h" and "#pragma once" not in p.read_text()]
        self.assertEqual(wrong, [])


class InstructionSets(unittest.TestCase):
    def reach(self, path, seen, chain):
        """Every system header a file reaches, with the way there."""
        for number, is_system, what in includes(path):
            step = chain + [f"{shown(path)}:{number}"]
            if is_system:
                yield what, step
            elif what not in seen and (SOURCE / what).exists():
                seen.add(what)
                yield from self.reach(SOURCE / what, seen, step)

    def test_files_for_an_instruction_set_reach_only_plain_headers(self):
        """An inline function compiled with AVX-512 may be the copy the linker keeps for everyone."""
        wrong = []
        for path in sources():
            if not ISA_FILE.search(path.name):
                continue
            for what, chain in self.reach(path, set(), []):
                if what not in PLAIN_HEADERS:
                    wrong.append(f"{' -> '.join(chain)}: reaches <{what}>")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))


if __name__ == "__main__":
    unittest.main()
