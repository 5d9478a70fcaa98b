"""The regular expressions that rule files may contain: a subset of JavaScript's, parsed into a tree.

Owns the grammar. An expression is over bytes; a character outside ASCII is the sequence of its UTF-8 bytes. Features
outside the subset (backreferences, lookbehind, possessive repeats) are refused with a sentence.
"""

from __future__ import annotations

import re
from typing import Literal

from fastfile.records import NamedTuple

ALL = (1 << 256) - 1
MAX_DEPTH = 20
MAX_NODES = 1000
_MAX_COUNT = 1000


class Set(NamedTuple):
    """One byte of a set, as bits of an integer."""

    bits: int


class Edge(NamedTuple):
    """A place between two bytes: the start, the end, or a word boundary."""

    sign: Literal["A", "Z", "b"]


class Sequence(NamedTuple):
    """Parts one after the other."""

    parts: tuple[Node, ...]


class Choice(NamedTuple):
    """One of several branches, tried in their order."""

    branches: tuple[Node, ...]


class Repeat(NamedTuple):
    """A part, ``least`` to ``most`` times (None: any number)."""

    part: Node
    least: int
    most: int | None
    lazy: bool = False


class Group(NamedTuple):
    """A part that is captured."""

    part: Node
    name: str = ""


class Look(NamedTuple):
    """A lookahead: a part that must follow here, or must not."""

    part: Node
    negative: bool


class Atomic(NamedTuple):
    """A part whose first match is the only one that is tried. The grammar has none; expression.py makes them."""

    part: Node


Node = Set | Edge | Sequence | Choice | Repeat | Group | Look | Atomic


def _range(first: int, last: int) -> int:
    return (1 << (last + 1)) - (1 << first)


_DIGITS = _range(0x30, 0x39)
_WORDS = _DIGITS | _range(0x41, 0x5A) | _range(0x61, 0x7A) | 1 << 0x5F
_SPACES = _range(0x09, 0x0D) | 1 << 0x20
_CLASSES = {"d": _DIGITS, "D": ALL ^ _DIGITS, "w": _WORDS, "W": ALL ^ _WORDS, "s": _SPACES, "S": ALL ^ _SPACES}
_CONTROLS = {"n": 0x0A, "r": 0x0D, "t": 0x09, "f": 0x0C, "v": 0x0B}
_EDGES: dict[str, Literal["A", "Z", "b"]] = {"^": "A", "$": "Z"}
_NAMED = re.compile(rb"\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>")
_COUNTED = re.compile(rb"\{(\d{1,5})(,?)(\d{0,5})\}")
_HEX = re.compile(rb"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})")


class Syntax(NamedTuple):
    """A parsed expression, and the names of its groups in their order ("" for one without a name)."""

    tree: Node
    groups: tuple[str, ...]


def parse_expression(source: bytes) -> Syntax:
    """Parse an expression. Raises ValueError: a sentence. Takes linear time."""
    parser = _Parser(source)
    tree = parser.parse_choice(0)
    if parser.at < len(source):
        raise ValueError(f"there is a ) at byte {parser.at + 1} without a parenthesis that it closes")
    return Syntax(tree, tuple(parser.groups))


