"""The byte stream to an upstream, over TCP, a Unix socket or TLS. Every call returns at once."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl

from fastfile.config.proxy_values import Upstream
from fastfile.protocol.upstream import UpstreamError

READ_SIZE = 64 * 1024
_FLAGS = getattr(socket, "MSG_NOSIGNAL", 0)


class Stream:
    """Owns a connected, non-blocking socket until close()."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.fd = connected.fileno()
        self.wants_write = False  # it has to write before it can go on, whatever the caller wants

    def receive(self) -> bytes | None:
        """Return what has arrived, up to READ_SIZE; None if nothing has, b"" at the end. Raises OSError."""
        try:
            return self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return None

    def send(self, data: memoryview) -> int:
        """Send as much as fits, and return how much. Raises OSError."""
        try:
            return self._socket.send(data, _FLAGS)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        self._socket.close()


class SecureStream(Stream):
    """TLS above the socket: the handshake begins with the first call."""

    def __init__(self, connected: socket.socket, context: ssl.SSLContext, host: str) -> None:
        super().__init__(connected)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._pending = memoryview(b"")  # ciphertext that the socket did not take

    def receive(self) -> bytes | None:
        while True:
            try:
                data = self._tls.read(READ_SIZE)
            except ssl.SSLWantReadError:
                if not self._flush() or not self._fill():
                    return None
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                raise _describe(error) from None
            else:
                self._flush()
                return data

    def send(self, data: memoryview) -> int:
        if not self._flush():
            return 0
        while True:
            try:
                sent = self._tls.write(data[:READ_SIZE])
            except ssl.SSLWantReadError:
                if not self._flush() or not self._fill():
                    return 0
            except ssl.SSLError as error:
                raise _describe(error) from None
            else:
                self._flush()
                return sent

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._tls.unwrap()
        with contextlib.suppress(OSError):
            self._flush()
        super().close()

    def _fill(self) -> bool:
        """Take ciphertext from the socket; False if there is none."""
        try:
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return False
        if data:
            self._incoming.write(data)
        else:
            # Without close_notify it may be a cut: SSLEOFError follows (RFC 8446 §6.1).
            self._incoming.write_eof()
        return True

    def _flush(self) -> bool:
        """Send ciphertext; False if the socket does not take all."""
        while True:
            if not self._pending:
                self._pending = memoryview(self._outgoing.read())
            if not self._pending:
                self.wants_write = False
                return True
            sent = super().send(self._pending)
            self._pending = self._pending[sent:]
            if sent == 0:
                self.wants_write = True
                return False


def _describe(error: ssl.SSLError) -> OSError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return UpstreamError(f"has a certificate that cannot be verified ({error.verify_message})")
    if isinstance(error, ssl.SSLEOFError):
        return UpstreamError("closed the connection without the end of TLS")
    return UpstreamError(f"failed at TLS ({error.reason or error})")


def make_context() -> ssl.SSLContext:
    """Return the context for https upstreams: certificates must be valid for their names.

    All authorities are read now: a sandboxed worker cannot open files later, when OpenSSL would search its folder.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and paths.capath is not None:
        for name in sorted(os.listdir(paths.capath)):
            with contextlib.suppress(OSError):  # a folder, or a file without certificates
                context.load_verify_locations(os.path.join(paths.capath, name))
    # Its first use imports the codec for names, which a sandboxed worker cannot.
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    return context


def make_stream(connected: socket.socket, upstream: Upstream, context: ssl.SSLContext | None) -> Stream:
    """Return the stream over a connected socket."""
    if not upstream.is_secure:
        return Stream(connected)
    assert context is not None
    return SecureStream(connected, context, upstream.host)
