"""The transport of a connection over TLS: plaintext in and out, ciphertext on the socket (RFC 8446). Knows no HTTP.

OpenSSL reads from and writes to memory, so that many records leave in one call. Ciphertext that the socket does not
take is held: meanwhile nothing is read and nothing more is encrypted.
"""

from __future__ import annotations

import contextlib
import os
from ssl import SSLError

from fastfile.errors import HTTPError
from fastfile.http.authority import is_address, is_loopback_host, parse_host
from fastfile.message import FileSlice
from fastfile.sendfile import (
    WOULD_BLOCK,
    close,
    recv_into,
    reset,
    send_parts,
    send_response,
    shutdown_read,
    shutdown_write,
)
from fastfile.server.net.tls.channel import RECORD, Channel
from fastfile.server.net.tls.channels import Channels, make_channels
from fastfile.server.net.tls.contexts import Contexts
from fastfile.server.net.transport import INSECURE, SECURE, WOULD_BLOCK_READ, WOULD_BLOCK_WRITE, Transport

# What one call encrypts and sends: 100 KiB took 115 us in pieces of one record and 89 us in pieces of four.
PIECE = 4 * RECORD
# A piece grows by up to a record, so that a head and a body of 64 KiB leave together.
LARGEST = PIECE + RECORD
# One read from the socket: with the 18 KiB of an incomplete record before it, its plaintext fits in 64 KiB.
WIRE_SIZE = 45 * 1024
FIRST_LETTER, LAST_LETTER = 65, 90  # of a method of HTTP; the first byte of a record is 20 to 23, or 128 for SSL 2


class TlsEndpoint:
    """State that the TLS connections of one worker share. ``wire`` holds ciphertext from the kernel for one call."""

    __slots__ = ("channels", "contexts", "wire")

    def __init__(self, contexts: Contexts, channels: Channels | None = None) -> None:
        self.contexts = contexts
        self.channels = channels or make_channels()
        self.wire = bytearray(WIRE_SIZE)

    def make_transport(self, fd: int, peer: bytes, has_preface: bool) -> Transport:
        """Return the transport of an accepted socket; ``has_preface``: what a proxy says comes before TLS."""
        # Without __init__: compiled, its call costs more than all that it does.
        transport = TlsTransport.__new__(TlsTransport)
        transport._set_up(fd, peer, self, has_preface)
        return transport


