"""The channels of TLS by themselves: the compiled one does what the standard library's does, and nothing worse."""

from __future__ import annotations

import _socket
import _ssl
import contextlib
import gc
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from support.certificates import Pair, make_pair
from support.tlschannels import CHANNEL_KINDS, load_channels
from support.tlsrecords import APPLICATION_DATA, Records

from fastfile.server.net.tls.channel import MOST_QUIET, RECORD, Channel, TooQuiet
from fastfile.server.net.tls.channels import Channels
from fastfile.server.net.tls.contexts import Policy, make_context

WIRE_SIZE = 45 * 1024
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
# The parts of a response, by their sizes.
PARTS = [
    (1,),
    (300, 1024),
    (300, RECORD - 300),
    (300, RECORD - 299),
    (300, RECORD),
    (300, RECORD + 1),
    (RECORD, RECORD, 5),
    (9, RECORD - 9, 9, RECORD - 9, 9, 100),
    (100, 65536),
    (5 * RECORD,),
    (0, 7, 0),
]
TEXT = os.urandom(200_000)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def context(pair: Pair) -> ssl.SSLContext:
    context = make_context(Policy())
    context.load_cert_chain(pair.certificate_path, pair.key_path)
    return context


@pytest.fixture(scope="module", params=CHANNEL_KINDS)
def channels(request: pytest.FixtureRequest) -> Channels:
    return load_channels(request.param)


class Talk:
    """A channel, and a client in memory at the other end of a socket pair."""

    def __init__(self, channels: Channels, context: ssl.SSLContext, client: ssl.SSLContext) -> None:
        self.channel: Channel = channels.open(context)
        self.ours, self.theirs = socket.socketpair()
        for end in (self.ours, self.theirs):
            end.setblocking(False)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 300_000)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self.buffer = bytearray(65536)

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()

    def send(self) -> bool:
        return self.channel.send(self.ours.fileno())

    def shake_hands(self) -> None:
        done = False
        while not done:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.client.do_handshake()
            done = self.channel.shake_hands(*self.wire())
            assert self.send()
            self.receive()
        self.hear()

    def wire(self) -> tuple[bytearray, int]:
        """Return what the client has encrypted, as it arrives."""
        data = self._outgoing.read(WIRE_SIZE)
        return bytearray(data.ljust(WIRE_SIZE, b"?")), len(data)

    def receive(self, most: int = 1 << 20) -> bytes:
        """Pass on ciphertext to the client, and return it."""
        try:
            data = self.theirs.recv(most)
        except BlockingIOError:
            return b""
        self._incoming.write(data)
        return data

    def hear(self) -> bytes:
        heard = b""
        try:
            while more := self.client.read(1 << 20):
                heard += more
        except ssl.SSLWantReadError:
            pass
        return heard

    def decrypt(self) -> int:
        return self.channel.decrypt(*self.wire(), self.buffer)


class Begin(NamedTuple):
    """Makes a talk whose handshake is done."""

    channels: Channels
    context: ssl.SSLContext
    pair: Pair
    talks: list[Talk]

    def __call__(
        self,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        channels: Channels | None = None,
        key_log: Path | None = None,
    ) -> Talk:
        client = self.pair.client()
        if key_log is not None:
            client.keylog_filename = os.fspath(key_log)
        client.minimum_version = client.maximum_version = version
        self.talks.append(Talk(channels or self.channels, self.context, client))
        self.talks[-1].shake_hands()
        return self.talks[-1]


@pytest.fixture
def begin(channels: Channels, context: ssl.SSLContext, pair: Pair) -> Iterator[Begin]:
    begin = Begin(channels, context, pair, [])
    yield begin
    for talk in begin.talks:
        talk.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "file").write_bytes(TEXT)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    yield fd
    os.close(fd)


def records(wire: bytes) -> list[int]:
    """Return the lengths of the records of some ciphertext."""
    lengths = []
    while wire:
        lengths.append(int.from_bytes(wire[3:5], "big"))
        wire = wire[5 + lengths[-1] :]
    return lengths


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("parts", PARTS, ids=str)
def test_parts_arrive_whole_in_as_many_records_as_by_the_standard_library(
    parts: tuple[int, ...], version: ssl.TLSVersion, begin: Begin
) -> None:
    made = []
    for channels in (begin.channels, load_channels("memory")):
        talk = begin(version, channels)
        start = 0
        for size in parts:
            talk.channel.write(TEXT, start, start + size)
            start += size
        assert talk.send()
        wire = talk.receive()
        assert talk.channel.size == talk.channel.sent == len(wire)
        made.append(records(wire))
        assert talk.hear() == TEXT[:start]
    assert made[0] == made[1]


@pytest.mark.parametrize("is_cached", [False, True])
@pytest.mark.parametrize(("offset", "count"), [(0, 10), (5, 65536), (199_995, 100), (200_000, 1)])
def test_a_piece_of_a_file_follows_its_head(offset: int, count: int, is_cached: bool, begin: Begin, file: int) -> None:
    talk = begin()
    talk.channel.write(b"head", 0, 4)
    piece = TEXT[offset : offset + count]
    assert talk.channel.write_file(file, offset, count, is_cached) == len(piece)
    assert talk.send()
    talk.receive()
    assert talk.hear() == b"head" + piece


