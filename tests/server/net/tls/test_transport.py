"""The TLS transport by itself, over a socket pair: counts of what has left, ciphertext that is held, and the ends."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from support.certificates import Pair, make_pair
from support.inprocess import make_endpoint
from support.tlschannels import CHANNEL_KINDS, load_channels

from fastfile.message import FileSlice
from fastfile.server.net.tls.transport import TlsEndpoint, TlsTransport
from fastfile.server.net.transport import (
    INSECURE,
    SECURE,
    WOULD_BLOCK_READ,
    WOULD_BLOCK_WRITE,
)

BUFFER_SIZE = 64 * 1024
LARGE = os.urandom(3_000_000)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module", params=CHANNEL_KINDS)
def endpoint(request: pytest.FixtureRequest, pair: Pair) -> TlsEndpoint:
    return make_endpoint(pair, load_channels(request.param))


class Talk:
    """Both ends of a connection in one thread; the client's TLS is in memory, so that nothing waits."""

    def __init__(
        self, endpoint: TlsEndpoint, client: ssl.SSLContext, has_preface: bool = False, kind: int = socket.SOCK_STREAM
    ) -> None:
        ours, self.wire = socket.socketpair(type=kind)
        for end in (ours, self.wire):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        self.server = endpoint.make_transport(ours.detach(), b"\x7f\0\0\1", has_preface)
        self.is_closed = False
        self.buffer = bytearray(BUFFER_SIZE)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = client.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    def close(self) -> None:
        self.wire.close()
        if not self.is_closed:
            self.server.reset()

    def to_server(self, most: int = -1) -> int:
        """Pass on what the client has encrypted; return what the server says of it."""
        self.wire.send(self._outgoing.read(most))
        return self.server.recv_into(self.buffer)

    def to_client(self, most: int = 1 << 20) -> int:
        """Pass on what has arrived at the client; return how much that was."""
        try:
            data = self.wire.recv(most)
        except BlockingIOError:
            return 0
        if not data:
            self._incoming.write_eof()
        self._incoming.write(data)
        return len(data)

    def shake_hands(self) -> None:
        for _ in range(3):
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.to_server()
                self.to_client()
        self.to_server()
        self.to_client()

    def say(self, data: bytes) -> None:
        self.tls.write(data)

    def hear(self) -> bytes:
        """Return all plaintext that has arrived."""
        self.to_client()
        heard = b""
        try:
            while more := self.tls.read(1 << 20):
                heard += more
        except ssl.SSLWantReadError:
            pass
        return heard

    def has_ended(self) -> bool:
        """Tell whether close_notify has arrived behind what was heard."""
        try:
            return self.tls.read(1) == b""
        except ssl.SSLWantReadError:
            return False

    def read(self, count: int) -> bytes:
        return bytes(self.buffer[:count])


Begin = Callable[..., Talk]


@pytest.fixture
def begin(endpoint: TlsEndpoint, pair: Pair) -> Iterator[Begin]:
    """Connect, and let the client say nothing yet."""
    talks = []

    def begin(
        alpn: Sequence[str] = (),
        has_preface: bool = False,
        most: ssl.TLSVersion | None = None,
        kind: int = socket.SOCK_STREAM,
    ) -> Talk:
        context = pair.client(alpn)
        if most is not None:
            context.maximum_version = most
        talks.append(Talk(endpoint, context, has_preface, kind))
        return talks[-1]

    yield begin
    for talk in talks:
        talk.close()


@pytest.fixture
def talk(begin: Begin) -> Talk:
    talk = begin(["http/1.1"])
    talk.shake_hands()
    return talk


@pytest.fixture
def part(tmp_path: Path) -> Iterator[FileSlice]:
    (tmp_path / "file").write_bytes(b"0123456789")
    with (tmp_path / "file").open("rb") as file:
        yield FileSlice(file, file.fileno(), 2, 8)


def test_a_handshake_ends_with_the_protocol(begin: Begin) -> None:
    talk = begin(["http/1.1"])
    assert (talk.server.kind, talk.server.alpn, talk.server.is_handshaking) == (SECURE, None, True)
    talk.shake_hands()
    assert (talk.server.kind, talk.server.alpn, talk.server.is_handshaking) == (SECURE, b"http/1.1", False)
    assert talk.tls.selected_alpn_protocol() == "http/1.1"
    assert isinstance(talk.server, TlsTransport)
    assert talk.server.names == ("localhost", "127.0.0.1", "0:0:0:0:0:0:0:1")


def test_a_client_may_offer_no_protocol(begin: Begin) -> None:
    talk = begin()
    talk.shake_hands()
    assert talk.server.alpn == b""


def test_a_handshake_may_come_byte_by_byte(begin: Begin) -> None:
    talk = begin()
    with pytest.raises(ssl.SSLWantReadError):
        talk.tls.do_handshake()
    hello = talk._outgoing.read()
    for byte in hello:
        talk.wire.send(bytes([byte]))
        assert talk.server.recv_into(talk.buffer) == WOULD_BLOCK_READ
    talk.to_client()
    talk.shake_hands()
    assert not talk.server.is_handshaking


