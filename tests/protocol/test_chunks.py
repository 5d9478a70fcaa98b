"""The decoder of chunks that are passed on: it accepts what the request parser accepts, and keeps the content."""

from __future__ import annotations

import random

import pytest

from fastfile.errors import BadRequest
from fastfile.parser import BodyParser
from fastfile.parser_limits import ParserLimits
from fastfile.protocol.chunks import ChunkDecoder, ChunkError

LIMITS = ParserLimits(body=1 << 30)
BODIES = [
    (b"0\r\n\r\n", b""),
    (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
    (b'3;a;b=c;d="e"\r\nabc\r\n0;x\r\n\r\n', b"abc"),
    (b"1\r\na\r\n000A\r\n0123456789\r\n0\r\nA: b\r\nC:\r\n\r\n", b"a0123456789"),
]


def decode(wire: bytes, size: int) -> tuple[bytes, bytes | None]:
    """Return the content and what follows the body; None if it is not complete."""
    decoder = ChunkDecoder(LIMITS)
    content = b""
    for start in range(0, len(wire), size):
        content += decoder.decode(wire[start : start + size])
        if decoder.is_complete:
            return content, decoder.rest + wire[start + size :]
    return content, None


@pytest.mark.parametrize(("wire", "content"), BODIES)
def test_the_content_does_not_depend_on_how_the_input_is_split(wire: bytes, content: bytes) -> None:
    for size in range(1, len(wire) + 10):
        assert decode(wire + b"GET /", size) == (content, b"GET /")


def test_it_agrees_with_the_parser_on_mutated_bodies() -> None:
    chance = random.Random(1)  # any seed must do
    alphabet = b'\r\n0123aF;="\\ \t:x\0-+'
    verdicts = set()
    for _ in range(4000):
        wire = bytearray(chance.choice(BODIES)[0])
        for _ in range(chance.randrange(1, 3)):
            place = chance.randrange(len(wire) + 1)
            wire[place : place + chance.randrange(2)] = bytes((chance.choice(alphabet),))
        data = bytes(wire)
        parser = BodyParser(LIMITS, 0, True)
        try:
            end: int | None = parser.feed(data, 0, len(data))
        except BadRequest:
            end = -1
        else:
            end = end if parser.complete else None
        for size in (1, 3, len(data)):
            try:
                rest = decode(data, size)[1]
            except ChunkError:
                assert end == -1, (data, size)
            else:
                if rest is not None:
                    assert end == len(data) - len(rest), (data, size)
                else:  # a trailer section is refused only at its end
                    assert end is None or end == -1, (data, size)
        verdicts.add(end if end is None or end < 0 else 0)
    assert verdicts == {None, -1, 0}


@pytest.mark.parametrize(
    "wire",
    [
        b"1" + b";x" * 200 + b"\r\n",
        b"0\r\nA: " + b"b" * 40_000,
        b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n",
        b"1;extension=long\r\na\r\n" * 10_000,
        b"0000000000000001\r\na\r\n" * 10_000,
        b"f" * 16 + b"\r\n",
    ],
)
def test_framing_is_bounded(wire: bytes) -> None:
    with pytest.raises(ChunkError):
        decode(wire, 1000)


def test_a_stream_of_small_events_may_go_on_forever() -> None:
    decoder = ChunkDecoder()
    for _ in range(50):
        assert decoder.decode(b"1\r\n\n\r\n3\r\n:x\n\r\n" * 500) == b"\n:x\n" * 500
    assert not decoder.is_complete