def test_a_file_that_cannot_be_read_is_an_error(begin: Begin, tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError):
            begin().channel.write_file(fd, 0, 10, False)
    finally:
        os.close(fd)


@pytest.mark.parametrize("version", VERSIONS)
def test_input_of_any_size_is_decrypted(version: ssl.TLSVersion, begin: Begin) -> None:
    talk = begin(version)
    assert talk.decrypt() == -1
    for size in (1, 100, RECORD, RECORD + 1, 40_000):
        talk.client.write(TEXT[:size])
        heard = b""
        while (count := talk.decrypt()) > 0:
            heard += talk.buffer[:count]
        assert (count, heard) == (-1, TEXT[:size])
        assert not talk.channel.has_input()


def test_what_was_fed_is_decrypted_first(begin: Begin) -> None:
    talk = begin()
    talk.client.write(b"hello")
    wire, count = talk.wire()
    talk.channel.feed(wire[:3])
    talk.channel.feed(wire[3:9])
    assert talk.channel.has_input()
    rest = wire[9:count]
    assert talk.channel.decrypt(rest, len(rest), talk.buffer) == 5
    assert talk.buffer[:5] == b"hello"


def test_what_was_fed_can_be_taken_back(begin: Begin) -> None:
    talk = begin()
    talk.channel.feed(bytearray(b"GET "))
    talk.channel.feed(bytearray(b"/"))
    assert talk.channel.take_back() == b"GET /"
    assert not talk.channel.has_input()


