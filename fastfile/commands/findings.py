"""What ``fastfile check`` has found, and how it says it: to people, and as JSON to programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from fastfile.kinds import printable

Severity = Literal["error", "warning"]
Wrong = tuple[Severity, str, str]  # the severity, the code and the sentence of a finding
_COLOURS = {"error": "\x1b[31m", "warning": "\x1b[33m"}
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


class Finding(NamedTuple):
    """``file`` is relative to the folder, ``line`` 0 where the whole file is meant; ``message`` is one sentence."""

    file: str
    line: int
    severity: Severity
    code: str
    message: str


def make_report(findings: Sequence[Finding], files: int, colour: bool) -> str:
    """Return the findings, which are sorted, under their files, and a line that counts them."""
    width = max((len(finding.code) for finding in findings), default=0)
    parts = []
    for file, group in groupby(findings, key=lambda finding: finding.file):
        parts.append(_paint(printable(file), _BOLD, colour) + "\n")
        for _, line, severity, code, message in group:
            shown = _paint(f"{severity:<7}", _COLOURS[severity], colour)
            parts.append(f"  {line or '-':>5}  {shown}  {code:<{width}}  {printable(message)}\n")
        parts.append("\n")
    return "".join(parts) + _make_summary(findings, files, colour)


def make_json(findings: Iterable[Finding]) -> str:
    """Return the findings as an array, an object on each line."""
    objects = [json.dumps(finding._asdict() | {"line": finding.line or None}) for finding in findings]
    return "[\n" + ",\n".join(objects) + "\n]\n" if objects else "[]\n"


def show_path(path: bytes) -> str:
    """Return a path of any bytes as text."""
    return os.fsdecode(path)


def _make_summary(findings: Sequence[Finding], files: int, colour: bool) -> str:
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    text = f"{_count(errors, 'error')}, {_count(warnings, 'warning')} in {_count(files, 'file')}"
    return _paint(text, _COLOURS["error" if errors else "warning"] if findings else "\x1b[32m", colour) + "\n"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _paint(text: str, colour: str, wanted: bool) -> str:
    return f"{colour}{text}{_PLAIN}" if wanted else text
