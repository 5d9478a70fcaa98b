"""Fuzz the readers of all rule files, and the rules' results for requests: ``make fuzz-rules SECONDS=60``.

The first byte of the input chooses the reader. Needs atheris.
"""

from __future__ import annotations

import atheris

with atheris.instrument_imports(include=["fastfile.rules"]):
    from support import rule_inputs

from fuzz.fuzzing import fuzz


def hold_reader(data: bytes) -> None:
    if data:
        rule_inputs.hold(data[0], data[1:])


def seed(_: bytes, max_size: int, number: int) -> bytes:
    """Return words of one format in some order, which libFuzzer alone takes long to find."""
    reader = number % len(rule_inputs.READERS)
    words = rule_inputs.WORDS[rule_inputs.READERS[reader][0]]
    number //= len(rule_inputs.READERS)
    picked = [words[number // len(words) ** place % len(words)] for place in range(7)]
    return (bytes([reader]) + b"".join(picked))[:max_size]


def mutate(data: bytes, max_size: int, number: int) -> bytes:
    return seed(data, max_size, number) if number % 8 == 0 else atheris.Mutate(data, max_size)


if __name__ == "__main__":
    inputs = [
        bytes([number]) + b"".join(rule_inputs.WORDS[name]) for number, (name, _) in enumerate(rule_inputs.READERS)
    ]
    fuzz("rules", inputs, hold_reader, custom_mutator=mutate)
