"""Fuzz sessions of HTTP/2: ``make fuzz-http2 SECONDS=60``. Needs atheris, and h2 to compare with."""

from __future__ import annotations

import atheris

with atheris.instrument_imports(include=["fastfile.protocol.http2"]):
    from support import http2_rules

from fuzz.fuzzing import fuzz

SEEDS = [
    bytes((1, 5, 1, 0xC0)),
    bytes((1, 5, 1, 0xC0, 1, 5, 3, 0xC1)),
    bytes((1, 4, 1, 0xC2, 0, 1, 1, 2)) + b"ab",
    bytes((1, 0, 1, 0xC0, 9, 4, 1, 0)),
    bytes((4, 0, 0, 6)) + b"\0\4\0\0\0\1" + bytes((8, 0, 0, 4)) + b"\0\0\0\1" + bytes((6, 0, 0, 8)) + bytes(8),
    bytes((1, 4, 1, 0xC0, 3, 0, 1, 4)) + b"\0\0\0\x08" + bytes((0xF0, 0, 0, 7)) + b"\0\0\0\1u=1",
]

if __name__ == "__main__":
    fuzz("http2", SEEDS, http2_rules.session_rule)
