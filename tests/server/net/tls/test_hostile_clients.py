"""Messages that no client of TLS may send: each ends the connection, and costs no more than that."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.certificates import Pair, make_pair
from support.tlschannels import CHANNEL_KINDS, load_channels
from support.tlsrecords import APPLICATION_DATA, HANDSHAKE, Records

from fastfile.server.net.tls.channel import Channel
from fastfile.server.net.tls.channels import Channels
from fastfile.server.net.tls.contexts import Policy, make_context
from fastfile.server.net.tls.groups import _limit_by_openssl

ALERT, CHANGE_CIPHER_SPEC, HEARTBEAT = 21, 20, 24
BUFFER_SIZE = 64 * 1024


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def context(pair: Pair) -> ssl.SSLContext:
    return make_server_context(pair)


def make_server_context(pair: Pair) -> ssl.SSLContext:
    context = make_context(Policy())
    context.load_cert_chain(pair.certificate_path, pair.key_path)
    return context


@pytest.fixture(scope="module", params=CHANNEL_KINDS)
def channels(request: pytest.FixtureRequest) -> Channels:
    return load_channels(request.param)


class Talk:
    """A channel, and a client in memory; whatever they send can be changed on its way."""

    def __init__(
        self, channel: Channel, client: ssl.SSLContext, session: ssl.SSLSession | None = None, name: str = "localhost"
    ) -> None:
        self.channel = channel
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self._incoming, self._outgoing, server_hostname=name, session=session)
        self._ours, self._theirs = socket.socketpair()

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()

    def speak(self) -> bytes:
        """Let the client continue its handshake; return what it sends."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.client.do_handshake()
        return self._outgoing.read()

    def hear(self, wire: bytes) -> bool:
        """Let the server continue its handshake with some ciphertext, and pass its own on to the client."""
        try:
            return self.channel.shake_hands(bytearray(wire), len(wire))
        finally:
            self.answer = self._take()
            self._incoming.write(self.answer)

    def read(self, wire: bytes) -> int:
        """Let the server decrypt after its handshake."""
        try:
            return self.channel.decrypt(bytearray(wire), len(wire), bytearray(BUFFER_SIZE))
        finally:
            self.answer = self._take()

    def go_on(self, wire: bytes) -> None:
        """Send something instead of what the client says, and go on with the handshake."""
        if not self.hear(wire):
            self.shake_hands()

    def shake_hands(self) -> None:
        while not self.hear(self.speak()):
            pass

    def _take(self) -> bytes:
        assert self.channel.send(self._ours.fileno())
        self._theirs.setblocking(False)
        try:
            return self._theirs.recv(1 << 20)
        except BlockingIOError:
            return b""


Begin = Callable[..., Talk]


@pytest.fixture
def begin(channels: Channels, context: ssl.SSLContext, pair: Pair) -> Iterator[Begin]:
    talks = []

    def begin(client: ssl.SSLContext | None = None, server: ssl.SSLContext | None = None, **arguments: Any) -> Talk:
        talks.append(Talk(channels.open(server or context), client or pair.client(), **arguments))
        return talks[-1]

    yield begin
    for talk in talks:
        talk.close()
    after = Talk(channels.open(context), pair.client())  # the memory that connections share is not spoilt
    after.shake_hands()
    after.close()


def message(kind: int, content: bytes = b"") -> bytes:
    """Return a message of a handshake."""
    return bytes((kind,)) + len(content).to_bytes(3, "big") + content


def plain(kind: int, content: bytes) -> bytes:
    """Return a record without encryption."""
    return bytes((kind,)) + b"\x03\x03" + len(content).to_bytes(2, "big") + content


