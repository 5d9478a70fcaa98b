"""The transport of one connection: bytes in and out over a socket. Knows no HTTP.

Every call returns at once. Results are byte counts, or WOULD_BLOCK_READ and WOULD_BLOCK_WRITE, which tell what to wait
for; a TLS transport may have to write before it can read. Failures are OSErrors.
"""

from __future__ import annotations

import errno
import os

from fastfile.message import FileSlice
from fastfile.sendfile import (
    WOULD_BLOCK,
    close,
    copy_file,
    recv_into,
    reset,
    send_file,
    send_parts,
    send_response,
    shutdown_write,
)

WOULD_BLOCK_READ = -1
WOULD_BLOCK_WRITE = -2
# The kinds of transport.
PLAIN = 0
SECURE = 1  # TLS
INSECURE = 2  # plain HTTP on a port for TLS
# Errors of sendfile(2) if it cannot send from a file system (vboxsf, GPFS), or a system call filter refuses it.
REFUSALS = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


class Transport:
    """Owns ``fd`` until close() or reset(). ``peer`` is the client's address as accept() returned it.

    ``kind`` is PLAIN, SECURE or INSECURE. ``alpn`` is the protocol that TLS negotiated: None until the handshake is
    done, and b"" if there is none.
    """

    __slots__ = ("alpn", "fd", "is_handshaking", "kind", "peer")

    def __init__(self, fd: int, peer: bytes) -> None:
        self.fd = fd
        self.peer = peer
        self.kind = PLAIN
        self.alpn: bytes | None = b""
        self.is_handshaking = False

    def recv_into(self, buffer: bytearray) -> int:
        """Read available input into ``buffer`` from its start; 0 is the end of the stream."""
        raise NotImplementedError

    def end_preface(self, rest: bytearray) -> bool:
        """End the preface of a proxy, which ``rest`` follows; False if the rest is plain already."""
        return False

    def covers(self, authority: bytes | None) -> bool:
        """Tell whether the certificate of TLS is for a host, or there is none."""
        return True

    def note_last(self, size: int) -> None:
        """Note that the next ``size`` bytes are the last ones, so that TLS sends its own end with them."""

    def send_response(self, head: bytes, tail: bytes, parts: tuple[bytes | FileSlice, ...]) -> int:
        """Send a head, its end and the leading bytes objects among ``parts``; return the number of sent bytes."""
        raise NotImplementedError

    def send_parts(self, parts: list[bytes | FileSlice], skip: int) -> int:
        """Send the leading bytes objects among ``parts``, without the first ``skip`` bytes."""
        raise NotImplementedError

    def send_file(self, part: FileSlice, skip: int, count: int) -> int:
        """Send ``count`` bytes of a file slice after its first ``skip``; 0 is the end of the file."""
        raise NotImplementedError

    def shutdown_write(self) -> None:
        """Send the end of the stream."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def reset(self) -> None:
        """Close so that the client sees an error, and does not mistake a cut body for a whole one."""
        raise NotImplementedError


class Copying:
    """The file systems whose files are read and sent because sendfile(2) refuses them. Shared by connections."""

    __slots__ = ("_devices",)

    def __init__(self) -> None:
        self._devices: set[int] = set()

    def is_needed(self, fd: int) -> bool:
        """Tell whether the file system of an open file is known to need it."""
        return len(self._devices) != 0 and os.fstat(fd).st_dev in self._devices

    def add(self, fd: int) -> None:
        self._devices.add(os.fstat(fd).st_dev)


class PlainTransport(Transport):
    """The socket itself."""

    __slots__ = ("_copying",)

    def __init__(self, fd: int, peer: bytes, copying: Copying) -> None:
        self._set_up(fd, peer, copying)

    def _set_up(self, fd: int, peer: bytes, copying: Copying) -> None:
        self.fd = fd
        self.peer = peer
        self.kind = PLAIN
        self.alpn = b""
        self.is_handshaking = False
        self._copying = copying

    def recv_into(self, buffer: bytearray) -> int:
        return recv_into(self.fd, buffer)  # the kernel's WOULD_BLOCK is WOULD_BLOCK_READ

    def send_response(self, head: bytes, tail: bytes, parts: tuple[bytes | FileSlice, ...]) -> int:
        sent = send_response(self.fd, head, tail, parts)
        return WOULD_BLOCK_WRITE if sent == WOULD_BLOCK else sent

    def send_parts(self, parts: list[bytes | FileSlice], skip: int) -> int:
        sent = send_parts(self.fd, parts, skip)
        return WOULD_BLOCK_WRITE if sent == WOULD_BLOCK else sent

    def send_file(self, part: FileSlice, skip: int, count: int) -> int:
        if self._copying.is_needed(part.fd):
            sent = copy_file(self.fd, part.fd, part.offset + skip, count)
        else:
            try:
                sent = send_file(self.fd, part.fd, part.offset + skip, count)
            except OSError as error:
                if error.errno not in REFUSALS:
                    raise
                self._copying.add(part.fd)
                sent = copy_file(self.fd, part.fd, part.offset + skip, count)
        return WOULD_BLOCK_WRITE if sent == WOULD_BLOCK else sent

    def shutdown_write(self) -> None:
        shutdown_write(self.fd)

    def close(self) -> None:
        close(self.fd)

    def reset(self) -> None:
        reset(self.fd)


def make_plain_transport(fd: int, peer: bytes, copying: Copying) -> PlainTransport:
    """Return the transport of an accepted socket."""
    # Without __init__: compiled, its call costs more than all that it does.
    transport = PlainTransport.__new__(PlainTransport)
    transport._set_up(fd, peer, copying)
    return transport