def test_a_request_behind_the_handshake_comes_with_it(begin: Begin) -> None:
    talk = begin()
    with pytest.raises(ssl.SSLWantReadError):
        talk.tls.do_handshake()
    talk.to_server()
    talk.to_client()
    talk.tls.do_handshake()
    talk.say(b"GET")
    assert talk.read(talk.to_server()) == b"GET"


def test_session_tickets_leave_at_once(begin: Begin) -> None:
    """Their segment acknowledges the client's: one with Nagle's algorithm would delay its request otherwise."""
    talk = begin(most=ssl.TLSVersion.TLSv1_3)
    with pytest.raises(ssl.SSLWantReadError):
        talk.tls.do_handshake()
    talk.to_server()
    talk.to_client()
    talk.tls.do_handshake()
    assert talk.to_server() == WOULD_BLOCK_READ
    assert not talk.server.is_handshaking
    assert talk.hear() == b""
    assert talk.tls.session is not None
    assert talk.tls.session.has_ticket


def test_a_request_that_arrives_during_the_handshake_is_read_and_tickets_leave_with_its_response(begin: Begin) -> None:
    talk = begin(most=ssl.TLSVersion.TLSv1_3, kind=socket.SOCK_DGRAM)  # each read gets what one write has sent
    with pytest.raises(ssl.SSLWantReadError):
        talk.tls.do_handshake()
    talk.to_server()
    talk.to_client()
    talk.tls.do_handshake()
    talk.wire.send(talk._outgoing.read())
    talk.say(b"GET")
    assert talk.read(talk.to_server()) == b"GET"
    assert talk.to_client() == 0
    assert talk.server.send_parts([b"hello"], 0) == 5
    assert talk.hear() == b"hello"
    assert talk.tls.session is not None
    assert talk.tls.session.has_ticket


def test_the_end_of_a_handshake_of_tls_1_2_leaves_at_once(begin: Begin) -> None:
    """The client waits for it."""
    talk = begin(most=ssl.TLSVersion.TLSv1_2)
    for _ in range(2):
        with pytest.raises(ssl.SSLWantReadError):
            talk.tls.do_handshake()
        assert talk.to_server() == WOULD_BLOCK_READ
        assert talk.to_client() > 0
    talk.tls.do_handshake()
    assert talk.tls.version() == "TLSv1.2"


@pytest.mark.parametrize("size", [1, 1000, 16384, 16385, 60_000])
def test_what_a_client_says_is_read_to_the_last_record(size: int, talk: Talk) -> None:
    """For what stays in memory no event would come."""
    data = os.urandom(size)
    for start in range(0, size, 1000):
        talk.say(data[start : start + 1000])
    heard = talk.read(talk.to_server())
    while (count := talk.server.recv_into(talk.buffer)) > 0:
        heard += talk.read(count)
    assert heard == data
    assert count == WOULD_BLOCK_READ


def test_a_record_may_come_byte_by_byte(talk: Talk) -> None:
    talk.say(b"hello")
    record = talk._outgoing.read()
    for byte in record[:-1]:
        talk.wire.send(bytes([byte]))
        assert talk.server.recv_into(talk.buffer) == WOULD_BLOCK_READ
    talk.wire.send(record[-1:])
    assert talk.read(talk.server.recv_into(talk.buffer)) == b"hello"


def test_a_response_leaves_whole(talk: Talk) -> None:
    assert talk.server.send_response(b"head", b"tail", (b"body",)) == 12
    assert talk.hear() == b"headtailbody"


def test_a_small_file_leaves_with_its_head(talk: Talk, part: FileSlice) -> None:
    assert talk.server.send_response(b"head", b"tail", (b"x", part, b"after")) == 17
    assert talk.hear() == b"headtailx23456789"


def test_a_file_is_sent_from_an_offset(talk: Talk, part: FileSlice) -> None:
    assert talk.server.send_file(part, 3, 4) == 4
    assert talk.hear() == b"5678"
    assert talk.server.send_file(part, 8, 4) == 0  # the end of the file


def test_bytes_that_are_held_are_counted_once_their_ciphertext_has_left(talk: Talk) -> None:
    """Each call offers what the ones before did not count, as the send queue does."""
    sent, heard, blocked = 0, b"", 0
    while sent < len(LARGE):
        count = talk.server.send_parts([LARGE[sent:]], 0)
        assert count != 0
        if count == WOULD_BLOCK_WRITE:
            blocked += 1
            assert talk.server.recv_into(talk.buffer) == WOULD_BLOCK_WRITE  # meanwhile nothing is read
            heard += talk.hear()
        else:
            sent += count
            assert len(heard) <= sent
    heard += talk.hear()
    assert heard == LARGE
    assert blocked > 3