class TlsTransport(Transport):
    """``alpn`` is None until the handshake is done, then the negotiated protocol; b"" if there is none."""

    __slots__ = (
        "_channel",
        "_endpoint",
        "_has_ended",
        "_is_fresh",
        "_is_holding",
        "_is_raw",
        "_last",
        "_left",
        "_plain",
        "_reported",
    )

    def __init__(self, fd: int, peer: bytes, endpoint: TlsEndpoint, has_preface: bool) -> None:
        self._set_up(fd, peer, endpoint, has_preface)

    def _set_up(self, fd: int, peer: bytes, endpoint: TlsEndpoint, has_preface: bool) -> None:
        self.fd = fd
        self.peer = peer
        self.kind = SECURE
        self.alpn: bytes | None = None
        self.is_handshaking = True
        self._endpoint = endpoint
        self._channel: Channel = endpoint.channels.open(endpoint.contexts.default)
        self._is_fresh = True  # no input yet
        self._is_raw = has_preface  # the input is not encrypted yet
        self._is_holding = False  # the channel has ciphertext that the socket did not take
        self._plain = 0  # the bytes that it is the ciphertext of
        self._reported = 0  # sent plaintext bytes, by the share of the ciphertext
        self._left = 0  # sent bytes that were not reported to the caller yet
        self._last = 0  # plaintext bytes that close_notify leaves with; 0: it is not known where the output ends
        self._has_ended = False  # close_notify is written

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the certificate that the client got."""
        return self._endpoint.contexts.of(self._channel.connection.context).names

    def covers(self, authority: bytes | None) -> bool:
        """As Transport has it. An address or a loopback name is no mistake: no client reuses a connection for it."""
        try:
            host = parse_host(authority or b"")[0]
        except HTTPError:  # the handler refuses it
            return True
        if is_address(host) or is_loopback_host(host):
            return True
        name = host.removesuffix(b".").decode("ascii", "replace")  # the root's dot is in no certificate
        return not self.names or name in self.names or "*." + name.partition(".")[2] in self.names

    def end_preface(self, rest: bytearray) -> bool:
        self._is_raw = False
        if rest:
            self._note_first(rest[0])
            self._channel.feed(rest)
        return True

    def recv_into(self, buffer: bytearray) -> int:
        """As in Transport; ``buffer`` has 64 KiB. Reads all whole records: no event would come for others."""
        if self._is_raw or self.kind == INSECURE:
            return self._receive_raw(buffer)
        if self._is_holding and not self._flush():
            return WOULD_BLOCK_WRITE
        wire = self._endpoint.wire
        count = recv_into(self.fd, wire)
        if count == 0:
            return 0
        if count > 0:
            if self._is_fresh:
                self._note_first(wire[0])
                if self.kind == INSECURE:
                    buffer[:count] = memoryview(wire)[:count]
                    return count
        elif self._channel.has_input():
            count = 0
        else:
            return self._settle()
        try:
            if self.is_handshaking:
                if not self._shake_hands(count):
                    return self._settle()
                # The client may wait for the last message of TLS 1.2, and a response may take long. Of TLS 1.3, only
                # session tickets are left; when the request has arrived by now, they leave with its response.
                if not self._channel.has_tls_1_3() and not self._flush():
                    return WOULD_BLOCK_WRITE
                count = 0
                if not self._channel.has_input():
                    count = max(recv_into(self.fd, wire), 0)  # the end is found by the next call
            got = self._decrypt(count, buffer)
            # Without a request, session tickets leave now: their segment acknowledges the client's, and a client with
            # Nagle's algorithm sends its request after 40 ms otherwise (RFC 9293 §3.7.4).
            return got if got >= 0 else self._settle()
        except SSLError:
            with contextlib.suppress(OSError):
                self._flush()  # the alert
            raise

    def note_last(self, size: int) -> None:
        self._last = size

    def send_response(self, head: bytes, tail: bytes, parts: tuple[bytes | FileSlice, ...]) -> int:
        """As in Transport, together with the beginning of a following file if it is in memory."""
        if self.kind == INSECURE:
            return _count(send_response(self.fd, head, tail, parts))
        return self._send([head, tail, *parts], 0)

    def send_parts(self, parts: list[bytes | FileSlice], skip: int) -> int:
        """As send_response(). The next call begins with the bytes that a call did not count."""
        if self.kind == INSECURE:
            return _count(send_parts(self.fd, parts, skip))
        return self._send(parts, skip)

    def send_file(self, part: FileSlice, skip: int, count: int) -> int:
        """As in Transport. The send queue makes sure that the part is in memory."""
        if self.kind == INSECURE:
            content = os.pread(part.fd, min(count, PIECE), part.offset + skip)
            return _count(send_parts(self.fd, [content], 0)) if content else 0
        if (self._is_holding or self._left) and (left := self._resume()):
            return left
        got = self._channel.write_file(part.fd, part.offset + skip, min(count, PIECE), False)
        return self._dispatch(got) if got else 0

    def shutdown_write(self) -> None:
        """Send close_notify and the end of the stream."""
        self._notify_of_end()
        shutdown_write(self.fd)

    def close(self) -> None:
        """Close, after close_notify if that can leave at once."""
        try:
            self._notify_of_end()
        finally:
            close(self.fd)

    def reset(self) -> None:
        """Close without close_notify (RFC 8446 §6.1), and with RST."""
        reset(self.fd)

    def _note_first(self, first: int) -> None:
        """Recognise plain HTTP by the first byte of a client."""
        self._is_fresh = False
        if FIRST_LETTER <= first <= LAST_LETTER:
            self.kind = INSECURE
            self.is_handshaking = False
            self.alpn = b""

    def _receive_raw(self, buffer: bytearray) -> int:
        if self._channel.has_input():
            rest = self._channel.take_back()
            buffer[: len(rest)] = rest
            return len(rest)
        return recv_into(self.fd, buffer)

    def _shake_hands(self, count: int) -> bool:
        """Continue the handshake; False if more input is needed."""
        if not self._channel.shake_hands(self._endpoint.wire, count):
            return False
        self.is_handshaking = False
        self.alpn = self._channel.protocol()
        return True

    def _decrypt(self, count: int, buffer: bytearray) -> int:
        """Read all whole records; -1: there is none."""
        got = self._channel.decrypt(self._endpoint.wire, count, buffer)
        if got > 0 and self._channel.has_ended:
            shutdown_read(self.fd)  # after a request; the next read finds the end, as after FIN
        return got

    def _settle(self) -> int:
        """Send OpenSSL's own messages; return what to wait for."""
        return WOULD_BLOCK_READ if self._flush() else WOULD_BLOCK_WRITE

    def _send(self, parts: list[bytes | FileSlice], skip: int) -> int:
        """Encrypt and send the leading parts, up to a piece."""
        if (self._is_holding or self._left) and (left := self._resume()):
            return left
        total = 0
        for part in parts:
            if total >= PIECE:
                break
            if isinstance(part, FileSlice):
                # The beginning of a file leaves with its head, but only if it is in memory.
                total += self._channel.write_file(part.fd, part.offset, min(part.count, PIECE - total), True)
                break
            stop = min(len(part), skip + LARGEST - total)
            self._channel.write(part, skip, stop)
            total += stop - skip
            skip = 0
        return self._dispatch(total)

    def _dispatch(self, plain: int) -> int:
        """Send what was written to the channel; return how much of it has left."""
        if self._last:
            self._last = max(self._last - plain, 0)
            if self._last == 0:
                self._has_ended = True
                self._channel.end()
        if self._channel.send(self.fd):
            return plain
        self._is_holding = True
        self._plain = plain
        self._reported = 0
        self._note_progress()
        return self._take_left()

    def _resume(self) -> int:
        """Send held data. Return the sent bytes, WOULD_BLOCK_WRITE, or 0 if nothing is held any more."""
        if self._is_holding:
            self._flush()
        return self._take_left()

    def _note_progress(self) -> None:
        share = self._plain * self._channel.sent // self._channel.size
        self._left += share - self._reported
        self._reported = share

    def _take_left(self) -> int:
        """Return the sent but unreported bytes; else WOULD_BLOCK_WRITE if data is held, and 0 if not."""
        left, self._left = self._left, 0
        if left == 0 and self._is_holding:
            return WOULD_BLOCK_WRITE
        return left

    def _flush(self) -> bool:
        """Send data that is held or waits in memory; False if the socket does not take all of it."""
        is_sent = self._channel.send(self.fd)
        if self._is_holding:
            self._note_progress()
        elif not is_sent:
            self._plain = self._reported = 0
        self._is_holding = not is_sent
        return is_sent

    def _notify_of_end(self) -> None:
        if self.is_handshaking or self.kind == INSECURE or self._is_holding or self._has_ended:
            return
        with contextlib.suppress(OSError):
            self._has_ended = True
            self._channel.end()
            self._flush()


def _count(sent: int) -> int:
    return WOULD_BLOCK_WRITE if sent == WOULD_BLOCK else sent
