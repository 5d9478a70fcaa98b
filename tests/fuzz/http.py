"""Fuzz the functions of http/ with their rules: ``make fuzz-http SECONDS=60``.

The first byte of the input chooses the rule. Needs atheris.
"""

from __future__ import annotations

import atheris

with atheris.instrument_imports(include=["fastfile.http"]):
    from support import http_rules

from fuzz.fuzzing import fuzz

NAMES = list(http_rules.RULES)


def hold_rule(data: bytes) -> None:
    if data:
        http_rules.RULES[NAMES[data[0] % len(NAMES)]](data[1:])


if __name__ == "__main__":
    inputs = [bytes([number]) + data for number, name in enumerate(NAMES) for data in http_rules.corpus(name)]
    fuzz("http", inputs, hold_rule)
