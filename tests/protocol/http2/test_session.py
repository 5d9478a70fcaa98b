"""The session by itself: any input, however it is cut; what repeats is read once."""

from __future__ import annotations

import random

import pytest
from support.http2_rules import BLOCKS, session_rule
from support.http2peer import make_frame

from fastfile.errors import HTTPError
from fastfile.parser_limits import ParserLimits
from fastfile.protocol.http2.constants import PREFACE, StreamFailure
from fastfile.protocol.http2.control import BODY, CONTENT, PAUSE, REQUEST, RESET
from fastfile.protocol.http2.frames import FrameWriter, Scratch
from fastfile.protocol.http2.heads import HeadReader
from fastfile.protocol.http2.hpack import encode_field
from fastfile.protocol.http2.priority import parse_priority
from fastfile.protocol.http2.session import Session

SEEDS = (
    bytes((1, 5, 1, 0xC0, 1, 5, 3, 0xC1, 1, 5, 5, 0xC1)),
    bytes((1, 4, 1, 0xC2, 0, 1, 1, 2)) + b"ab" + bytes((1, 5, 3, 0xC0)),
    bytes((1, 4, 1, 0xC2, 1, 5, 1, 0xC4)),
    bytes((1, 1, 1, 0xC0, 9, 4, 1, 0)),
    bytes((4, 0, 0, 6)) + b"\0\4\0\0\0\1" + bytes((8, 0, 0, 4)) + b"\0\0\0\1" + bytes((6, 0, 0, 8)) + bytes(8),
    bytes((1, 4, 1, 0xC0, 3, 0, 1, 4)) + b"\0\0\0\x08" + bytes((0xF0, 0, 0, 7)) + b"\0\0\0\1u=1",
)


@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_a_session_does_the_same_however_its_input_is_cut(seed: bytes) -> None:
    session_rule(seed)


def test_no_input_breaks_a_session() -> None:
    source = random.Random(3)
    for _ in range(1500):
        data = bytearray(source.choice(SEEDS) + source.choice(SEEDS) + source.randbytes(source.randrange(30)))
        for _ in range(source.randrange(5)):
            data[source.randrange(len(data))] = source.choice((0, 1, 4, 5, 8, 9, 0xC0, source.randrange(256)))
        session_rule(bytes(data))


class Kept(list[bytes]):
    """A sink that passes nothing on."""

    feed = list.append


def start(*some: bytes) -> Session:
    """Return a session that has got these frames behind a preface."""
    session = Session(ParserLimits(), 4, 0.0, Scratch())
    feed(session, PREFACE + make_frame(4, 0, 0, b"") + b"".join(some))
    return session


def feed(session: Session, data: bytes) -> None:
    session.receive(bytearray(data), len(data), 0.0)


UPLOAD = make_frame(1, 4, 1, b"\x83\x86\x84\x01\x09localhost")


def test_a_client_that_sends_more_than_the_window_of_a_stream_is_reset() -> None:
    session = start(UPLOAD)
    assert session.next_event() == BODY
    stream, sink = session.stream, Kept()
    assert stream is not None
    stream.sink = sink
    piece = make_frame(0, 8, 1, b"\x09" + bytes(16383))  # padding counts
    for _ in range(3):
        feed(session, piece)
        assert session.next_event() == CONTENT
    session.widen(stream, 9000)
    feed(session, piece)
    assert session.next_event() == CONTENT
    feed(session, piece)
    assert session.next_event() == RESET
    assert sum(map(len, sink)) <= 65535 + 9000
    assert make_frame(3, 0, 1, (3).to_bytes(4, "big")) in b"".join(session.writer.gather())


def test_frames_without_a_response_have_short_turns() -> None:
    session = start(make_frame(6, 1, 0, bytes(8)) * 350, UPLOAD)
    events = []
    while (event := session.next_event()) == PAUSE:
        events.append(event)
    assert event == BODY
    assert len(events) == 350 // 18  # a PING of 8 bytes costs 1.125 tokens


def test_the_frames_of_writers_that_share_a_scratch_stay_apart_and_in_order() -> None:
    scratch = Scratch()
    one, other = FrameWriter(scratch), FrameWriter(scratch)
    content = bytes(range(256)) * 64
    expected: dict[FrameWriter, bytes] = {one: b"", other: b""}
    for number in range(1, 60):
        for writer, size in ((one, 700 * (number % 9)), (other, 100), (other, number * 80)):
            writer.put(1, 4, number, b"head", content[:size])
            writer.put_data(1, number, content[3 : 3 + size])
            expected[writer] += make_frame(1, 4, number, b"head" + content[:size])
            expected[writer] += make_frame(0, 1, number, content[3 : 3 + size])
            assert writer.size == len(expected[writer])
    for writer, wire in expected.items():
        assert b"".join(writer.gather()) == wire  # type: ignore[arg-type]  # bytes


@pytest.mark.parametrize("size", [4096, 16384, 32768], ids=["Go", "frames", "half of a window"])
def test_a_download_may_send_window_updates_as_clients_do(size: int) -> None:
    session = start(make_frame(1, 5, 1, BLOCKS[0]))
    assert session.next_event() == REQUEST
    session.open(True)
    for _ in range(5000):
        session.put_data(1, bytes(size), False)
        session.writer.gather()
        session.writer.drop_sent(session.writer.size)
        feed(session, b"".join(make_frame(8, 0, number, size.to_bytes(4, "big")) for number in (0, 1)))
        while session.next_event() == PAUSE:
            pass


def test_a_block_that_repeats_is_read_once_and_not_across_a_change_of_the_table() -> None:
    reader = HeadReader(ParserLimits())
    reader.read(BLOCKS[0])  # it adds an entry
    first = reader.read(BLOCKS[1])
    assert reader.read(BLOCKS[1]) is first
    reader.read(b"\x82\x86\x84\x41\x07another")
    assert reader.read(BLOCKS[1]).authority == b"another"
    assert reader.read(BLOCKS[2]) is not reader.read(BLOCKS[3])


def test_a_refusal_is_not_kept_for_the_next_head() -> None:
    reader = HeadReader(ParserLimits(head=400))
    reader.read(BLOCKS[2])
    reader.read(BLOCKS[2] + encode_field(b"x", b"y" * 300))
    assert isinstance(reader.refusal, HTTPError)
    assert reader.refusal.status == 431
    reader.read(BLOCKS[2])
    assert reader.refusal is None
    with pytest.raises(StreamFailure):
        reader.read(b"\x82")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", (3, False)),
        (b"u=0", (0, False)),
        (b"u=7, i", (7, True)),
        (b"i", (3, True)),
        (b"i=?1", (3, True)),
        (b"i=?0, u=1", (1, False)),
        (b"u=8", (3, False)),
        (b"u=-1", (3, False)),
        (b"u=1;x=2, i;y", (1, True)),
        (b"u=5,u=2", (2, False)),
        (b"x=1, U=1", (3, False)),
        (b",,,", (3, False)),
        (b"u=1" + b" " * 254, (3, False)),  # so long a value is ignored
    ],
)
def test_a_priority_is_read(value: bytes, expected: tuple[int, bool]) -> None:
    assert parse_priority(value) == expected