@pytest.mark.parametrize("is_request", [False, True], ids=["of the client", "of both"])
def test_a_client_may_change_keys_but_not_all_the_time(is_request: bool, begin: Begin, tmp_path: Path) -> None:
    talk = begin(key_log=tmp_path / "keys")
    client = Records(tmp_path / "keys")

    def hear(data: bytes) -> int:
        return talk.channel.decrypt(bytearray(data), len(data), talk.buffer)

    for _ in range(MOST_QUIET // 8 - 1):
        changes = b"".join(client.change_keys(is_request) for _ in range(8))
        record = client.make(APPLICATION_DATA, b"hello")
        assert hear(changes + record[:3]) == -1
        assert hear(record[3:9]) == -1
        assert hear(record[9:]) == 5
        assert talk.buffer[:5] == b"hello"
    with pytest.raises(TooQuiet):
        hear(b"".join(client.change_keys() for _ in range(1000)))


def test_many_records_of_a_byte_are_decrypted(begin: Begin, tmp_path: Path) -> None:
    talk = begin(key_log=tmp_path / "keys")
    client = Records(tmp_path / "keys")
    data = b"".join(client.make(APPLICATION_DATA, b"x") for _ in range(20 * MOST_QUIET))
    assert talk.channel.decrypt(bytearray(data), len(data), talk.buffer) == 20 * MOST_QUIET


def test_the_end_of_a_client_is_told_from_having_nothing(begin: Begin) -> None:
    talk = begin()
    talk.client.write(b"bye")
    with pytest.raises(ssl.SSLWantReadError):
        talk.client.unwrap()
    assert talk.decrypt() == 3
    assert talk.channel.has_ended
    other = begin()
    with pytest.raises(ssl.SSLWantReadError):
        other.client.unwrap()
    assert other.decrypt() == 0
    assert other.channel.has_ended


def test_the_end_is_announced(begin: Begin) -> None:
    talk = begin()
    talk.channel.write(b"last", 0, 4)
    assert talk.send()
    talk.channel.end()
    assert talk.send()
    talk.receive()
    assert talk.client.read(10) == b"last"
    assert talk.client.read(10) == b""  # close_notify


def test_a_damaged_record_is_an_error_with_its_reason_and_an_alert(begin: Begin) -> None:
    talk = begin()
    talk.client.write(b"hello")
    wire, count = talk.wire()
    wire[count - 1] ^= 1
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        talk.channel.decrypt(wire, count, talk.buffer)
    assert talk.send()
    talk.receive()
    with pytest.raises(ssl.SSLError, match=r"(?i)alert.bad.record.mac"):
        talk.client.read(10)


def test_an_error_of_one_connection_is_not_that_of_the_next_one(begin: Begin) -> None:
    """OpenSSL keeps errors for each thread, and finds those that another call has left."""
    talk, other = begin(), begin()
    with pytest.raises(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata="nonsense")
    with pytest.raises(ssl.SSLError):
        talk.channel.decrypt(bytearray(100), 100, talk.buffer)
    other.client.write(b"hello")
    assert other.decrypt() == 5
    assert other.decrypt() == -1


def test_a_connection_that_fails_leaves_nothing_to_the_next_one(begin: Begin) -> None:
    """Ciphertext and plaintext of one connection wait in memory that all share; another one takes it over."""
    failing, next_one = begin(), begin()
    failing.channel.write(b"secret" + TEXT[: 2 * RECORD], 0, 2 * RECORD)
    failing.channel.write(b"secret", 0, 6)
    next_one.channel.write(b"hello", 0, 5)
    assert next_one.send()
    assert len(records(next_one.receive())) == 1
    assert next_one.hear() == b"hello"


def test_a_client_that_is_gone_is_an_error_and_its_ciphertext_is_dropped(begin: Begin) -> None:
    talk, other = begin(), begin()
    talk.theirs.close()
    talk.channel.write(TEXT, 0, 50_000)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        talk.send()
    other.channel.write(b"hello", 0, 5)
    assert other.send()
    other.receive()
    assert other.hear() == b"hello"


def test_held_ciphertext_leaves_bit_by_bit_and_once(begin: Begin) -> None:
    talk = begin()
    talk.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
    talk.channel.write(TEXT, 0, 80_000)
    is_sent, heard, counts = talk.send(), b"", [talk.channel.sent]
    assert not is_sent
    assert talk.channel.size > 80_000
    while not is_sent:
        talk.receive(1000)
        heard += talk.hear()
        is_sent = talk.send()
        counts.append(talk.channel.sent)
    while talk.receive():
        heard += talk.hear()
    assert heard == TEXT[:80_000]
    assert all(earlier <= later for earlier, later in pairwise(counts))
    assert counts[-1] == talk.channel.size
    assert talk.send()
    assert talk.receive() == b""


def test_the_tickets_of_a_handshake_leave_with_the_first_response(begin: Begin) -> None:
    talk = Talk(begin.channels, begin.context, begin.pair.client())
    begin.talks.append(talk)
    with pytest.raises(ssl.SSLWantReadError):
        talk.client.do_handshake()
    assert not talk.channel.shake_hands(*talk.wire())
    assert talk.send()
    talk.receive()
    talk.client.do_handshake()
    talk.client.write(b"GET")
    wire, count = talk.wire()
    assert talk.channel.shake_hands(wire, count)
    assert talk.channel.decrypt(wire, 0, talk.buffer) == 3
    other = begin()  # which uses the shared memory meanwhile
    other.channel.write(b"x", 0, 1)
    assert other.send()
    talk.channel.write(b"hello", 0, 5)
    assert talk.send()
    assert len(records(talk.receive())) == 2
    assert talk.hear() == b"hello"


def test_the_object_of_the_standard_library_may_outlive_its_channel(begin: Begin) -> None:
    talk = begin()
    kept = getattr(talk.channel.connection, "_sslobj", talk.channel.connection)
    talk.client.write(b"hello")
    talk.channel.feed(bytearray(talk._outgoing.read()))
    del talk.channel
    gc.collect()
    assert kept.version() == "TLSv1.3"
    for name, arguments in (("read", [10]), ("write", [b"lost"]), ("shutdown", [])):
        with contextlib.suppress(ssl.SSLError):
            getattr(kept, name)(*arguments)


@pytest.mark.parametrize("arguments", [(-1, 5), (2, 1), (0, 6)])
def test_bytes_that_are_not_there_are_not_encrypted(arguments: tuple[int, int]) -> None:
    channel = load_channels("openssl").open(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    with pytest.raises(ValueError, match="outside"):
        channel.write(b"hello", *arguments)


@pytest.mark.parametrize("count", [-1, 11])
def test_bytes_that_are_not_there_are_not_decrypted(count: int) -> None:
    channel = load_channels("openssl").open(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    for act in (
        lambda: channel.shake_hands(bytearray(10), count),
        lambda: channel.decrypt(bytearray(10), count, bytearray(9)),
    ):
        with pytest.raises(ValueError, match="outside"):
            act()


class Strange:
    """An object in which no pointer to a connection is."""

    def do_handshake(self) -> None:
        raise ssl.SSLWantReadError


@pytest.mark.parametrize(
    ("where", "name", "value", "reason"),
    [
        ("_ssl", "__file__", None, "part of the interpreter"),
        ("_ssl", "__file__", "/nonexistent", "was not found"),
        ("_socket", "__file__", "", "OpenSSL_version_num was not found"),
        ("ssl", "OPENSSL_VERSION", "LibreSSL 3.9", "Python uses LibreSSL 3.9"),
        ("ssl", "OPENSSL_VERSION_NUMBER", 0x10101000, "another OpenSSL"),
        ("context", "_wrap_bio", lambda *arguments: Strange(), "unknown layout"),
        ("sys", "implementation", None, "CPython"),
    ],
)
def test_the_compiled_channel_is_not_used_where_something_is_other_than_expected(
    where: str, name: str, value: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_channels("openssl")
    from fastfile.server.net.tls.openssl import why_unusable

    if where == "_socket":
        monkeypatch.setattr(_ssl, name, _socket.__file__)
    elif where == "sys":
        monkeypatch.setattr(sys, name, SimpleNamespace(name="pypy", cache_tag=sys.implementation.cache_tag))
    else:
        monkeypatch.setattr({"_ssl": _ssl, "ssl": ssl, "context": ssl.SSLContext}[where], name, value)
    assert reason in why_unusable()
    monkeypatch.undo()
    assert why_unusable() == ""
