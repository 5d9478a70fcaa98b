"""A channel: the TLS of one connection between ciphertext and plaintext. Knows no HTTP, and a socket only to send.

MemoryChannel uses the standard library and runs everywhere. It is the specification of the compiled channel in
openssl.pyx.
"""

from __future__ import annotations

import contextlib
import os
from ssl import SSL_ERROR_SSL, MemoryBIO, SSLContext, SSLError, SSLWantReadError
from typing import Any

from fastfile.sendfile import WOULD_BLOCK, read_cached, send_parts, slice_of

RECORD = 16 * 1024  # the most plaintext in one record (RFC 8446 §5.1)
# Records without content that a client may send, such as those that change its keys: each costs OpenSSL 7 us for 27
# bytes, and clients that change keys do so after 128 GiB.
MOST_QUIET = 64
RECORD_HEAD = 5  # bytes
FULL = RECORD  # the same; compiled, a number of C, which other modules do not see


class TooQuiet(SSLError):
    """A client has sent too many records without content."""

    def __init__(self) -> None:
        super().__init__(SSL_ERROR_SSL, "too many records without content")


class Channel:
    """The interface. ``connection`` is the standard library's object; its ``context`` has the certificate in use.

    ``size`` and ``sent`` are the bytes of ciphertext since none was held, and how many of them have left; send() sets
    them. ``has_ended``: the client has sent close_notify.
    """

    __slots__ = ("connection", "has_ended", "sent", "size")

    connection: Any
    has_ended: bool
    size: int
    sent: int

    def feed(self, data: bytearray) -> None:
        """Take ciphertext that the next shake_hands() or decrypt() reads first."""
        raise NotImplementedError

    def take_back(self) -> bytes:
        """Return the ciphertext that was not read."""
        raise NotImplementedError

    def has_input(self) -> bool:
        """Tell whether there is ciphertext that was not read."""
        raise NotImplementedError

    def shake_hands(self, wire: bytearray, count: int) -> bool:
        """Continue the handshake with ``count`` bytes of ciphertext; False if it needs more."""
        raise NotImplementedError

    def has_tls_1_3(self) -> bool:
        """Tell whether the handshake, which is done, was one of TLS 1.3 or later."""
        raise NotImplementedError

    def protocol(self) -> bytes:
        """Return the protocol that ALPN has negotiated; b"" if there is none."""
        raise NotImplementedError

    def decrypt(self, wire: bytearray, count: int, buffer: bytearray) -> int:
        """Take ``count`` bytes of ciphertext and decrypt all whole records; 0 is the end, -1: there was none.

        Raises TooQuiet after more than MOST_QUIET records without content.
        """
        raise NotImplementedError

    def write(self, data: bytes, start: int, stop: int) -> None:
        """Take plaintext for send(). What fits in one record is one."""
        raise NotImplementedError

    def write_file(self, fd: int, offset: int, count: int, is_cached: bool) -> int:
        """As write() for a piece of a file; with ``is_cached`` what is in memory. Return how much that is."""
        raise NotImplementedError

    def send(self, fd: int) -> bool:
        """Send what was written, and OpenSSL's own messages; False if some ciphertext is held.

        Until a later call has sent it, nothing may be written or decrypted.
        """
        raise NotImplementedError

    def end(self) -> None:
        """Write close_notify behind what was written, for send()."""
        raise NotImplementedError


