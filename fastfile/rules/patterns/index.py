"""Many patterns, and which of them match a path: a dict finds literals, and the first segment selects the others.

So most paths try few or none, however many there are. Measured in tests/rules/test_index.py.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from fastfile.errors import HTTPError
from fastfile.http.target import encode_path
from fastfile.records import NamedTuple
from fastfile.rules.patterns.cost import LENGTHS
from fastfile.rules.patterns.expression import Expression, compile_expression
from fastfile.rules.rule import Pattern, Segments

T = TypeVar("T")
Captures = dict[str | int, bytes]  # encoded, or Raw

MAX_STEPS = 900_000  # steps of one lookup, 4.5 ns each: 4 ms
_STEPS_OF_ENTRY = 600  # to try a pattern at all
_STEPS_OF_PART = 35  # to compare one segment
MOST_OF_ONE_PATH = 500  # items for one literal path; each has another condition
_SHORTEST = 1  # index in LENGTHS: paths of up to this size are always looked up


class Raw(bytes):
    """A captured value before it is encoded: few of the matching items are used."""


def encode_capture(value: bytes) -> bytes:
    """Return a captured value, encoded for a template."""
    return encode_path(value) if isinstance(value, Raw) else value


class _Entry(NamedTuple):
    number: int
    item: object
    segments: Segments | None = None
    expression: Expression | None = None  # without both, the path is looked up

    def costs(self) -> tuple[int, ...]:
        """Return the most steps for a path of each of LENGTHS."""
        if self.expression is not None:
            return tuple([_STEPS_OF_ENTRY + steps for steps in self.expression.costs])
        parts = len(self.segments.parts) if self.segments is not None else 0
        has_splat = self.segments is not None and self.segments.end in ("rest", "splat")
        copied = [size // 8 if has_splat else 0 for size in LENGTHS]
        return tuple([_STEPS_OF_ENTRY + _STEPS_OF_PART * parts + steps for steps in copied])


class PatternIndex(Generic[T]):
    """Items by their patterns, in the order of the file.

    ``refused`` are items that are left out, because a lookup could take more than MAX_STEPS with them.
    """

    __slots__ = ("_by_literal", "_by_segment", "_general", "_longest", "_segments", "refused")

    def __init__(self, items: list[tuple[Pattern, T]]) -> None:
        self.refused: list[T] = []
        self._segments: dict[Segments, Segments] = {}  # equal ones are one object
        self._by_literal: dict[bytes, list[_Entry]] = {}
        self._by_segment: dict[bytes, list[_Entry]] = {}
        self._general: list[_Entry] = []  # those that match any first segment
        costs: dict[bytes, list[int]] = {b"": [0] * len(LENGTHS)}
        worst = [0] * len(LENGTHS)  # of all segments, without the general ones
        for number, (pattern, item) in enumerate(items):
            if pattern.literals:
                self._add_literals(number, pattern, item)
            else:
                self._add(number, pattern, item, costs, worst)
        for entries in self._by_segment.values():
            entries += self._general
            entries.sort(key=_number)
        total = [general + special for general, special in zip(costs[b""], worst, strict=True)]
        self._longest = max((size for size, cost in zip(LENGTHS, total, strict=True) if cost <= MAX_STEPS), default=0)

    def _add_literals(self, number: int, pattern: Pattern, item: T) -> None:
        buckets = [self._by_literal.setdefault(literal, []) for literal in pattern.literals]
        if max(map(len, buckets)) >= MOST_OF_ONE_PATH:
            self.refused.append(item)
            return
        for bucket in buckets:
            bucket.append(_Entry(number, item))

    def _add(self, number: int, pattern: Pattern, item: T, costs: dict[bytes, list[int]], worst: list[int]) -> None:
        expression = compile_expression(pattern.expression) if pattern.segments is None else None
        segments = None if pattern.segments is None else self._segments.setdefault(pattern.segments, pattern.segments)
        entry = _Entry(number, item, segments, expression)
        own = entry.costs()
        bucket = costs.setdefault(pattern.segment, [0] * len(LENGTHS))
        others = worst if not pattern.segment else costs[b""]
        if bucket[_SHORTEST] + others[_SHORTEST] + own[_SHORTEST] > MAX_STEPS:
            self.refused.append(item)
            return
        bucket[:] = map(sum, zip(bucket, own, strict=True))
        if pattern.segment:
            worst[:] = map(max, worst, bucket)
        (self._by_segment.setdefault(pattern.segment, []) if pattern.segment else self._general).append(entry)

    def find(self, path: bytes) -> list[tuple[T, Captures]]:
        """Return the items for a decoded path, which begins with one slash, and their captures.

        Raises HTTPError 414 if the path is too long to be looked up in MAX_STEPS.
        """
        end = path.find(b"/", 1)
        entries = self._by_segment.get(path if end < 0 else path[:end], self._general)
        literal = self._by_literal.get(path)
        if literal is not None:
            entries = sorted(literal + entries, key=_number) if entries else literal
        if not entries:
            return []
        if len(path) > self._longest and (entries is not literal):
            raise HTTPError(414, f"The rules of this site support only paths of up to {self._longest} bytes.")
        found: list[tuple[T, Captures]] = []
        parts = path[1:].split(b"/")
        known: Segments | None = None  # many rules in a row may have one pattern: they differ by their conditions
        caught: Captures | None = None
        for _, item, segments, expression in entries:
            if segments is not None:
                if segments is not known:
                    known, caught = segments, _match_segments(segments, parts, path)
                captures = None if caught is None else caught.copy()
            elif expression is not None:
                groups = expression.match(path)
                captures = None if groups is None else {name: Raw(value) for name, value in groups.items()}
            else:
                captures = {}
            if captures is not None:
                found.append((item, captures))  # type: ignore[arg-type]
        return found


def _match_segments(segments: Segments, parts: list[bytes], path: bytes) -> Captures | None:
    """Match the segments of a path; the last is empty if the path ends with a slash."""
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
            captures[want] = Raw(part)
    if end in ("rest", "splat"):
        captures["splat"] = Raw(path[1 + sum(map(len, parts[:count])) + count :])
    return captures


def _number(entry: _Entry) -> int:
    return entry.number
