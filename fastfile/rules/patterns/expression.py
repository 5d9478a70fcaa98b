"""The regular expressions of a site's files: matched by ``re``, in bounded time, even hostile ones.

An expression that could keep ``re`` busy for long is refused when it is read. The compiled source is generated from the
parsed tree, so ``re`` gets exactly the measured expression, and never warns about it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from fastfile.errors import HTTPError
from fastfile.rules.patterns.cost import LENGTHS, flatten, measure
from fastfile.rules.patterns.syntax import (
    ALL,
    Atomic,
    Choice,
    Edge,
    Group,
    Look,
    Node,
    Repeat,
    Sequence,
    Set,
    parse_expression,
)

CHEAP = 600_000  # steps of ``re`` for one match: at most 2.7 ms, at 4.5 ns each
MOST_BYTES = 64 * 1024  # bytes of expressions in one file
Groups = dict[str | int, bytes]


class Budget:
    """The remaining bytes of expressions in one file; compiling them takes about 10 us each."""

    def __init__(self) -> None:
        self._left = MOST_BYTES

    def spend(self, size: int) -> None:
        """Use a part of it. Raises ValueError, a sentence, if too little is left."""
        self._left -= size
        if self._left < 0:
            raise ValueError(f"no more than {MOST_BYTES} bytes of patterns are read from one file")


class Expression:
    """A compiled expression. ``groups`` are the names of its groups in order, "" for one without a name.

    Raises ValueError with the reason as a sentence: for text that is not an expression, is not supported, or could take
    too long on a text of LENGTHS[1] bytes.
    """

    __slots__ = ("_match", "costs", "groups", "longest")

    def __init__(self, source: bytes) -> None:
        tree, self.groups = parse_expression(source)
        tree = _settle(tree, bool(self.groups))
        self.costs = tuple([int(steps) for steps in measure(tree)])  # in steps, for each of LENGTHS
        lengths = [length for length, steps in zip(LENGTHS, self.costs, strict=True) if steps <= CHEAP]
        self.longest = max(lengths, default=0)  # the longest text that it is matched against
        if self.longest < LENGTHS[1]:
            raise ValueError("it could take too long on a long path: several repeats can match the same text")
        try:
            self._match = re.compile(_emit(tree), re.DOTALL).fullmatch
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"it cannot be compiled: {error}") from None

    def match(self, text: bytes) -> Groups | None:
        """Match the whole of a text: return the groups by number and name, b"" for one that did not take part.

        Raises HTTPError 414 for a text that is too long for the expression.
        """
        if len(text) > self.longest:
            raise HTTPError(414, f"A rule of this site supports only paths and values of up to {self.longest} bytes.")
        match = self._match(text)
        if match is None:
            return None
        groups: Groups = {}
        for number, (name, value) in enumerate(zip(self.groups, match.groups(b""), strict=True), 1):
            groups[number] = value
            if name:
                groups[name] = value
        return groups

    def cost(self, size: int) -> int:
        """Return the most steps for a text of this many bytes."""
        for length, steps in zip(LENGTHS, self.costs, strict=True):
            if size <= length:
                return steps
        return self.costs[-1]


@lru_cache(maxsize=4096)  # a reload does not compile the same expressions again
def compile_expression(source: bytes) -> Expression:
    """Return a compiled expression. Raises ValueError as Expression does."""
    return Expression(source)


def check_expression(source: str, kind: str = "regular expression") -> Expression:
    """Return an expression of a file, written as a ``kind``. Raises ValueError: a sentence."""
    try:
        return compile_expression(source.encode())
    except ValueError as error:
        raise ValueError(f"not a {kind} that fastfile supports: {error}") from None


def _settle(node: Node, captures: bool) -> Node:
    """Return an equivalent tree in which a run before a literal and a wider run is tried in only one place.

    In ``[^/]+?-[^/]+`` the leftmost dash is as good as any other, because the second run takes what the first one
    leaves.
    """
    if isinstance(node, Sequence):
        return _settle_sequence([_settle(part, captures) for part in node.parts], captures)
    if isinstance(node, Choice):
        return Choice(tuple([_settle(branch, captures) for branch in node.branches]))
    if isinstance(node, Set | Edge):
        return node
    return node._replace(part=_settle(node.part, captures))


def _settle_sequence(parts: list[Node], captures: bool) -> Node:
    parts = [inner for part in parts for inner in (part.parts if isinstance(part, Sequence) else (part,))]
    settled: list[Node] = []
    at = 0
    while at < len(parts):
        run = _maybe_run(parts[at])
        if run is None or (captures and not run.lazy):
            settled.append(parts[at])
            at += 1
            continue
        end = at + 1
        while end < len(parts) and isinstance(parts[end], Set | Look):
            end += 1
        wider = _maybe_run(parts[end]) if end < len(parts) else None
        bits = [part.bits for part in parts[at + 1 : end] if isinstance(part, Set)]
        if wider is None or not bits:
            settled += parts[at:end]
            at = end
            continue
        assert isinstance(run.part, Set)
        assert isinstance(wider.part, Set)
        if all(not taken & ~wider.part.bits for taken in (run.part.bits, *bits)):
            first = parts[at] if run.lazy else run._replace(lazy=True)
            settled.append(Atomic(Sequence((first, *parts[at + 1 : end]))))
            at = end
        else:
            settled.append(parts[at])
            at += 1
    return Sequence(tuple(settled))


def _maybe_run(node: Node) -> Repeat | None:
    """Return a part as an unlimited run of a set, alone or captured; None if it is not one."""
    inner = flatten(node)
    run = inner[0] if len(inner) == 1 else None
    return run if isinstance(run, Repeat) and run.most is None and isinstance(run.part, Set) else None


def _emit(node: Node) -> bytes:
    """Return the source of a tree in the syntax of ``re``."""
    if isinstance(node, Set):
        return _emit_set(node.bits)
    if isinstance(node, Edge):
        return b"\\" + node.sign.encode()
    if isinstance(node, Sequence):
        return b"".join(map(_emit, node.parts))
    if isinstance(node, Choice):
        return b"(?:" + b"|".join(map(_emit, node.branches)) + b")"
    inner = _emit(node.part)
    if isinstance(node, Group):
        return (b"(?P<%b>%b)" % (node.name.encode(), inner)) if node.name else b"(" + inner + b")"
    if isinstance(node, Look):
        return (b"(?!" if node.negative else b"(?=") + inner + b")"
    if isinstance(node, Atomic):
        return b"(?>" + inner + b")"
    count = {(0, None): b"*", (1, None): b"+", (0, 1): b"?"}.get((node.least, node.most))
    if count is None:
        count = b"{%d,%b}" % (node.least, b"" if node.most is None else b"%d" % node.most)
    return (
        b"(?:" + inner + b")" + count + (b"?" if node.lazy else b"")
        if not isinstance(node.part, Set)
        else (inner + count + (b"?" if node.lazy else b""))
    )


@lru_cache(maxsize=1024)
def _emit_set(bits: int) -> bytes:
    if bits == ALL:
        return b"."
    excluded = ALL ^ bits
    if bits.bit_count() == 1 or not bits:
        return _show(bits.bit_length() - 1) if bits else b"(?!)"
    if excluded.bit_count() == 1:
        return b"[^%b]" % _show(excluded.bit_length() - 1)
    ranges = []
    byte = 0
    while byte < 256:
        end = byte
        while end < 256 and bits >> end & 1:
            end += 1
        if end > byte:
            ranges.append(_show(byte) if end == byte + 1 else _show(byte) + b"-" + _show(end - 1))
        byte = max(end, byte + 1)
    return b"[%b]" % b"".join(ranges)


def _show(byte: int) -> bytes:
    return bytes([byte]) if chr(byte).isascii() and chr(byte).isalnum() else b"\\x%02x" % byte
