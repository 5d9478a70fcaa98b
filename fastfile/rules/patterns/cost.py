"""The work of Python's ``re`` with an expression: an upper bound in steps, for texts of some lengths.

``re`` tries every way to match an expression against a text. Sequences are measured from their end: the steps to try a
part and everything after it once (``each``), and at every place of the text (``total``). A run of a set that excludes
the next byte can stop in only one place.
"""

from __future__ import annotations

from math import log2

from fastfile.records import NamedTuple
from fastfile.rules.patterns.syntax import ALL, Atomic, Choice, Edge, Group, Look, Node, Repeat, Sequence, Set

LENGTHS = (1, 256, 512, 1024, 2048, 4096, 8192)  # bytes of text; the first gives the cost of each byte
ENDLESS = 1e12  # steps; larger numbers are not distinguished

Steps = tuple[float, ...]  # one number for each of LENGTHS
_ZERO: Steps = (0.0,) * len(LENGTHS)
_ONE: Steps = (1.0,) * len(LENGTHS)
_PLACES: Steps = tuple(float(length + 1) for length in LENGTHS)


class Effort(NamedTuple):
    """A part with what follows it in its sequence. ``ways``: in how many the part itself can match; ``first``: the
    bytes that it can begin with; ``fail``: the steps until any other byte is refused; ``is_sure``: it always matches.
    """

    each: Steps
    total: Steps
    ways: Steps
    first: int
    fail: Steps
    is_sure: bool = False


END = Effort(_ZERO, _ZERO, _ONE, 0, _ZERO)  # nothing follows
_ANYTHING = END._replace(first=ALL)


def measure(tree: Node) -> Steps:
    """Return the most steps that an expression takes to match, or not to match, the whole of a text."""
    return _measure(tree, END, ALL, is_last=True).each


def flatten(node: Node) -> list[Node]:
    """Return the parts of a node in their order, groups opened."""
    if isinstance(node, Sequence):
        return [part for inner in node.parts for part in flatten(inner)]
    return flatten(node.part) if isinstance(node, Group) else [node]


def _add(*steps: Steps) -> Steps:
    return tuple([min(sum(values), ENDLESS) for values in zip(*steps, strict=True)])


def _multiply(left: Steps, right: Steps) -> Steps:
    return tuple([min(a * b, ENDLESS) for a, b in zip(left, right, strict=True)])


def _least(left: Steps, right: Steps) -> Steps:
    return tuple(map(min, left, right))


def _constant(value: float) -> Steps:
    return (value,) * len(LENGTHS)


def _measure(node: Node, follower: Effort, before: int, is_last: bool = False) -> Effort:
    """Return the effort of a part. Its sequence only tells where the part can stop.

    ``before``: the bytes that can precede it. ``is_last``: nothing follows.
    """
    parts = flatten(node)
    lasts = [before]
    for part in parts:
        lasts.append(_last(part, lasts[-1]))
    ways = _ONE
    after = Effort(_ZERO, _ZERO, _ONE, follower.first, follower.fail)
    number = len(parts)
    while number:
        end = number
        while number and isinstance(parts[number - 1], Set):
            number -= 1
        if number < end:
            after = _measure_sets(parts[number], end - number, after)
            continue
        number -= 1
        after = _measure_part(parts[number], lasts[number], after, is_last and number == len(parts) - 1)
        ways = _multiply(ways, after.ways)
    return after._replace(ways=ways)


def _measure_sets(part: Node, count: int, after: Effort) -> Effort:
    """Return the effort of a row of sets, of which ``part`` is the first."""
    assert isinstance(part, Set)
    each = _add(_constant(count), after.each)
    total = _add(_multiply(_constant(count), _PLACES), after.total)
    return Effort(each, total, _ONE, part.bits, _ONE)


