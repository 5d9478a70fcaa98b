"""Regular expressions as programs, run so that no place of one is tried at a place of the text for a second time.

What came of it the first time comes of it again, so the first way that leads to the end is the very one that ``re``
finds, and the steps are at most the length of the program times that of the text. Slower than ``re`` by far, and as
fast for every expression: it is for those that ``re`` could be busy with for ever (effort.py).
"""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]
from typing import Any

from fastfile.rules.patterns.byte_sets import make_table, maybe_set

LONGEST = 1000  # steps of a program that is not ours: repeats that are counted are written out
Saves = tuple[int, ...]  # where each group begins and ends; -1: it was not there
Step = tuple[str, Any, Any]


class TooMuchWork(Exception):
    """A text would take more steps than there are for it."""


class Program:
    """The program of a parsed expression, of no more than so many steps. Raises ValueError where it has none."""

    def __init__(self, parsed: Any, longest: int = LONGEST) -> None:
        self._longest = longest
        self._steps: list[Step] = []
        self._blank: Saves = (-1,) * (2 * parsed.state.groups)
        self._add(parsed, bool(parsed.state.flags & sre.SRE_FLAG_IGNORECASE))
        self._emit("end")

    def match(self, text: bytes, most: int) -> tuple[Saves | None, int]:
        """Match the whole text in ``most`` steps: where the groups are, None where it does not match, and the steps
        that are left. Raises TooMuchWork."""
        found, left = self._run(0, text, 0, self._blank, len(text), most)
        return (None if found is None else found[1]), left

    def _emit(self, kind: str, first: Any = None, second: Any = None) -> int:
        if len(self._steps) >= self._longest:
            raise ValueError("the expression is too long, counted repeats written out")
        self._steps.append((kind, first, second))
        return len(self._steps) - 1

    def _add(self, parts: Any, folds: bool) -> None:
        for opcode, argument in parts:
            self._add_part(opcode, argument, folds)

    def _add_part(self, opcode: Any, argument: Any, folds: bool) -> None:
        bytes_ = maybe_set(opcode, argument, folds)
        if bytes_ is not None:
            self._emit("byte", make_table(bytes_))
        elif opcode is sre.SUBPATTERN:
            self._add_group(argument, folds)
        elif opcode is sre.BRANCH:
            self._add_branch(argument[1], folds)
        elif opcode is sre.MAX_REPEAT or opcode is sre.MIN_REPEAT:
            self._add_repeat(argument, opcode is not sre.MIN_REPEAT, folds)
        elif opcode is sre.AT and argument in _PLACES:
            self._emit("at", argument)
        elif opcode is sre.ASSERT or opcode is sre.ASSERT_NOT:
            direction, parts = argument
            back = parts.getwidth()[0] if direction < 0 else 0
            self._add_inner("look" if opcode is sre.ASSERT else "look not", parts, back, folds)
        elif opcode is sre.ATOMIC_GROUP:
            self._add_inner("atomic", argument, 0, folds)
        elif opcode is sre.POSSESSIVE_REPEAT:
            start = self._emit("atomic")
            self._add_repeat(argument, True, folds)
            self._end_inner("atomic", start, 0)
        else:
            raise ValueError(f"not possible in an expression here: {opcode}".lower())

    def _add_group(self, argument: Any, folds: bool) -> None:
        number, added, removed, parts = argument
        folds = (folds or bool(added & sre.SRE_FLAG_IGNORECASE)) and not removed & sre.SRE_FLAG_IGNORECASE
        if number is None:
            self._add(parts, folds)
            return
        self._emit("save", 2 * number)
        self._add(parts, folds)
        self._emit("save", 2 * number + 1)

    def _add_branch(self, branches: list[Any], folds: bool) -> None:
        ends = []
        for parts in branches[:-1]:
            split = self._emit("split")
            self._add(parts, folds)
            ends.append(self._emit("jump"))
            self._steps[split] = ("split", split + 1, len(self._steps))
        self._add(branches[-1], folds)
        for end in ends:
            self._steps[end] = ("jump", len(self._steps), None)

    def _add_repeat(self, argument: Any, greedy: bool, folds: bool) -> None:
        least, most, parts = argument
        for _ in range(least):
            self._add(parts, folds)
        splits = []
        if most is sre.MAXREPEAT:
            splits.append(self._emit("split"))
            self._add(parts, folds)
            self._emit("jump", splits[0])
        else:
            for _ in range(most - least):
                splits.append(self._emit("split"))
                self._add(parts, folds)
        for split in splits:
            ways = (split + 1, len(self._steps))
            self._steps[split] = ("split", *(ways if greedy else ways[::-1]))

    def _add_inner(self, kind: str, parts: Any, back: int, folds: bool) -> None:
        start = self._emit(kind)
        self._add(parts, folds)
        self._end_inner(kind, start, back)

    def _end_inner(self, kind: str, start: int, back: int) -> None:
        self._emit("end")
        self._steps[start] = (kind, back, len(self._steps))

    def _run(
        self, pc: int, text: bytes, at: int, saves: Saves, goal: int | None, most: int
    ) -> tuple[tuple[int, Saves] | None, int]:
        """Run from a step to its end: where in the text that is, what was saved, and the steps that are left.

        ``goal`` is where the end has to be, None for anywhere.
        """
        steps, size = self._steps, len(text)
        tried: set[int] = set()
        waiting = [(pc, at, saves)]
        while waiting:
            pc, at, saves = waiting.pop()
            while (place := pc * (size + 1) + at) not in tried:
                tried.add(place)
                if len(tried) > most:
                    raise TooMuchWork
                kind, first, second = steps[pc]
                pc += 1
                if kind == "byte":
                    if at == size or not first[text[at]]:
                        break
                    at += 1
                elif kind == "split":
                    waiting.append((second, at, saves))
                    pc = first
                elif kind == "jump":
                    pc = first
                elif kind == "save":
                    saves = (*saves[:first], at, *saves[first + 1 :])
                elif kind == "at":
                    if not _is_at(first, text, at):
                        break
                elif kind == "end":
                    if goal is None or at == goal:
                        return (at, saves), most - len(tried)
                    break
                else:
                    found = None
                    if at >= first:
                        found, most = self._run(pc, text, at - first, saves, None, most)
                    if (found is None) == (kind != "look not"):
                        break
                    if found is not None:
                        at, saves = found[0] if kind == "atomic" else at, found[1]
                    pc = second
        return None, most - len(tried)


_EMPTY_HAS_NON_BOUNDARY = re.match(r"\B", "") is not None  # from Python 3.14 on
_PLACES = {
    *(sre.AT_BEGINNING, sre.AT_BEGINNING_STRING, sre.AT_END, sre.AT_END_STRING, sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY),
}


def _is_at(place: Any, text: bytes, at: int) -> bool:
    if place is sre.AT_BEGINNING or place is sre.AT_BEGINNING_STRING:
        return at == 0
    if place is sre.AT_END:  # "$", also before a line end that is the last byte
        return at == len(text) or (at == len(text) - 1 and text.endswith(b"\n"))
    if place is sre.AT_END_STRING:
        return at == len(text)
    if not text:
        return place is sre.AT_NON_BOUNDARY and _EMPTY_HAS_NON_BOUNDARY
    before, after = (_is_word(text[max(0, at - 1) : at]), _is_word(text[at : at + 1]))
    return (before != after) == (place is sre.AT_BOUNDARY)


def _is_word(byte: bytes) -> bool:
    return byte.isalnum() or byte == b"_"