def test_a_slow_client_makes_progress_within_what_is_held(talk: Talk) -> None:
    while (talk.server.send_parts([LARGE], 0)) != WOULD_BLOCK_WRITE:
        pass
    counts = []
    while sum(count > 0 for count in counts) < 3:
        talk.to_client(2000)
        counts.append(talk.server.send_parts([LARGE], 0))
    assert max(counts) < 64 * 1024


def test_the_skip_of_the_first_part_holds(talk: Talk) -> None:
    assert talk.server.send_parts([b"0123", b"4567"], 2) == 6
    assert talk.hear() == b"234567"


def test_a_large_part_is_sent_in_pieces(talk: Talk) -> None:
    first = talk.server.send_parts([LARGE[:200_000]], 0)
    assert 0 < first < 200_000


def test_the_end_of_the_stream_is_announced(talk: Talk) -> None:
    talk.server.shutdown_write()
    assert talk.hear() == b""  # an SSLZeroReturnError or b"" is the close_notify; a cut would raise SSLEOFError


def test_the_end_leaves_with_the_last_bytes(talk: Talk) -> None:
    talk.server.note_last(12)
    assert talk.server.send_response(b"head", b"tail", (b"body",)) == 12
    assert talk.hear() == b"headtailbody"
    assert talk.has_ended()
    talk.server.close()
    talk.is_closed = True
    assert talk.wire.recv(1) == b""  # it is announced once


def test_the_end_does_not_leave_before_the_last_bytes(talk: Talk, part: FileSlice) -> None:
    talk.server.note_last(21)
    assert talk.server.send_response(b"head", b"tail", (b"body",)) == 12
    assert talk.hear() == b"headtailbody"
    assert talk.server.send_file(part, 0, 8) == 8
    assert talk.hear() == b"23456789"
    assert not talk.has_ended()
    assert talk.server.send_parts([b"x"], 0) == 1
    assert talk.hear() == b"x"
    assert talk.has_ended()


def test_the_end_leaves_behind_bytes_that_were_held(talk: Talk) -> None:
    talk.server.note_last(len(LARGE))
    sent, heard = 0, b""
    while sent < len(LARGE):
        count = talk.server.send_parts([LARGE[sent:]], 0)
        if count == WOULD_BLOCK_WRITE:
            heard += talk.hear()
        else:
            sent += count
    assert not talk.has_ended()
    heard += talk.hear()
    assert heard == LARGE
    assert talk.has_ended()


def test_closing_announces_the_end(talk: Talk) -> None:
    talk.server.close()
    talk.is_closed = True
    assert talk.hear() == b""


def test_a_reset_announces_nothing(talk: Talk) -> None:
    talk.server.reset()
    talk.is_closed = True
    with pytest.raises((ConnectionResetError, ssl.SSLEOFError, ssl.SSLError)):
        assert talk.hear() is None


def test_a_client_that_says_goodbye_is_at_its_end(talk: Talk) -> None:
    with pytest.raises(ssl.SSLWantReadError):
        talk.tls.unwrap()
    assert talk.to_server() == 0


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\xff\xff" + bytes(100), b"\x80\x2e\x01\x00\x02" + bytes(50), b"\0" * 20, b"\x15\x03\x01\0\2\2\x28"],
)
def test_garbage_is_an_error_of_the_connection(garbage: bytes, begin: Begin) -> None:
    talk = begin()
    talk.wire.send(garbage)
    with pytest.raises(ssl.SSLError):
        talk.server.recv_into(talk.buffer)


def test_a_damaged_record_is_an_error_of_the_connection(talk: Talk) -> None:
    talk.say(b"hello")
    record = bytearray(talk._outgoing.read())
    record[-1] ^= 1
    talk.wire.send(record)
    with pytest.raises(ssl.SSLError):
        talk.server.recv_into(talk.buffer)


def test_plain_http_is_told_by_its_first_byte_and_answered_plainly(begin: Begin) -> None:
    talk = begin()
    talk.wire.send(b"GET / HTTP/1.1")
    assert talk.read(talk.server.recv_into(talk.buffer)) == b"GET / HTTP/1.1"
    assert talk.server.kind == INSECURE
    assert talk.server.send_response(b"head", b"tail", (b"body",)) == 12
    assert talk.wire.recv(100) == b"headtailbody"
    talk.server.close()
    talk.is_closed = True
    assert talk.wire.recv(100) == b""


def test_what_a_proxy_says_comes_before_tls(begin: Begin) -> None:
    talk = begin(has_preface=True)
    with pytest.raises(ssl.SSLWantReadError):
        talk.tls.do_handshake()
    hello = talk._outgoing.read()
    talk.wire.send(b"PROXY" + hello[:50])
    count = talk.server.recv_into(talk.buffer)
    assert talk.read(5) == b"PROXY"
    assert talk.server.end_preface(talk.buffer[5:count])
    talk.wire.send(hello[50:])
    assert talk.server.recv_into(talk.buffer) == WOULD_BLOCK_READ
    talk.to_client()
    talk.shake_hands()
    assert not talk.server.is_handshaking
