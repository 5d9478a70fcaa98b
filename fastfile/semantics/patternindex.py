"""Many patterns, and which of them match a path: literals are looked up, the others by their first segment.

So most paths try none or few, however many there are. Measured in tests/test_patternindex.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from fastfile.semantics.rule import Pattern
from fastfile.semantics.target import encode_path

T = TypeVar("T")
Captures = dict[str | int, bytes]  # as they go into a template: encoded


class _Entry(NamedTuple):
    number: int
    item: object
    match: Callable[[bytes], re.Match[bytes] | None] | None  # None where the path is looked up


class PatternIndex(Generic[T]):
    """Items by their patterns, in the order of the file."""

    __slots__ = ("_by_literal", "_by_segment", "_general")

    def __init__(self, items: list[tuple[Pattern, T]]) -> None:
        self._by_literal: dict[bytes, list[_Entry]] = {}
        self._by_segment: dict[bytes, list[_Entry]] = {}
        self._general: list[_Entry] = []  # those that any first segment may come to
        for number, (pattern, item) in enumerate(items):
            self._add(number, pattern, item)
        for entries in self._by_segment.values():
            entries += self._general
            entries.sort(key=_number)

    def _add(self, number: int, pattern: Pattern, item: T) -> None:
        for literal in pattern.literals:
            self._by_literal.setdefault(literal, []).append(_Entry(number, item, None))
        if not pattern.literals:
            entry = _Entry(number, item, re.compile(pattern.expression, re.DOTALL).fullmatch)
            (self._by_segment.setdefault(pattern.segment, []) if pattern.segment else self._general).append(entry)

    def find(self, path: bytes) -> list[tuple[T, Captures]]:
        """Return the items for a decoded path, which begins with one slash, and what their patterns catch."""
        end = path.find(b"/", 1)
        entries = self._by_segment.get(path if end < 0 else path[:end], self._general)
        literal = self._by_literal.get(path)
        if literal is not None:
            entries = sorted(literal + entries, key=_number) if entries else literal
        found: list[tuple[T, Captures]] = []
        for entry in entries:
            match = entry.match(path) if entry.match is not None else None
            if match is not None or entry.match is None:
                found.append((entry.item, _make_captures(match) if match is not None else {}))  # type: ignore[arg-type]
        return found


def _make_captures(match: re.Match[bytes]) -> Captures:
    captures: Captures = {index: encode_path(value or b"") for index, value in enumerate(match.groups(), 1)}
    captures.update({name: encode_path(value or b"") for name, value in match.groupdict().items()})
    return captures


def _number(entry: _Entry) -> int:
    return entry.number
