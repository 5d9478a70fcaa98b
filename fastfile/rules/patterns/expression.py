"""The regular expressions of a site's files, whoever wrote them: matched as ``re`` does, in a time that has a bound.

``re`` is asked where it cannot take long, which is nearly always; program.py where it could.
"""

from __future__ import annotations

import re
from re import _parser  # type: ignore[attr-defined]

from fastfile.errors import HTTPError
from fastfile.rules.patterns.effort import END, measure
from fastfile.rules.patterns.program import Program, TooMuchWork

_CHEAP = 300_000  # steps of ``re`` that one match may take: 1.5 ms if they were all taken
_LENGTHS = (64, 256, 1024, 4096, 8192)  # of texts, up to which that is looked at; no path and no field is longer
MOST_STEPS = 100_000  # of programs, for all the expressions of one look-up: some 40 ms
_FASTER = 128  # so many steps ``re`` takes while a program takes one
_OURS = 10_000  # steps of a program whose expression passed check_expression(), or is made of a short pattern

Groups = dict[str | int, bytes]


class Allowance:
    """The steps that are left for the expressions of one look-up."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps = MOST_STEPS

    def spend(self, steps: int) -> None:
        """Take steps off it. Raises HTTPError 500 where there are not so many."""
        self.steps -= steps
        if self.steps < 0:
            raise HTTPError(500, "The rules of this site take too long on this request.")


class Expression:
    """An expression that compiles, see check_expression()."""

    __slots__ = ("_costs", "_match", "_names", "_program", "_source")

    def __init__(self, source: bytes) -> None:
        compiled = re.compile(source, re.DOTALL)
        parsed = _parser.parse(source, re.DOTALL)
        self._source = source
        self._match = compiled.fullmatch
        self._names = tuple(compiled.groupindex.items())
        works = [(length, measure(parsed, END, length).work) for length in _LENGTHS]
        self._costs = tuple([(length, int(work) // _FASTER) for length, work in works if work <= _CHEAP])
        self._program: Program | None = None  # until a text is longer

    def match(self, text: bytes, allowance: Allowance) -> Groups | None:
        """Match the whole of a text: what its groups caught by number and name, b"" where one was not there.

        Raises HTTPError 500 where it takes more steps than are left.
        """
        for length, cost in self._costs:
            if len(text) <= length:
                allowance.spend(cost)
                match = self._match(text)
                return None if match is None else self._name([value or b"" for value in match.groups()])
        if self._program is None:
            self._program = Program(_parser.parse(self._source, re.DOTALL), _OURS)
        try:
            saves, left = self._program.match(text, allowance.steps)
        except TooMuchWork:
            left = -1
        allowance.spend(allowance.steps - left)
        if saves is None:
            return None
        ends = zip(saves[2::2], saves[3::2], strict=True)
        return self._name([text[start:end] if end >= 0 else b"" for start, end in ends])

    def _name(self, values: list[bytes]) -> Groups:
        groups: Groups = dict(enumerate(values, 1))
        for name, number in self._names:
            groups[name] = values[number - 1]
        return groups


def check_expression(source: str, kind: str = "regular expression") -> re.Pattern[bytes]:
    """Compile an expression of a file's, which was written as a ``kind``.

    Raises ValueError, with the reason as a sentence, where it is not for us.
    """
    try:
        compiled = re.compile(source.encode(), re.DOTALL)
        Program(_parser.parse(source.encode(), re.DOTALL))
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a {kind} that is understood here: {error}") from None
    return compiled
