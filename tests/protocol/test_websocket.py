"""WebSocket frames: RFC 6455 §5, whole and in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfile.protocol.websocket import (
    CLOSE,
    MAX_MESSAGE,
    NO_TEXT,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    FrameReader,
    WebSocketError,
    make_close,
    make_frame,
)


def masked(first: int, payload: bytes, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """Return a frame as a client sends it, made in the most literal way."""
    size = len(payload)
    if size < 126:
        head = bytes([first, 0x80 | size])
    elif size < 65536:
        head = bytes([first, 0xFE]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, 0xFF]) + size.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


MESSAGES = [
    (masked(0x81, b"Hello"), [(TEXT, b"Hello")]),
    (masked(0x82, b"\xff"), [(TEXT, b"\xff")]),  # binary is bytes as well
    (masked(0x81, b""), [(TEXT, b"")]),
    (masked(0x89, b"p") + masked(0x8A, b""), [(PING, b"p"), (PONG, b"")]),
    (masked(0x88, b"\x03\xe8bye"), [(CLOSE, b"\x03\xe8bye")]),
    (masked(0x88, b"") + masked(0x88, b"\x0b\xb8"), [(CLOSE, b""), (CLOSE, b"\x0b\xb8")]),
    (masked(0x01, b"\xe2\x82") + masked(0x80, b"\xac"), [(TEXT, b"\xe2\x82\xac")]),  # §8.1: a character in two frames
    (masked(0x01, b"Hel") + masked(0x89, b"") + masked(0x80, b"lo"), [(PING, b""), (TEXT, b"Hello")]),  # §5.4
    (masked(0x81, b"x" * 126), [(TEXT, b"x" * 126)]),
    (masked(0x81, b"x" * 65536), [(TEXT, b"x" * 65536)]),
]


@pytest.mark.parametrize(("wire", "messages"), MESSAGES)
def test_messages_are_read_whole_and_in_pieces(wire: bytes, messages: list[tuple[int, bytes]]) -> None:
    assert FrameReader().feed(wire) == messages
    for step in (1, 7) if len(wire) < 1000 else (4096,):
        reader = FrameReader()
        found = [message for start in range(0, len(wire), step) for message in reader.feed(wire[start : start + step])]
        assert found == messages


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_any_payload_and_mask_are_read(payload: bytes, mask: bytes) -> None:
    assert FrameReader().feed(masked(0x82, payload, mask)) == [(TEXT, payload)]


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\x81\x05Hello", PROTOCOL_ERROR),  # §5.1: not masked
        (masked(0xC1, b"x"), PROTOCOL_ERROR),  # §5.2: a bit of an extension
        (masked(0x83, b"x"), PROTOCOL_ERROR),  # an opcode that does not exist
        (masked(0x80, b"x"), PROTOCOL_ERROR),  # §5.4: nothing to continue
        (masked(0x01, b"x") + masked(0x81, b"x"), PROTOCOL_ERROR),  # a message in another
        (masked(0x09, b"x"), PROTOCOL_ERROR),  # §5.5: a control frame in fragments
        (masked(0x89, b"x" * 126), PROTOCOL_ERROR),  # and a long one
        (masked(0x81, b"")[:1] + b"\xff" + (MAX_MESSAGE + 1).to_bytes(8, "big"), TOO_BIG),
        (b"\x81\xff" + b"\xff" * 8, TOO_BIG),
        (masked(0x01, b"x" * MAX_MESSAGE) + masked(0x80, b"x"), TOO_BIG),
        (masked(0x81, b"\xff"), NO_TEXT),  # §8.1
        (masked(0x01, b"\xe2\x82") + masked(0x80, b"x"), NO_TEXT),
        (masked(0x88, b"x"), PROTOCOL_ERROR),  # §5.5.1: half a code
        (masked(0x88, b"\x03\xe7"), PROTOCOL_ERROR),  # §7.4.2: 999
        (masked(0x88, b"\x03\xed"), PROTOCOL_ERROR),  # 1005, which is never sent
        (masked(0x88, b"\x03\xf8"), PROTOCOL_ERROR),  # 1016, which means nothing
        (masked(0x88, b"\x13\x88"), PROTOCOL_ERROR),  # 5000
        (masked(0x88, b"\x03\xe8\xff"), NO_TEXT),
    ],
)
def test_what_breaks_the_protocol_is_refused_with_its_code(wire: bytes, code: int) -> None:
    with pytest.raises(WebSocketError) as caught:
        FrameReader().feed(wire)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, "8100"), (125, "817d"), (126, "817e007e"), (65535, "817effff"), (65536, "817f0000000000010000")],
)
def test_frames_are_written_with_the_shortest_length(size: int, head: str) -> None:
    assert make_frame(TEXT, b"x" * size) == bytes.fromhex(head) + b"x" * size


def test_a_close_frame_has_its_code() -> None:
    assert make_close(1001) == b"\x88\x02\x03\xe9"
