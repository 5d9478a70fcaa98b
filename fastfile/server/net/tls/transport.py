"""The transport of a connection over TLS: plaintext in and out, ciphertext on the socket (RFC 8446). Knows no HTTP.

OpenSSL reads from and writes to memory, so that many records leave in one call. Ciphertext that the socket does not
take is held: meanwhile nothing is read and nothing more is encrypted.
"""

from __future__ import annotations

import contextlib
import os
from ssl import MemoryBIO, SSLError, SSLWantReadError
from typing import Any

from fastfile.errors import HTTPError
from fastfile.http.authority import is_address, is_loopback_host, parse_host
from fastfile.message import FileSlice
from fastfile.sendfile import (
    WOULD_BLOCK,
    close,
    read_cached,
    recv_into,
    reset,
    send_parts,
    send_response,
    shutdown_read,
    shutdown_write,
    slice_of,
)
from fastfile.server.net.tls.contexts import Contexts
from fastfile.server.net.transport import INSECURE, SECURE, WOULD_BLOCK_READ, WOULD_BLOCK_WRITE, Transport

RECORD = 16 * 1024  # the most plaintext in one record (RFC 8446 §5.1)
# What one call encrypts and sends: 100 KiB took 115 us in pieces of one record and 89 us in pieces of four.
PIECE = 4 * RECORD
# A piece grows by up to a record, so that a head and a body of 64 KiB leave together.
LARGEST = PIECE + RECORD
# One read from the socket: with the 18 KiB of an incomplete record before it, its plaintext fits in 64 KiB.
WIRE_SIZE = 45 * 1024
FIRST_LETTER, LAST_LETTER = 65, 90  # of a method of HTTP; the first byte of a record is 20 to 23, or 128 for SSL 2


class TlsEndpoint:
    """State that the TLS connections of one worker share. ``wire`` holds ciphertext from the kernel for one call."""

    __slots__ = ("contexts", "wire")

    def __init__(self, contexts: Contexts) -> None:
        self.contexts = contexts
        self.wire = bytearray(WIRE_SIZE)

    def make_transport(self, fd: int, peer: bytes, has_preface: bool) -> Transport:
        """Return the transport of an accepted socket; ``has_preface``: what a proxy says comes before TLS."""
        return TlsTransport(fd, peer, self, has_preface)