def _measure_part(part: Node, before: int, after: Effort, is_last: bool) -> Effort:
    if isinstance(part, Edge):
        first = 0 if part.sign == "Z" else after.first
        return Effort(_add(_ONE, after.each), _add(_PLACES, after.total), _ONE, first, _add(_ONE, after.fail))
    if isinstance(part, Repeat):
        if isinstance(part.part, Set):
            return _measure_run(part, part.part, before, after, is_last)
        return _measure_repeat(part, before, after)
    if isinstance(part, Look):
        own = _add(_measure(part.part, _ANYTHING, before).each, _ONE)
        each, total = _add(own, after.each), _add(_multiply(_PLACES, own), after.total)
        return Effort(each, total, _ONE, _narrow(part, after.first), _add(own, after.fail))
    if isinstance(part, Atomic):
        inner = _measure(part.part, _ANYTHING, before)
        return _make(inner.each, _ONE, after, inner.first, inner.fail)
    assert isinstance(part, Choice)
    return _measure_choice(part, before, after)


def _make(own: Steps, ways: Steps, after: Effort, first: int, fail: Steps) -> Effort:
    if after.is_sure:  # the first match of the part is also the last one tried
        return Effort(_add(own, after.each), _add(_multiply(_PLACES, own), after.each), ways, first, fail)
    each = _add(own, _multiply(ways, after.each))
    return Effort(each, _multiply(_PLACES, each), ways, first, fail)


def _measure_choice(choice: Choice, before: int, after: Effort) -> Effort:
    efforts = [_measure(branch, after, before) for branch in choice.branches]
    first, overlap = 0, False
    for effort in efforts:
        overlap = overlap or bool(first & effort.first)
        first |= effort.first
    ways = _add(*[e.ways for e in efforts]) if overlap else tuple(map(max, *[e.ways for e in efforts]))
    own = _add(_ONE, *[effort.each for effort in efforts])
    return _make(own, ways, after, first, _add(_ONE, *[effort.fail for effort in efforts]))


def _most(repeat: Repeat) -> Steps:
    """Return how often a repeat can occur in texts of each length."""
    limits = [length if repeat.most is None else min(repeat.most, length) for length in LENGTHS]
    return tuple([float(max(limit, repeat.least)) for limit in limits])


def _measure_run(run: Repeat, set_: Set, before: int, after: Effort, is_last: bool) -> Effort:
    """Return the effort of a repeated set. Its matches end in different places, so the rest is tried once at each."""
    most = _most(run)
    first = set_.bits | (after.first if run.least == 0 else 0)
    fail = _add(_ONE, _ONE, after.fail if run.least == 0 else _ZERO)
    own = _add(_ONE, _multiply(most, _add(_ONE, after.fail)))
    ways = _ONE
    each = _add(own, after.each)
    if run.least != run.most and set_.bits & after.first:
        ways = tuple([count - run.least + 1 for count in most])
        each = _add(own, _least(after.total, _multiply(ways, after.each)))
    total = _multiply(_PLACES, each)
    is_sure = is_last and set_.bits == ALL and run.least == 0 and run.most is None
    if is_sure:
        total = each  # it takes the rest of the text, so it is tried once
    elif run.most is None and not before & set_.bits:
        # The byte before a run ends the run before it, so all runs together pass over the text once.
        total = _add(_multiply(_PLACES, _add(_constant(2), after.fail)), own, after.total)
    return Effort(each, total, ways, first, fail, is_sure)