class MemoryChannel(Channel):
    """TLS by the standard library, over two ends in memory."""

    __slots__ = ("_body", "_engine", "_gathered", "_gathered_size", "_head", "_held", "_incoming", "_outgoing",
                 "_quiet", "_records")  # fmt: skip

    def __init__(self, context: SSLContext) -> None:
        self._incoming = MemoryBIO()
        self._outgoing = MemoryBIO()
        self.connection = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        # The object inside SSLObject: a call of it costs 0.1 us less, of some 12 for a response. Any: read() into a
        # buffer returns a number, and typeshed says bytes.
        self._engine: Any = getattr(self.connection, "_sslobj", self.connection)
        self.has_ended = False
        self.size = 0
        self.sent = 0
        self._gathered: list[bytes | memoryview] = []
        self._gathered_size = 0
        self._records: list[bytes] = []
        self._head = b""  # an incomplete head of a record
        self._body = 0  # bytes of the current record that are still to come
        self._quiet = 0  # records since the handshake, without those with content
        self._held: bytes | None = None  # ciphertext of which ``sent`` bytes have left

    def feed(self, data: bytearray) -> None:
        self._feed(data, len(data))

    def take_back(self) -> bytes:
        return self._incoming.read()

    def has_input(self) -> bool:
        return self._incoming.pending > 0

    def shake_hands(self, wire: bytearray, count: int) -> bool:
        self._feed(wire, count)
        try:
            self._engine.do_handshake()
        except SSLWantReadError:
            return False
        self._quiet = 0
        return True

    def has_tls_1_3(self) -> bool:
        return self._engine.version() == "TLSv1.3"  # type: ignore[no-any-return]

    def protocol(self) -> bytes:
        return (self._engine.selected_alpn_protocol() or "").encode()

    def decrypt(self, wire: bytearray, count: int, buffer: bytearray) -> int:
        self._feed(wire, count)
        count = 0
        try:
            while self._incoming.pending:
                more = self._engine.read(len(buffer) - count, memoryview(buffer)[count:] if count else buffer)
                if more == 0:
                    self.has_ended = True
                    return count
                count += more
                self._quiet -= 1
        except SSLWantReadError:
            pass
        self._quiet = max(self._quiet, 0)
        if self._quiet > MOST_QUIET:
            raise TooQuiet
        return count or -1

    def write(self, data: bytes, start: int, stop: int) -> None:
        if start == 0 and stop == len(data):
            self._gather(data, stop)
        else:
            self._gather(memoryview(data)[start:stop], stop - start)

    def write_file(self, fd: int, offset: int, count: int, is_cached: bool) -> int:
        content = read_cached(fd, offset, count) if is_cached else os.pread(fd, count, offset)
        if not content:
            return 0
        self._gather(content, len(content))
        return len(content)

    def send(self, fd: int) -> bool:
        if self._held is None:
            self._seal()
            if self._outgoing.pending:
                self._records.append(self._outgoing.read())
            self.size = self.sent = 0
            if not self._records:
                return True
            records, self._records = self._records, []
            gone = send_parts(fd, records, 0)
            total = 0
            for record in records:
                total += len(record)
            self.size = total
            self.sent = max(gone, 0)
            if self.sent == total:
                return True
            self._held = b"".join(records)
            return False
        gone = send_parts(fd, [self._held], self.sent)
        if gone == WOULD_BLOCK:
            return False
        self.sent += gone
        if self.sent < self.size:
            return False
        self._held = None
        return True

    def end(self) -> None:
        self._seal()
        with contextlib.suppress(SSLError):  # SSLWantReadError: the client has not sent its close_notify yet
            self._engine.shutdown()

    def _feed(self, wire: bytearray, count: int) -> None:
        if count:
            data = slice_of(wire, 0, count)
            self._incoming.write(data)
            self._count_records(data)

    def _count_records(self, data: bytes) -> None:
        """Count the records that begin in some ciphertext."""
        if self._head:
            data = self._head + data
        start = self._body
        size = len(data)
        while start + RECORD_HEAD <= size:
            start += RECORD_HEAD + (data[start + 3] << 8 | data[start + 4])
            self._quiet += 1
        self._head = data[start:]
        self._body = max(start - size, 0)

    def _gather(self, data: bytes | memoryview, size: int) -> None:
        """Keep small parts for one record, and encrypt what would not fit in it."""
        if self._gathered_size + size > FULL:
            if self._gathered_size and size > FULL:  # fill the record of the head
                fitting = FULL - self._gathered_size
                data = memoryview(data)
                self._gathered.append(data[:fitting])
                data = data[fitting:]
                size -= fitting
            self._seal()
        if size > FULL:
            self._encrypt(data)
        else:
            self._gathered.append(data)
            self._gathered_size += size

    def _seal(self) -> None:
        """Encrypt what was gathered as one record."""
        if self._gathered_size:
            self._encrypt(self._gathered[0] if len(self._gathered) == 1 else b"".join(self._gathered))
        self._gathered.clear()
        self._gathered_size = 0

    def _encrypt(self, data: bytes | memoryview) -> None:
        """Make records of some bytes; one call of OpenSSL makes one.

        Each is taken out of OpenSSL's memory at once, which so stays small and in the processor's cache.
        """
        size = len(data)
        if size <= FULL:
            self._engine.write(data)
            self._records.append(self._outgoing.read())
            return
        view = memoryview(data)
        start = 0
        while start < size:
            self._engine.write(view[start : start + FULL])
            self._records.append(self._outgoing.read())
            start += FULL


class MemoryChannels:
    """Makes the channels of an event loop."""

    __slots__ = ()

    def open(self, context: SSLContext) -> Channel:
        return MemoryChannel(context)