FIRST = {
    "a record beyond the limit": lambda hello: plain(HANDSHAKE, bytes(18_433)),
    "a hello beyond the limit": lambda hello: plain(HANDSHAKE, b"\1\xff\xff\xff"),
    "empty records": lambda hello: plain(HANDSHAKE, b"") * 1000,
    "changes of ciphers": lambda hello: plain(CHANGE_CIPHER_SPEC, b"\1") * 1000,
    "warnings": lambda hello: plain(ALERT, b"\1\x5a") * 1000,
    "a heartbeat": lambda hello: plain(HEARTBEAT, b"\1\x40\0"),
    "content": lambda hello: plain(APPLICATION_DATA, bytes(100)),
    "a hello of a server": lambda hello: hello[:5] + b"\2" + hello[6:],
    "an end": lambda hello: plain(HANDSHAKE, message(20, bytes(48))),
    "a certificate": lambda hello: plain(HANDSHAKE, message(11, bytes(100))),
    "a long session ID": lambda hello: hello[:43] + b"\xff" + hello[44:],
    "extensions beyond the end": lambda hello: hello.replace(
        b"\0\0\0\x0e\0\x0c\0\0\x09localhost", b"\0\0\xff\x0e\0\x0c\0\0\x09localhost"
    ),
    "a name beyond its extension": lambda hello: hello.replace(b"\0\x09localhost", b"\0\xfflocalhost"),
    "a name with NUL": lambda hello: hello.replace(b"localhost", b"local\0ost"),
    "no ciphers": lambda hello: hello[:76] + b"\0\0" + hello[78:],
    "two hellos": lambda hello: hello * 2,
}


@pytest.mark.parametrize("name", FIRST)
def test_a_client_that_begins_with_nonsense_is_refused(name: str, begin: Begin) -> None:
    talk = begin()
    hello = talk.speak()
    assert FIRST[name](hello) != hello
    with pytest.raises(ssl.SSLError):
        talk.hear(FIRST[name](hello))


SECOND = {
    "a certificate": (HANDSHAKE, message(11, b"\0\0\0\0")),
    "a proof of a certificate": (HANDSHAKE, message(15, b"\4\3\0\0")),
    "another end": (HANDSHAKE, message(20, bytes(48))),
    "an end without content": (HANDSHAKE, message(20)),
    "an end of 16 MiB": (HANDSHAKE, b"\x14\xff\xff\xff"),
    "new keys": (HANDSHAKE, message(24, b"\0")),
    "a ticket": (HANDSHAKE, message(4, bytes(50))),
    "the end of early data": (HANDSHAKE, message(5)),
    "content": (APPLICATION_DATA, b"GET / HTTP/1.1\r\n\r\n"),
    "no content": (HANDSHAKE, b""),
    "no kind": (0, bytes(10)),
    "a record beyond the limit": (HANDSHAKE, bytes(16_385)),
}


@pytest.mark.parametrize("name", SECOND)
def test_a_client_that_goes_on_with_nonsense_is_refused(name: str, begin: Begin, pair: Pair, tmp_path: Path) -> None:
    client = pair.client()
    client.keylog_filename = str(tmp_path / "keys")
    talk = begin(client)
    talk.hear(talk.speak())
    talk.speak()
    with pytest.raises(ssl.SSLError):
        talk.hear(Records(tmp_path / "keys", "CLIENT_HANDSHAKE_TRAFFIC_SECRET").make(*SECOND[name]))


SECOND_1_2 = {
    "a certificate": plain(HANDSHAKE, message(11, b"\0\0\0")),
    "a proof of a certificate": plain(HANDSHAKE, message(15, bytes(8))),
    "another hello": plain(HANDSHAKE, message(1, bytes(200))),
    "an end": plain(HANDSHAKE, message(20, bytes(12))),
    "new keys too early (CVE-2014-0224)": plain(CHANGE_CIPHER_SPEC, b"\1"),
    "a point that is on no curve": plain(HANDSHAKE, message(16, b"\x41\4" + bytes(64))),
    "a point beyond its message": plain(HANDSHAKE, message(16, b"\xff\4" + bytes(9))),
    "no point": plain(HANDSHAKE, message(16)),
    "content": plain(APPLICATION_DATA, b"GET / HTTP/1.1\r\n\r\n"),
}


