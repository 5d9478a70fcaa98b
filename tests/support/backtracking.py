"""A plain backtracking matcher that counts its steps, to check the bounds of rules/patterns."""

from __future__ import annotations

from collections.abc import Iterator

from fastfile.rules.patterns.syntax import Atomic, Choice, Edge, Group, Look, Node, Repeat, Sequence, Set


class Backtracking:
    """Matches trees against one text. ``steps`` counts the checked bytes and edges."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self.steps = 0
        self.spans: list[tuple[int, int]] = []
        self._groups = 0

    def matches(self, tree: Node, groups: int) -> bool:
        """Match the whole text; ``spans`` are those of the groups, (-1, -1) for a group without a match."""
        self._numbers: dict[int, int] = {}
        self._number(tree)
        self.spans = [(-1, -1)] * groups
        return any(end == len(self._text) for end in self._ways(tree, 0))

    def _number(self, node: Node) -> None:
        if isinstance(node, Group):
            self._numbers[id(node)] = len(self._numbers)
        if isinstance(node, Sequence | Choice):
            for part in node.parts if isinstance(node, Sequence) else node.branches:
                self._number(part)
        elif not isinstance(node, Set | Edge):
            self._number(node.part)

    def _ways(self, node: Node, at: int) -> Iterator[int]:
        """Yield where the node that begins at ``at`` can end, in the order in which ``re`` tries them."""
        self.steps += 1
        if isinstance(node, Set):
            if at < len(self._text) and node.bits >> self._text[at] & 1:
                yield at + 1
        elif isinstance(node, Edge):
            if self._is_at(node.sign, at):
                yield at
        elif isinstance(node, Sequence):
            yield from self._sequence(node.parts, at)
        elif isinstance(node, Choice):
            for branch in node.branches:
                yield from self._ways(branch, at)
        elif isinstance(node, Group):
            number = self._numbers[id(node)]
            before = self.spans[number]
            for end in self._ways(node.part, at):
                self.spans[number] = (at, end)
                yield end
            self.spans[number] = before
        elif isinstance(node, Look):
            if any(True for _ in self._ways(node.part, at)) != node.negative:
                yield at
        elif isinstance(node, Atomic):
            yield from list(self._first(node.part, at))
        else:
            yield from self._repeat(node, at, 0)

    def _first(self, node: Node, at: int) -> Iterator[int]:
        for end in self._ways(node, at):
            yield end
            return

    def _sequence(self, parts: tuple[Node, ...], at: int) -> Iterator[int]:
        if not parts:
            yield at
            return
        for end in self._ways(parts[0], at):
            yield from self._sequence(parts[1:], end)

    def _repeat(self, repeat: Repeat, at: int, count: int) -> Iterator[int]:
        if repeat.lazy and count >= repeat.least:
            yield at
        if repeat.most is None or count < repeat.most:
            for end in self._ways(repeat.part, at):
                if end > at:
                    yield from self._repeat(repeat, end, count + 1)
        if not repeat.lazy and count >= repeat.least:
            yield at

    def _is_at(self, sign: str, at: int) -> bool:
        if sign == "A":
            return at == 0
        if sign == "Z":
            return at == len(self._text)
        around = [byte.isalnum() or byte == b"_" for byte in (self._text[max(at - 1, 0) : at], self._text[at : at + 1])]
        return around[0] != around[1]
