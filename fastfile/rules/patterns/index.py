"""Many patterns, and which of them match a path: literals are looked up, the others by their first segment.

So most paths try none or few, however many there are. Measured in tests/rules/test_index.py.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from fastfile.http.target import encode_path
from fastfile.rules.patterns.cost import LENGTHS
from fastfile.rules.patterns.expression import Expression, compile_expression
from fastfile.rules.rule import Pattern, Segments

T = TypeVar("T")
Captures = dict[str | int, bytes]  # as they go into a template: encoded

# Steps, 5 ns each, that a lookup may take on the event loop: 2 ms. More are for a thread.
MAX_STEPS = 400_000
_STEPS_OF_ENTRY = 100  # to try a pattern at all
_STEPS_OF_PART = 20  # to compare one segment


class _Entry(NamedTuple):
    number: int
    item: object
    segments: Segments | None = None
    expression: Expression | None = None  # without both, the path is looked up

    def cost(self, size: int) -> int:
        if self.expression is not None:
            return _STEPS_OF_ENTRY + self.expression.cost(size)
        return _STEPS_OF_ENTRY + _STEPS_OF_PART * len(self.segments.parts) if self.segments is not None else 0


class PatternIndex(Generic[T]):
    """Items by their patterns, in the order of the file."""

    __slots__ = ("_by_literal", "_by_segment", "_costs", "_general")

    def __init__(self, items: list[tuple[Pattern, T]]) -> None:
        self._by_literal: dict[bytes, list[_Entry]] = {}
        self._by_segment: dict[bytes, list[_Entry]] = {}
        self._general: list[_Entry] = []  # those that any first segment may come to
        for number, (pattern, item) in enumerate(items):
            self._add(number, pattern, item)
        for entries in self._by_segment.values():
            entries += self._general
            entries.sort(key=_number)
        # What a lookup can cost at most, by the length of the path, in the costliest bucket.
        buckets = [self._general, *self._by_segment.values()]
        self._costs = [max(sum(entry.cost(size) for entry in bucket) for bucket in buckets) for size in LENGTHS]

    def _add(self, number: int, pattern: Pattern, item: T) -> None:
        for literal in pattern.literals:
            self._by_literal.setdefault(literal, []).append(_Entry(number, item))
        if pattern.literals:
            return
        expression = compile_expression(pattern.expression) if pattern.segments is None else None
        entry = _Entry(number, item, pattern.segments, expression)
        (self._by_segment.setdefault(pattern.segment, []) if pattern.segment else self._general).append(entry)

    def is_quick(self, path: bytes) -> bool:
        """Tell whether a lookup of the path takes at most MAX_STEPS."""
        for size, cost in zip(LENGTHS, self._costs, strict=True):
            if len(path) <= size:
                return cost <= MAX_STEPS
        return self._costs[-1] <= MAX_STEPS

    def find(self, path: bytes) -> list[tuple[T, Captures]]:
        """Return the items for a decoded path, which begins with one slash, and what their patterns catch.

        Raises HTTPError 414 where the path is too long for one of them.
        """
        end = path.find(b"/", 1)
        entries = self._by_segment.get(path if end < 0 else path[:end], self._general)
        literal = self._by_literal.get(path)
        if literal is not None:
            entries = sorted(literal + entries, key=_number) if entries else literal
        if not entries:
            return []
        found: list[tuple[T, Captures]] = []
        parts = path[1:].split(b"/")
        for _, item, segments, expression in entries:
            if segments is not None:
                captures = _match_segments(segments, parts)
            elif expression is not None:
                groups = expression.match(path)
                captures = None if groups is None else {name: encode_path(value) for name, value in groups.items()}
            else:
                captures = {}
            if captures is not None:
                found.append((item, captures))  # type: ignore[arg-type]
        return found


def _match_segments(segments: Segments, parts: list[bytes]) -> Captures | None:
    """Match the segments of a path; the last is empty where the path ends with a slash."""
    wanted, end = segments
    count = len(wanted)
    size = len(parts)
    if end == "slash":
        size -= parts[-1] == b""
    if size != count if end in ("exact", "slash") else size < count + (end == "splat"):
        return None
    captures: Captures = {}
    for want, part in zip(wanted, parts, strict=False):
        if isinstance(want, bytes):
            if want != part:
                return None
        elif not part:
            return None
        else:
            captures[want] = encode_path(part)
    if end in ("rest", "splat"):
        captures["splat"] = encode_path(b"/".join(parts[count:]))
    return captures


def _number(entry: _Entry) -> int:
    return entry.number