@pytest.mark.parametrize("name", SECOND_1_2)
def test_a_client_of_tls_1_2_that_goes_on_with_nonsense_is_refused(name: str, begin: Begin, pair: Pair) -> None:
    client = pair.client()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    talk = begin(client)
    talk.hear(talk.speak())
    assert talk.answer
    with pytest.raises(ssl.SSLError):
        talk.hear(SECOND_1_2[name])


LATER = {
    "a hello": (HANDSHAKE, message(1, bytes(200))),
    "a certificate": (HANDSHAKE, message(11, b"\0\0\0\0")),
    "a request of a certificate": (HANDSHAKE, message(13, bytes(10))),
    "another end": (HANDSHAKE, message(20, bytes(48))),
    "a ticket": (HANDSHAKE, message(4, bytes(50))),
    "a request of a hello": (HANDSHAKE, message(0)),
    "an unknown message": (HANDSHAKE, message(99, bytes(9))),
    "new keys in an unknown way": (HANDSHAKE, message(24, b"\2")),
    "new keys of two bytes": (HANDSHAKE, message(24, b"\0\0")),
    "new keys of 16 MiB": (HANDSHAKE, b"\x18\xff\xff\xff\0"),
    "a change of ciphers": (CHANGE_CIPHER_SPEC, b"\1"),
    "a heartbeat": (HEARTBEAT, b"\1\x40\0"),
    "a warning of three bytes": (ALERT, b"\1\0\0"),
    "a failure": (ALERT, b"\2\x28"),
    "no kind": (0, bytes(10)),
    "a record beyond the limit": (APPLICATION_DATA, bytes(16_385)),
}


@pytest.mark.parametrize("name", LATER)
def test_a_message_that_no_client_may_send_ends_the_connection(
    name: str, begin: Begin, pair: Pair, tmp_path: Path
) -> None:
    client = pair.client()
    client.keylog_filename = str(tmp_path / "keys")
    talk = begin(client)
    talk.shake_hands()
    with pytest.raises(ssl.SSLError):
        talk.read(Records(tmp_path / "keys").make(*LATER[name]))


PLAIN = {
    "a hello": plain(HANDSHAKE, message(1, bytes(200))),
    "a warning": plain(ALERT, b"\1\0"),
    "a change of ciphers": plain(CHANGE_CIPHER_SPEC, b"\1"),
    "content": plain(APPLICATION_DATA, b"GET / HTTP/1.1\r\n\r\n"),
    "a record beyond the limit": plain(APPLICATION_DATA, bytes(16_641)),
    "no content": plain(APPLICATION_DATA, b""),
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_record_without_encryption_ends_the_connection(name: str, begin: Begin) -> None:
    talk = begin()
    talk.shake_hands()
    with pytest.raises(ssl.SSLError):
        talk.read(PLAIN[name])


RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446 §4.1.3
SHARE = b"\0\x17\0\x41\4"  # the beginning of a key share: P-256, 65 bytes, an uncompressed point


def begin_retry(begin: Begin, pair: Pair) -> tuple[Talk, bytes, bytes]:
    """Let a client offer a share of a curve that the server does not take; return its two hellos."""
    client = pair.client()
    if not _limit_by_openssl(client, "X448:P-256"):
        pytest.skip("the curves of a client cannot be chosen here")
    talk = begin(client)
    first = talk.speak()
    assert not talk.hear(first)
    assert RETRY in talk.answer
    return talk, first, talk.speak()


def test_a_client_without_an_accepted_share_is_told_the_curve(begin: Begin, pair: Pair) -> None:
    talk, _, second = begin_retry(begin, pair)
    assert not talk.hear(second)
    assert talk.hear(talk.speak())


def alter_point(hello: bytes) -> bytes:
    place = hello.index(SHARE) + len(SHARE)
    return hello[:place] + bytes(64) + hello[place + 64 :]


SECOND_HELLOS = {
    "the first again": lambda first, second: first,
    "the second twice": lambda first, second: second * 2,
    "other ciphers": lambda first, second: second.replace(b"\x13\x02\x13\x03\x13\x01", b"\x13\x03\x13\x03\x13\x03"),
    "another session": lambda first, second: second.replace(first[44:76], bytes(32)),
    "a share of another curve": lambda first, second: second.replace(SHARE, b"\0\x18\0\x41\4"),
    "a point that is on no curve": lambda first, second: alter_point(second),
}


@pytest.mark.parametrize("name", SECOND_HELLOS)
def test_a_second_hello_that_is_another_is_refused(name: str, begin: Begin, pair: Pair) -> None:
    talk, first, second = begin_retry(begin, pair)
    altered = SECOND_HELLOS[name](first, second)
    assert altered != second
    with pytest.raises(ssl.SSLError):
        talk.go_on(altered)


def test_a_client_with_no_accepted_curve_is_refused(begin: Begin, pair: Pair) -> None:
    client = pair.client()
    if not _limit_by_openssl(client, "X448:P-521"):
        pytest.skip("the curves of a client cannot be chosen here")
    talk = begin(client)
    with pytest.raises(ssl.SSLError):
        talk.hear(talk.speak())


def test_a_client_that_has_a_certificate_is_not_asked_for_it(begin: Begin, pair: Pair) -> None:
    client = pair.client()
    client.load_cert_chain(pair.certificate_path, pair.key_path)
    client.post_handshake_auth = True
    talk = begin(client)
    talk.shake_hands()
    assert talk.channel.connection.getpeercert(True) is None


VERSIONS = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda each: each.name
)