class TlsTransport(Transport):
    """``alpn`` is None until the handshake is done, then the negotiated protocol; b"" if there is none."""

    __slots__ = (
        "_endpoint",
        "_engine",
        "_held",
        "_held_start",
        "_incoming",
        "_is_fresh",
        "_is_raw",
        "_left",
        "_object",
        "_outgoing",
        "_plain",
        "_reported",
    )

    def __init__(self, fd: int, peer: bytes, endpoint: TlsEndpoint, has_preface: bool) -> None:
        self.fd = fd
        self.peer = peer
        self.kind = SECURE
        self.alpn: bytes | None = None
        self.is_handshaking = True
        self._endpoint = endpoint
        self._incoming = MemoryBIO()
        self._outgoing = MemoryBIO()
        # Any: typeshed says that read() into a buffer returns bytes, and it is their number.
        self._object: Any = endpoint.contexts.default.wrap_bio(self._incoming, self._outgoing, server_side=True)
        # What SSLObject wraps: each of its calls costs 0.1 us less, of some 12 for a response.
        self._engine: Any = getattr(self._object, "_sslobj", self._object)
        self._is_fresh = True  # no input yet
        self._is_raw = has_preface  # the input is not encrypted yet
        self._held: bytes | None = None  # ciphertext that the socket did not take, from _held_start on
        self._held_start = 0
        self._plain = 0  # the bytes that it is the ciphertext of
        self._reported = 0  # sent plaintext bytes, by the share of the ciphertext
        self._left = 0  # sent bytes that were not reported to the caller yet

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the certificate that the client got."""
        return self._endpoint.contexts.of(self._object.context).names

    def covers(self, authority: bytes | None) -> bool:
        """As Transport has it. An address or a loopback name is no mistake: no client reuses a connection for it."""
        try:
            host = parse_host(authority or b"")[0]
        except HTTPError:  # the handler refuses it
            return True
        if is_address(host) or is_loopback_host(host):
            return True
        name = host.decode("ascii", "replace")
        return name in self.names or "*." + name.partition(".")[2] in self.names

    def end_preface(self, rest: bytearray) -> bool:
        self._is_raw = False
        if rest:
            self._note_first(rest[0])
            self._incoming.write(rest)
        return True

    def recv_into(self, buffer: bytearray) -> int:
        """As in Transport; ``buffer`` has 64 KiB. Reads all whole records: no event would come for others."""
        if self._is_raw or self.kind == INSECURE:
            return self._receive_raw(buffer)
        if self._held is not None and not self._flush():
            return WOULD_BLOCK_WRITE
        count = recv_into(self.fd, self._endpoint.wire)
        if count == 0:
            return 0
        if count > 0:
            if self._is_fresh:
                self._note_first(self._endpoint.wire[0])
                if self.kind == INSECURE:
                    buffer[:count] = memoryview(self._endpoint.wire)[:count]
                    return count
            self._incoming.write(slice_of(self._endpoint.wire, 0, count))
        elif self._incoming.pending == 0:
            return self._settle()
        try:
            if self.is_handshaking and not self._shake_hands():
                return self._settle()
            return self._decrypt(buffer)
        except SSLError:
            with contextlib.suppress(OSError):
                self._flush()  # the alert
            raise

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
        if (self._held is not None or self._left) and (left := self._resume()):
            return left
        content = os.pread(part.fd, min(count, PIECE), part.offset + skip)
        if not content:
            return 0
        records: list[bytes] = []
        self._encrypt(content, records)
        return self._dispatch(records, len(content))

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
        if self._incoming.pending:
            rest = self._incoming.read(len(buffer))
            buffer[: len(rest)] = rest
            return len(rest)
        return recv_into(self.fd, buffer)

    def _shake_hands(self) -> bool:
        """Continue the handshake; False if more input is needed."""
        try:
            self._object.do_handshake()
        except SSLWantReadError:
            return False
        self.is_handshaking = False
        self.alpn = (self._object.selected_alpn_protocol() or "").encode()
        return True

    def _decrypt(self, buffer: bytearray) -> int:
        """Read all whole records. Those that the handshake wrote leave with the response, if there is a request."""
        count = 0
        if self._incoming.pending:
            try:
                count = self._engine.read(len(buffer), buffer)
                if count == 0:
                    return 0
                while self._incoming.pending:
                    more = self._engine.read(len(buffer) - count, memoryview(buffer)[count:])
                    count += more
                    if more == 0:  # close_notify after a request; the next read finds the end, as after FIN
                        shutdown_read(self.fd)
                        break
            except SSLWantReadError:
                pass
        return count or self._settle()

    def _settle(self) -> int:
        """Send OpenSSL's own messages; return what to wait for."""
        return WOULD_BLOCK_READ if self._flush() else WOULD_BLOCK_WRITE

    def _send(self, parts: list[bytes | FileSlice], skip: int) -> int:
        """Encrypt and send the leading parts, up to a piece; those that fit in one record are gathered."""
        if (self._held is not None or self._left) and (left := self._resume()):
            return left
        records: list[bytes] = []
        gathered: list[bytes | memoryview] = []
        size = total = 0
        for part in parts:
            if total >= PIECE:
                break
            room = LARGEST - total
            content: bytes | memoryview
            is_last = isinstance(part, FileSlice)
            if isinstance(part, FileSlice):
                # The beginning of a file leaves with its head, but only if it is in memory.
                cached = read_cached(part.fd, part.offset, min(part.count, PIECE - total))
                if not cached:
                    break
                content = cached
            elif skip == 0 and len(part) <= room:
                content = part
            else:
                content = memoryview(part)[skip : skip + room]
                skip = 0
            count = len(content)
            total += count
            if size + count > RECORD:
                if size and count > RECORD:  # fill the record of the head
                    gathered.append(memoryview(content)[: RECORD - size])
                    content = memoryview(content)[RECORD - size :]
                    count = len(content)
                self._encrypt_all(gathered, records)
                size = 0
            if count > RECORD:
                self._encrypt(content, records)
            else:
                gathered.append(content)
                size += count
            if is_last:
                break
        self._encrypt_all(gathered, records)
        return self._dispatch(records, total)

    def _encrypt_all(self, gathered: list[bytes | memoryview], records: list[bytes]) -> None:
        """Encrypt small parts as one record, and forget them."""
        if gathered:
            self._encrypt(gathered[0] if len(gathered) == 1 else b"".join(gathered), records)
            gathered.clear()

    def _encrypt(self, data: bytes | memoryview, records: list[bytes]) -> None:
        """Append the records of some bytes; one call of OpenSSL makes one.

        Each is taken out of OpenSSL's memory at once, which so stays small and in the processor's cache.
        """
        size = len(data)
        if size <= RECORD:
            self._engine.write(data)
            records.append(self._outgoing.read())
            return
        view = memoryview(data)
        start = 0
        while start < size:
            self._engine.write(view[start : start + RECORD])
            records.append(self._outgoing.read())
            start += RECORD

    def _dispatch(self, records: list[bytes], plain: int) -> int:
        """Send records; return how much of their plaintext has left."""
        sent = send_parts(self.fd, records, 0)
        size = 0
        for record in records:
            size += len(record)
        if sent == size:
            return plain
        self._held = b"".join(records)
        self._held_start = max(sent, 0)
        self._plain = plain
        self._reported = 0
        self._note_progress()
        return self._take_left()

    def _resume(self) -> int:
        """Send held data. Return the sent bytes, WOULD_BLOCK_WRITE, or 0 if nothing is held any more."""
        if self._held is not None:
            self._flush()
        return self._take_left()

    def _note_progress(self) -> None:
        assert self._held is not None
        share = self._plain * self._held_start // len(self._held)
        self._left += share - self._reported
        self._reported = share

    def _take_left(self) -> int:
        """Return the sent but unreported bytes; else WOULD_BLOCK_WRITE if data is held, and 0 if not."""
        left, self._left = self._left, 0
        if left == 0 and self._held is not None:
            return WOULD_BLOCK_WRITE
        return left

    def _flush(self) -> bool:
        """Send data that is held or waits in memory; False if the socket does not take all of it."""
        if self._held is None:
            if self._outgoing.pending == 0:
                return True
            self._held = self._outgoing.read()
            self._held_start = self._plain = self._reported = 0
        sent = send_parts(self.fd, [self._held], self._held_start)
        if sent == WOULD_BLOCK:
            return False
        self._held_start += sent
        self._note_progress()
        if self._held_start < len(self._held):
            return False
        self._held = None
        return True

    def _notify_of_end(self) -> None:
        if self.is_handshaking or self.kind == INSECURE or self._held is not None:
            return
        with contextlib.suppress(OSError):
            with contextlib.suppress(SSLWantReadError):  # the client has not sent its close_notify yet
                self._object.unwrap()
            self._flush()


def _count(sent: int) -> int:
    return WOULD_BLOCK_WRITE if sent == WOULD_BLOCK else sent
