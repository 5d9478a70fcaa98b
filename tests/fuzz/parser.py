"""Fuzz the two parsers against each other: ``make fuzz-parser SECONDS=60``.

The first byte of the input chooses head or body and the limits, the second where the input is split. Needs atheris.
"""

from __future__ import annotations

import atheris

with atheris.instrument_imports():
    from fastfile import _parser_py

from fuzz.fuzzing import fuzz
from support.http_rules import corpus
from support.parser_inputs import CHUNKS, FIELDS, LIMITS, read_body, read_head

from fastfile import _parser
from fastfile.parser_limits import ParserLimits

SMALL = ParserLimits(request_line=24, field_line=16, head=64, fields=3, empty_lines=2, body=20, chunk_line=12)


def compare_twins(data: bytes) -> None:
    if len(data) < 2:
        return
    mode, cut, message = data[0], data[1], data[2:]
    read = read_body if mode & 1 else read_head
    limits = SMALL if mode & 2 else LIMITS
    ways = ((), [end for end in (cut,) if end <= len(message)], range(len(message)))
    outcomes = [read(kernel, message, way, limits) for kernel in (_parser, _parser_py) for way in ways]
    if any(outcome != outcomes[0] for outcome in outcomes):
        raise AssertionError(outcomes)


def seed(_: bytes, max_size: int, number: int) -> bytes:
    """Return the words of the grammar in some order, which libFuzzer alone takes long to find."""
    words = [b"GET / HTTP/1.1\r\n", b"Host: h\r\n", b"\r\n", *CHUNKS, *(line + b"\r\n" for line in FIELDS)]
    picked = [words[number // len(words) ** place % len(words)] for place in range(5)]
    return (bytes([number & 3, number >> 2 & 63]) + b"".join(picked))[:max_size]


def mutate(data: bytes, max_size: int, number: int) -> bytes:
    return seed(data, max_size, number) if number % 8 == 0 else atheris.Mutate(data, max_size)


if __name__ == "__main__":
    fuzz("parser", corpus("parser"), compare_twins, custom_mutator=mutate)