class _Parser:
    def __init__(self, source: bytes) -> None:
        self._source = source
        self.at = 0
        self.groups: list[str] = []
        self._nodes = 0
        self._folds = False  # case is ignored

    def parse_choice(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        branches = [self._parse_sequence(depth)]
        while self._takes(b"|"):
            branches.append(self._parse_sequence(depth))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _takes(self, text: bytes) -> bool:
        if self._source.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def _parse_sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.at < len(self._source) and self._source[self.at] not in b"|)":
            if self._takes(b"(?i)"):
                self._folds = True
                continue
            parts.append(self._parse_repeat(self._parse_atom(depth)))
            self._nodes += 1
            if self._nodes > MAX_NODES:
                raise ValueError(f"it has more than {MAX_NODES} parts")
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _parse_repeat(self, part: Node) -> Node:
        sign = self._source[self.at : self.at + 1]
        counted = _COUNTED.match(self._source, self.at)
        if counted:
            least, most = int(counted[1]), int(counted[3]) if counted[3] else None if counted[2] else int(counted[1])
            self.at = counted.end()
        elif sign and sign in b"*+?":
            least, most = int(sign == b"+"), 1 if sign == b"?" else None
            self.at += 1
        else:
            return part
        if isinstance(part, Edge | Look):
            raise ValueError("it repeats an expression that matches no character")  # noqa: TRY004 - it is the file that is wrong
        if max(least, most or 0) > _MAX_COUNT or (most is not None and most < least):
            raise ValueError(f"it counts to more than {_MAX_COUNT}, or backwards")
        lazy = self._takes(b"?")
        if self._source[self.at : self.at + 1] in (b"*", b"+", b"?") or _COUNTED.match(self._source, self.at):
            raise ValueError("it repeats a repeat")
        return Repeat(part, least, most, lazy)

    def _parse_atom(self, depth: int) -> Node:
        byte = self._source[self.at : self.at + 1]
        if byte == b"(":
            return self._parse_group(depth)
        if byte == b"[":
            return Set(self._parse_class())
        self.at += 1
        if byte == b".":
            return Set(ALL)
        if byte in (b"^", b"$"):
            return Edge(_EDGES[byte.decode()])
        if byte in (b"*", b"+", b"?"):
            raise ValueError(f"there is nothing before the {byte.decode()} at byte {self.at} that it repeats")
        if byte == b"\\":
            return self._parse_escape()
        return self._literal(byte + self._take_continuation(byte[0]))

    def _take_continuation(self, lead: int) -> bytes:
        """Take the further bytes of a character outside ASCII, so that a repeat applies to all of them."""
        start = self.at
        if lead >= 0xC0:
            while self.at < len(self._source) and 0x80 <= self._source[self.at] < 0xC0:
                self.at += 1
        return self._source[start : self.at]

    def _literal(self, character: bytes) -> Node:
        sets = [Set(self._fold(1 << byte)) for byte in character]
        return sets[0] if len(sets) == 1 else Sequence(tuple(sets))

    def _fold(self, bits: int) -> int:
        if not self._folds:
            return bits
        upper, lower = _range(0x41, 0x5A), _range(0x61, 0x7A)
        return bits | (bits & upper) << 32 | (bits & lower) >> 32

    def _parse_escape(self) -> Node:
        letter = self._source[self.at : self.at + 1]
        if letter in (b"b", b"Z"):
            self.at += 1
            return Edge("b" if letter == b"b" else "Z")
        found = self._take_escape()
        return Set(found) if isinstance(found, int) else self._literal(found)

    def _take_escape(self) -> int | bytes:
        """Take the text after a backslash: a set of bytes, or a character."""
        letter = self._source[self.at : self.at + 1]
        if not letter:
            raise ValueError("it ends with a backslash")
        self.at += 1
        sign = letter.decode("latin-1")
        if sign in _CLASSES:
            return _CLASSES[sign]
        if sign in _CONTROLS:
            return bytes([_CONTROLS[sign]])
        coded = _HEX.match(self._source, self.at - 1)
        if coded:
            self.at = coded.end()
            return bytes([int(coded[1], 16)]) if coded[1] else chr(int(coded[2], 16)).encode(errors="surrogatepass")
        if sign.isdigit() or sign == "k":
            raise ValueError("back-references are not supported")
        if sign.isascii() and sign.isalpha():
            raise ValueError(f"\\{sign} is not supported")
        return letter + self._take_continuation(letter[0])

    def _parse_class(self) -> int:
        self.at += 1
        negative = self._takes(b"^")
        bits, start = 0, self.at
        while not self._source.startswith(b"]", self.at) or self.at == start:
            first = self._take_member()
            if isinstance(first, int) or not self._source.startswith(b"-", self.at):
                bits |= first if isinstance(first, int) else 1 << first[0]
                continue
            self.at += 1
            if self._source.startswith(b"]", self.at):
                bits |= 1 << first[0] | 1 << 0x2D
                continue
            last = self._take_member()
            if isinstance(last, int) or last < first:
                raise ValueError("a range between brackets has no end, or one before its start")
            bits |= _range(first[0], last[0])
        self.at += 1
        bits = self._fold(bits)
        return ALL ^ bits if negative else bits

    def _take_member(self) -> int | bytes:
        """Take a member of a class: a set of bytes, or one byte."""
        if self.at >= len(self._source):
            raise ValueError("a bracket is not closed")
        self.at += 1
        byte = self._source[self.at - 1 : self.at]
        member = self._take_escape() if byte == b"\\" else byte
        if not isinstance(member, int) and (len(member) > 1 or member[0] >= 0x80):
            raise ValueError("brackets can contain only ASCII characters")
        return member

    def _parse_group(self, depth: int) -> Node:
        source, folds = self._source, self._folds
        named = _NAMED.match(source, self.at)
        make: type[Group] | None = None
        if named:
            self.at = named.end()
            self._add_group(named[1].decode())
            make = Group
        elif self._takes(b"(?i:"):
            self._folds = True
        elif not self._takes(b"(?:"):
            for start, negative in ((b"(?=", False), (b"(?!", True)):
                if self._takes(start):
                    return Look(self._close(depth, folds), negative)
            if source.startswith(b"(?", self.at):
                raise ValueError(f"{source[self.at : self.at + 4].decode(errors='replace')} is not supported")
            self.at += 1
            self._add_group("")
            make = Group
        name = self.groups[-1] if make else ""
        inner = self._close(depth, folds)
        return Group(inner, name) if make else inner

    def _add_group(self, name: str) -> None:
        if name and name in self.groups:
            raise ValueError(f"it has two groups that are called {name}")
        self.groups.append(name)

    def _close(self, depth: int, folds: bool) -> Node:
        inner = self.parse_choice(depth + 1)
        if not self._takes(b")"):
            raise ValueError("a parenthesis is not closed")
        self._folds = folds
        return inner
