"""Many patterns, and which of them match a path: literals are looked up, the others by their first segment.

So most paths try none or few, however many there are. Measured in tests/rules/test_index.py.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from fastfile.http.target import encode_path
from fastfile.rules.patterns.expression import Allowance, Expression, Groups
from fastfile.rules.rule import Pattern

T = TypeVar("T")
Captures = dict[str | int, bytes]  # as they go into a template: encoded


class _Entry(NamedTuple):
    number: int
    item: object
    expression: Expression | None  # None where the path is looked up


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
            entry = _Entry(number, item, Expression(pattern.expression))
            (self._by_segment.setdefault(pattern.segment, []) if pattern.segment else self._general).append(entry)

    def find(self, path: bytes) -> list[tuple[T, Captures]]:
        """Return the items for a decoded path, which begins with one slash, and what their patterns catch.

        Raises HTTPError where that takes too long (expression.py).
        """
        end = path.find(b"/", 1)
        entries = self._by_segment.get(path if end < 0 else path[:end], self._general)
        literal = self._by_literal.get(path)
        if literal is not None:
            entries = sorted(literal + entries, key=_number) if entries else literal
        found: list[tuple[T, Captures]] = []
        allowance = Allowance()
        for entry in entries:
            groups = {} if entry.expression is None else entry.expression.match(path, allowance)
            if groups is not None:
                found.append((entry.item, _make_captures(groups)))  # type: ignore[arg-type]
        return found


def _make_captures(groups: Groups) -> Captures:
    return {name: encode_path(value) for name, value in groups.items()}


def _number(entry: _Entry) -> int:
    return entry.number
