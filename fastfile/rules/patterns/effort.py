"""How much work Python's ``re`` can have with an expression: an upper bound, for a text of so many bytes.

``re`` tries every way in which an expression can be laid over a text, and a few characters of one can have more ways
than there is time. The bound is made of two numbers for each part: the steps that it takes, and the ways that it leaves
for what follows. A repeated set that excludes the byte after it has one way, so ``/:year/:month/:day`` costs little.
"""

from __future__ import annotations

from math import log2
from re import _constants as sre  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from fastfile.rules.patterns.byte_sets import ALL, maybe_superset

ENDLESS = 1e30  # and products of it are more


class Effort(NamedTuple):
    """Of a part in its place. ``first``: the bytes that it, or what follows it, can begin with; ``fail``: the steps
    until another byte is refused."""

    work: float
    ways: float
    first: int
    fail: float


END = Effort(0, 1, 0, 0)  # what follows the last part: no byte
ANYTHING = Effort(0, 1, ALL, 0)


def measure(parts: Any, follower: Effort, length: int) -> Effort:
    """Return the effort of parts one after the other, in a text of ``length`` bytes, before what follows them."""
    work, ways = 0.0, 1.0
    for opcode, argument in reversed(parts):
        own = _measure_part(opcode, argument, follower, length)
        work = min(own.work + own.ways * work, ENDLESS)
        ways = min(ways * own.ways, ENDLESS)
        follower = own
    return Effort(work, ways, follower.first, follower.fail)


def _measure_part(opcode: Any, argument: Any, follower: Effort, length: int) -> Effort:
    bytes_ = maybe_superset(opcode, argument)
    if bytes_ is not None:
        return Effort(1, 1, bytes_, 1)
    if opcode is sre.SUBPATTERN:
        return measure(argument[3], follower, length)
    if opcode is sre.BRANCH:
        return _measure_branch([measure(branch, follower, length) for branch in argument[1]])
    if opcode is sre.MAX_REPEAT or opcode is sre.MIN_REPEAT:
        return _measure_repeat(argument, follower, length)
    if opcode is sre.AT:
        return Effort(1, 1, follower.first, follower.fail + 1)
    if opcode is sre.ASSERT and len(argument[1]) == 1:
        ahead = maybe_superset(*argument[1][0])
        if ahead is not None and argument[0] > 0:
            return Effort(1, 1, ahead & follower.first, follower.fail + 1)
    if opcode is sre.ASSERT or opcode is sre.ASSERT_NOT:
        return _measure_inner(argument[1], length)
    if opcode is sre.ATOMIC_GROUP:
        return _measure_inner(argument, length)
    return Effort(ENDLESS, ENDLESS, ALL, ENDLESS)


def _measure_inner(parts: Any, length: int) -> Effort:
    # It has one way; that it counts as two says that a repeat of it does not go over the text once only.
    work = measure(parts, ANYTHING, length).work + 1
    return Effort(work, 2, ALL, work)


def _measure_branch(branches: list[Effort]) -> Effort:
    first, overlap = 0, False
    for branch in branches:
        overlap = overlap or bool(first & branch.first)
        first |= branch.first
    ways = [branch.ways for branch in branches]
    fail = sum(branch.fail for branch in branches) + 1
    return Effort(sum(branch.work for branch in branches) + 1, sum(ways) if overlap else max(ways), first, fail)


def _measure_repeat(argument: Any, follower: Effort, length: int) -> Effort:
    least, most, parts = argument
    most = min(most, max(length, least))
    # What follows one is the next one, or what follows all of them.
    alone = measure(parts, ANYTHING, length)
    nearest = Effort(0, 1, alone.first | follower.first, 0)
    own = measure(parts, nearest, length)
    first = alone.first | (follower.first if least == 0 else 0)
    fail = alone.fail + (follower.fail if least == 0 else 0) + 1
    if most <= 1:
        return Effort(own.work + 1, own.ways + (least == 0), first, fail)
    settled = least == most or not alone.first & follower.first
    stops = 1 if settled else most - least + 1
    if len(parts) == 1 and maybe_superset(*parts[0]) is not None:
        return Effort(most * (follower.fail + 1), stops, first, fail)
    if own.ways == 1 and parts.getwidth()[0] > 0:
        # All of them together go over the text once.
        work = own.work + most * (measure(parts, nearest, 1).work + follower.fail + 1)
        return Effort(work, stops, first, fail)
    if parts.getwidth()[0] == 0 or most * log2(own.ways) > 60:
        return Effort(ENDLESS, ENDLESS, first, ENDLESS)
    ways = own.ways**most
    return Effort(most * (own.work + follower.fail + 1) * ways, ways * stops, first, fail)