def _measure_repeat(repeat: Repeat, before: int, after: Effort) -> Effort:
    first, fail = _start(repeat.part, after)
    most = _most(repeat)
    if repeat.most is not None and repeat.most <= 1:
        inner = _measure(repeat.part, after, before)
        ways = _add(inner.ways, _constant(1 - repeat.least))
        return _make(_add(_ONE, inner.each), ways, after, inner.first | after.first, _add(_ONE, fail, after.fail))
    nearest = Effort(_ZERO, _ZERO, _ONE, first | after.first, _add(_ONE, fail, after.fail))
    inner = _measure(repeat.part, nearest, before | _last(repeat.part, before))
    begins = first | (after.first if repeat.least == 0 else 0)
    if _can_be_empty(repeat.part):
        return _make(_constant(ENDLESS), _ONE, after, ALL, _constant(ENDLESS))
    if inner.ways == _ONE:
        # All runs together pass over the text once.
        own = _add(_ONE, inner.each, _multiply(most, _add(_constant(inner.each[0]), nearest.fail)))
        if repeat.least == repeat.most or not first & after.first:
            return _make(own, _ONE, after, begins, nearest.fail)
        ways = tuple([count - repeat.least + 1 for count in most])
        each = _add(own, _least(after.total, _multiply(ways, after.each)))
        return Effort(each, _multiply(_PLACES, each), ways, begins, nearest.fail)
    if any(count * log2(ways) > 40 for count, ways in zip(most, inner.ways, strict=True)):
        return _make(_constant(ENDLESS), _ONE, after, ALL, _constant(ENDLESS))
    ways = tuple([(count + 1) * ways**count for count, ways in zip(most, inner.ways, strict=True)])
    own = _multiply(ways, _add(inner.each, nearest.fail))
    return _make(own, ways, after, begins, nearest.fail)


def _last(node: Node, before: int) -> int:
    """Return the bytes that a part can end with; ``before`` are those that can precede it."""
    if isinstance(node, Set):
        return node.bits
    if isinstance(node, Edge | Look):
        return before
    if isinstance(node, Repeat):
        return _last(node.part, before) | (before if node.least == 0 else 0)
    if isinstance(node, Choice):
        bits = 0
        for branch in node.branches:
            bits |= _last(branch, before)
        return bits
    if isinstance(node, Atomic):
        return _last(node.part, before)
    for part in flatten(node):
        before = _last(part, before)
    return before


def _narrow(look: Look, first: int) -> int:
    return first & look.part.bits if isinstance(look.part, Set) and not look.negative else first


def _can_be_empty(node: Node) -> bool:
    if isinstance(node, Set):
        return False
    if isinstance(node, Repeat):
        return node.least == 0 or _can_be_empty(node.part)
    if isinstance(node, Choice):
        return any(map(_can_be_empty, node.branches))
    if isinstance(node, Sequence):
        return all(map(_can_be_empty, node.parts))
    return isinstance(node, Edge | Look) or _can_be_empty(node.part)


def _start(node: Node, after: Effort) -> tuple[int, Steps]:
    """Return the bytes that a part can begin with, and the steps until another is refused, without measuring it."""
    first, fail = after.first, after.fail
    for part in reversed(flatten(node)):
        if isinstance(part, Set):
            first, fail = part.bits, _ONE
        elif isinstance(part, Edge):
            fail = _add(_ONE, fail)
        elif isinstance(part, Look):
            first, fail = _narrow(part, first), _add(fail, _constant(_size(part.part)))
        elif isinstance(part, Choice):
            starts = [_start(branch, Effort(_ZERO, _ZERO, _ONE, first, fail)) for branch in part.branches]
            first, fail = 0, _ONE
            for begin, steps in starts:
                first, fail = first | begin, _add(fail, steps)
        else:
            assert not isinstance(part, Sequence)
            least = part.least if isinstance(part, Repeat) else 1
            inner = _start(part.part, Effort(_ZERO, _ZERO, _ONE, first, fail))
            first = inner[0] | (first if least == 0 else 0)
            fail = _add(_ONE, _ONE, inner[1], fail)
    return first, fail


def _size(node: Node) -> float:
    """Return the number of steps of a part without repeats; ENDLESS for others."""
    if isinstance(node, Set | Edge):
        return 1
    if isinstance(node, Repeat):
        return ENDLESS
    parts = node.parts if isinstance(node, Sequence) else node.branches if isinstance(node, Choice) else (node.part,)
    return min(1 + sum(map(_size, parts)), ENDLESS)