def begin_session(begin: Begin, pair: Pair, version: ssl.TLSVersion) -> tuple[ssl.SSLContext, ssl.SSLSession]:
    client = pair.client()
    client.minimum_version = client.maximum_version = version
    talk = begin(client)
    talk.shake_hands()
    with contextlib.suppress(ssl.SSLWantReadError):
        talk.client.do_handshake()
        talk.client.read(1)
    session = talk.client.session
    assert session is not None
    assert session.has_ticket
    return client, session


@VERSIONS
def test_a_ticket_of_another_server_is_ignored(version: ssl.TLSVersion, begin: Begin, pair: Pair) -> None:
    client, session = begin_session(begin, pair, version)
    for server, is_resumed in ((None, True), (make_server_context(pair), False)):
        talk = begin(client, server, session=session)
        talk.shake_hands()
        talk.speak()
        assert talk.client.session_reused == is_resumed


@VERSIONS
def test_a_ticket_that_was_changed_is_ignored(version: ssl.TLSVersion, begin: Begin, pair: Pair) -> None:
    """The server then makes a whole handshake; the client notices that its hello was changed."""
    client, session = begin_session(begin, pair, version)
    talk = begin(client, session=session)
    hello = talk.speak()
    extension = b"\0\x29" if version == ssl.TLSVersion.TLSv1_3 else b"\0\x23"
    place = hello.index(extension, 76) + 100  # within the ticket
    assert not talk.hear(hello[:place] + bytes([hello[place] ^ 1]) + hello[place + 1 :])
    assert len(talk.answer) > len(pair.pem) // 2
    with pytest.raises(ssl.SSLError):
        talk.shake_hands()


def test_a_ticket_with_a_wrong_proof_is_refused(begin: Begin, pair: Pair) -> None:
    client, session = begin_session(begin, pair, ssl.TLSVersion.TLSv1_3)
    talk = begin(client, session=session)
    hello = talk.speak()
    with pytest.raises(ssl.SSLError):  # the binder is at the end (RFC 8446 §4.2.11)
        talk.hear(hello[:-1] + bytes([hello[-1] ^ 1]))


@pytest.mark.parametrize("name", ["other.test", "a" * 63 + ".test", "localhost."])
def test_a_client_that_asks_for_an_unknown_name_gets_the_default_certificate(
    name: str, begin: Begin, pair: Pair
) -> None:
    client = pair.client()
    client.check_hostname = False
    talk = begin(client, name=name)
    talk.shake_hands()
    assert talk.client.getpeercert(True) == ssl.PEM_cert_to_DER_cert(pair.pem.decode())
