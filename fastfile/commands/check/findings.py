"""The findings of ``fastfile check``, and the two reports of them: text and JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Literal

from fastfile.records import NamedTuple
from fastfile.terminal import BOLD, GREEN, RED, YELLOW, paint, printable

Severity = Literal["error", "warning"]
_COLOURS = {"error": RED, "warning": YELLOW}
_FEW = 5  # findings of one cause that are listed one by one; of more, only the first places
_PLACES = 3


class Wrong(NamedTuple):
    """A problem: ``message`` is a sentence about it.

    ``cause`` is the same for all problems with one cause, and empty if ``message`` already is.
    """

    severity: Severity
    code: str
    message: str
    cause: str = ""


class Finding(NamedTuple):
    """A ``Wrong`` and its place. ``file`` is relative to the folder; ``line`` is 0 for the whole file."""

    file: str
    line: int
    severity: Severity
    code: str
    message: str
    cause: str = ""


def make_report(findings: Sequence[Finding], files: int, colour: bool, verbose: bool = False) -> str:
    """Return sorted findings as text: grouped by file, with a line of totals.

    A cause with many places comes first and once, unless ``verbose`` asks for each place.
    """
    width = max((len(finding.code) for finding in findings), default=0)
    by_cause: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        by_cause.setdefault(_cause_of(finding), []).append(finding)
    many = {} if verbose else {cause: group for cause, group in by_cause.items() if len(group) > _FEW}
    parts = []
    if many:
        parts.append(paint(f"more than {_FEW} times", colour, BOLD) + " (--verbose lists each)\n")
        for (_, _, cause), group in sorted(many.items(), key=lambda item: -len(item[1])):
            parts.append(_make_line(len(group), group[0], cause, width, colour))
            parts.append(f"{'':20}{'':<{width}}{_make_places(group)}\n")
        parts.append("\n")
    rest = [finding for finding in findings if _cause_of(finding) not in many]
    for file, under in groupby(rest, key=lambda finding: finding.file):
        parts.append(paint(printable(file), colour, BOLD) + "\n")
        parts += [_make_line(finding.line or "-", finding, finding.message, width, colour) for finding in under]
        parts.append("\n")
    return "".join(parts) + _make_summary(findings, files, colour)


def make_json(findings: Iterable[Finding]) -> str:
    """Return the findings as an array, an object on each line."""
    objects = []
    for file, line, severity, code, message, _ in findings:
        members = {"file": file, "line": line or None, "severity": severity, "code": code, "message": message}
        objects.append(json.dumps(members))
    return "[\n" + ",\n".join(objects) + "\n]\n" if objects else "[]\n"


def show_path(path: bytes) -> str:
    """Return a path of any bytes as text."""
    return os.fsdecode(path)


def _cause_of(finding: Finding) -> tuple[str, str, str]:
    return finding.severity, finding.code, finding.cause or finding.message


def _make_line(number: object, finding: Finding, sentence: str, width: int, colour: bool) -> str:
    severity = paint(f"{finding.severity:<7}", colour, _COLOURS[finding.severity])
    return f"  {number:>5}  {severity}  {finding.code:<{width}}  {printable(sentence)}\n"


def _make_places(findings: Sequence[Finding]) -> str:
    """Return the first few places of many."""
    places = dict.fromkeys(f"{finding.file}:{finding.line}" if finding.line else finding.file for finding in findings)
    more = f", and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
    return printable(", ".join(list(places)[:_PLACES])) + more


def _make_summary(findings: Sequence[Finding], files: int, colour: bool) -> str:
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    text = f"{_count(errors, 'error')}, {_count(warnings, 'warning')} in {_count(files, 'file')}"
    return paint(text, colour, _COLOURS["error" if errors else "warning"] if findings else GREEN) + "\n"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
