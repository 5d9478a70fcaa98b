"""Fuzz the functions of semantics/ with their rules: ``python tests/fuzz_semantics.py [-max_total_time=SECONDS]``.

The first byte of the input chooses the rule. Needs atheris.
"""

from __future__ import annotations

import atheris

with atheris.instrument_imports(include=["fastfile.semantics"]):
    import semantics_rules

from fuzzing import fuzz

NAMES = list(semantics_rules.RULES)


def hold_rule(data: bytes) -> None:
    if data:
        semantics_rules.RULES[NAMES[data[0] % len(NAMES)]](data[1:])


if __name__ == "__main__":
    inputs = [bytes([number]) + data for number, name in enumerate(NAMES) for data in semantics_rules.corpus(name)]
    fuzz("semantics", inputs, hold_rule)
