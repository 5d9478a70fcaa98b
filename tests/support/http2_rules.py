"""What an HTTP/2 session must keep for any input: the fuzzer tries to break it, and a test runs it on random input.

The input is cut into frames of any kind, sent after a preface. The session is fed whole and byte by byte, and must do
the same; where the library h2 accepts all of it, it must find the same requests.
"""

from __future__ import annotations

import contextlib

from fastfile.parser_limits import ParserLimits
from fastfile.protocol.http2.constants import PREFACE, ConnectionFailure
from fastfile.protocol.http2.control import END, MORE, PAUSE, REQUEST, RESET
from fastfile.protocol.http2.frames import Scratch
from fastfile.protocol.http2.session import Session

BLOCKS = (
    b"\x82\x86\x84\x41\x09localhost",  # GET / with an authority that is added to the table
    b"\x82\x86\x84\xbe",
    b"\x83\x86\x84\x01\x09localhost",
    b"\x82\x86\x44\x05/a?bc\x01\x09localhost",
    b"\x00\x01x\x01y",
)
Outcome = tuple[list[tuple[int, bytes, bytes]], int | None, bytes]


def make_wire(data: bytes) -> bytes:
    """Make frames of the input: kind, flags, stream, and a payload of the bytes behind or a block of ours."""
    wire = bytearray(PREFACE + bytes(3) + b"\4" + bytes(5))
    position = 0
    while position + 4 <= len(data):
        kind, flags, stream_id, size = data[position : position + 4]
        position += 4
        kind = kind % 11 if kind < 0xF0 else 16
        if size >= 0xC0:
            payload = BLOCKS[size % len(BLOCKS)]
        else:
            payload = data[position : position + size]
            position += size
        wire += len(payload).to_bytes(3, "big") + bytes((kind, flags)) + (stream_id % 16).to_bytes(4, "big") + payload
    return bytes(wire)


def run(wire: bytes, size: int) -> Outcome:
    """Return the requests that a session finds, the code that it fails with, and what it sends."""
    session = Session(ParserLimits(), 4, 0.0, Scratch())
    requests = []
    code = None
    for start in range(0, len(wire), size):
        piece = bytearray(wire[start : start + size])
        session.receive(piece, len(piece), 0.0)
        try:
            while (event := session.next_event()) != MORE:
                assert event in (RESET, PAUSE) or session.head is not None
                if event in (REQUEST, END):
                    assert session.head is not None
                    requests.append((session.stream_id, session.head.method, session.head.target))
                    if event == END:
                        assert session.stream is not None
                        session.close(session.stream)
        except ConnectionFailure as failure:
            code = failure.code
            session.end(failure.code, failure.detail)
        session.end_batch()
        assert len(session.streams) <= 4
    return requests, code, b"".join(session.writer.gather())  # type: ignore[arg-type]  # bytes


def session_rule(data: bytes) -> None:
    wire = make_wire(data)
    whole = run(wire, max(1, len(wire)))
    assert run(wire, 1) == whole
    requests, code, sent = whole
    check_frames(sent)
    if code is None:
        with contextlib.suppress(ImportError):
            expected = ask_h2(wire)
            assert expected is None or [request for request in requests if request in expected] == expected


def check_frames(sent: bytes) -> None:
    """Check that what is sent is whole frames of known kinds."""
    while sent:
        size = int.from_bytes(sent[:3], "big")
        assert len(sent) >= 9 + size
        assert sent[3] in (1, 3, 4, 6, 7, 8)
        sent = sent[9 + size :]


def ask_h2(wire: bytes) -> list[tuple[int, bytes, bytes]] | None:
    """Return the requests without a body that h2 finds; None where it refuses something."""
    import h2.config
    import h2.connection
    import h2.events
    import h2.exceptions

    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
    connection.initiate_connection()
    try:
        events = connection.receive_data(wire)
    except Exception:  # it refuses by many types, some of them its bugs
        return None
    if any(isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated) for event in events):
        return None
    found = []
    for event in events:
        if isinstance(event, h2.events.RequestReceived) and event.stream_ended is not None:
            fields = dict(event.headers)
            found.append((event.stream_id, fields[b":method"], fields[b":path"]))
    return found
