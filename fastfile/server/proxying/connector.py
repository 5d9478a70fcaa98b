"""Connects to the upstreams of --proxy for a worker, which may not connect anywhere itself.

A helper process, forked before the worker's sandbox, resolves the names and connects. The worker sends the index of an
upstream, and gets a connected socket, or the reason why there is none: so whatever a bug lets a client do in a worker,
it reaches the servers that were named and no other. The helper reads nothing else, and ends with its worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fastfile.config.proxy_values import Upstream

if TYPE_CHECKING:
    from fastfile.server.proxying.upstreams import Upstreams

CONNECT_S = 5.0  # for each address of an upstream; a SYN is repeated after 1 s and 3 s
REQUEST = struct.Struct("!II")  # a number that the answer repeats, and the index of the upstream
ANSWER = struct.Struct("!Ii248s")  # the number, an errno, or 0 if a descriptor comes with it, and a text
_NO_HELPER = "cannot be connected to: the helper process does not respond"
NO_NAME = -1  # instead of an errno: the name could not be resolved

_REASONS = {
    errno.ECONNREFUSED: "refuses connections: is it running?",
    errno.ENOENT: "has no socket at that path: is it running?",
    errno.ECONNRESET: "reset the connection",
    errno.EPIPE: "closed the connection",
    errno.ETIMEDOUT: "does not accept connections in time",
    errno.EACCES: "does not let this user connect",
    errno.EMFILE: "cannot be connected to: this server has no descriptors left",
    errno.EHOSTUNREACH: "cannot be reached",
    errno.ENETUNREACH: "cannot be reached",
}

OnConnected = Callable[[socket.socket], None]
OnFailed = Callable[[int, str], None]


async def serve_requests(end: socket.socket, upstreams: Sequence[Upstream]) -> None:
    """Connect for the worker at the other end of a socket, until it closes that."""
    loop = asyncio.get_running_loop()
    end.setblocking(False)
    tasks: set[asyncio.Task[None]] = set()
    kept = b""
    while True:
        try:
            data = await loop.sock_recv(end, 4096)
        except OSError:
            data = b""
        if not data:
            for task in tasks:
                task.cancel()
            return
        kept += data
        while len(kept) >= REQUEST.size:
            number, index = REQUEST.unpack_from(kept)
            kept = kept[REQUEST.size :]
            if index < len(upstreams):
                task = loop.create_task(_respond(loop, end, number, upstreams[index]))
                tasks.add(task)
                task.add_done_callback(tasks.discard)


async def _respond(loop: asyncio.AbstractEventLoop, end: socket.socket, number: int, upstream: Upstream) -> None:
    connected: socket.socket | None = None
    try:
        connected = await _connect(loop, upstream)
    except OSError as error:
        code = NO_NAME if isinstance(error, socket.gaierror) else error.errno or NO_NAME
        text = (error.strerror or str(error)).encode("utf-8", "replace")[:200]
        await _send(end, ANSWER.pack(number, code, text), [])
        return
    try:
        await _send(end, ANSWER.pack(number, 0, b""), [connected.fileno()])
    finally:
        connected.close()


async def _send(end: socket.socket, answer: bytes, descriptors: list[int]) -> None:
    """Send an answer whole; the worker reads soon, or has gone."""
    while True:
        try:
            socket.send_fds(end, [answer], descriptors)
        except BlockingIOError:
            await asyncio.sleep(0.01)
        except OSError:
            return
        else:
            return


async def _connect(loop: asyncio.AbstractEventLoop, upstream: Upstream) -> socket.socket:
    """Return a socket that is connected to one of the addresses of an upstream. Raises OSError."""
    if upstream.socket:
        return await _connect_to(loop, socket.AF_UNIX, upstream.socket)
    found = await loop.getaddrinfo(upstream.host, upstream.port, type=socket.SOCK_STREAM)
    failure: OSError = OSError(NO_NAME, "has no address")
    for family, _, _, _, address in found:
        try:
            return await _connect_to(loop, family, address)
        except OSError as error:
            failure = error
    raise failure


async def _connect_to(loop: asyncio.AbstractEventLoop, family: int, address: object) -> socket.socket:
    connecting = socket.socket(family, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        if family != socket.AF_UNIX:
            connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a tunnel may be silent for hours
        await asyncio.wait_for(loop.sock_connect(connecting, address), CONNECT_S)  # type: ignore[arg-type]
    except TimeoutError:
        connecting.close()
        raise OSError(errno.ETIMEDOUT, f"no connection within {CONNECT_S:g} s") from None
    except BaseException:
        connecting.close()
        raise
    return connecting


class Helper:
    """The helper process of a worker. ``socket`` is the worker's end; close() ends the process and waits for it."""

    def __init__(self, pid: int, end: socket.socket) -> None:
        self._pid = pid
        self.socket = end

    def make_upstreams(self, *things: Any) -> Upstreams:
        """Return the upstreams of the worker, which connect through this helper; see Upstreams."""
        # Imported here (and by serve.preload()): it imports this module.
        from fastfile.server.proxying.upstreams import Upstreams

        return Upstreams(self.socket, *things)

    def close(self) -> None:
        """End the process."""
        self.socket.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def start_helper(upstreams: Sequence[Upstream]) -> Helper:
    """Fork the helper. Raises OSError. The caller has one thread and no event loop."""
    # Imported here: server/fork.py imports the worker.
    from fastfile.server.fork import close_descriptors

    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        pid = os.fork()
    except OSError:
        ours.close()
        its.close()
        raise
    if pid:
        its.close()
        return Helper(pid, ours)
    try:
        # It ends with its worker, which a terminal's signal to all does not end.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
        close_descriptors({its.fileno()})
        asyncio.run(_serve_and_exit(its, upstreams))
    finally:
        os._exit(1)


async def _serve_and_exit(end: socket.socket, upstreams: Sequence[Upstream]) -> None:
    await serve_requests(end, upstreams)
    os._exit(0)  # at once: a thread may wait for a name server


class Connector:
    """The worker's end: asks the helper for connections. ``on_lost`` is called if the helper has ended."""

    def __init__(self, end: socket.socket, loop: asyncio.AbstractEventLoop, on_lost: Callable[[], None]) -> None:
        self._end = end
        self._loop = loop
        self._on_lost = on_lost
        self._number = 0
        self._waiting: dict[int, tuple[OnConnected, OnFailed]] = {}
        self._kept = b""
        self._descriptors: list[int] = []
        self._is_lost = False
        end.setblocking(False)
        loop.add_reader(end.fileno(), self._on_readable)

    def connect(self, index: int, on_connected: OnConnected, on_failed: OnFailed) -> int:
        """Ask for a connection to an upstream; one of the functions is called later. Returns a number for cancel()."""
        self._number = number = self._number % 0xFFFFFFFF + 1
        self._waiting[number] = on_connected, on_failed
        try:
            self._end.send(REQUEST.pack(number, index))
        except OSError:  # it has ended, or thousands of requests wait for it
            self._loop.call_soon(self._settle, number, 0, _NO_HELPER, -1)
        return number

    def cancel(self, number: int) -> None:
        """Forget a request; its connection is closed when it comes."""
        self._waiting.pop(number, None)

    def close(self) -> None:
        """Stop listening to the helper; the caller closes the socket."""
        if not self._is_lost:
            self._loop.remove_reader(self._end.fileno())

    def _on_readable(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._end, ANSWER.size, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self._lose()
            return
        self._descriptors += descriptors
        self._kept += data
        if len(self._kept) < ANSWER.size:
            return
        number, code, text = ANSWER.unpack_from(self._kept)
        self._kept = self._kept[ANSWER.size :]
        fd = self._descriptors.pop(0) if code == 0 and self._descriptors else -1
        if code == 0 and fd < 0:  # this process has no room for it
            code = errno.EMFILE
        self._settle(number, code, text.rstrip(b"\0").decode("utf-8", "replace"), fd)

    def _settle(self, number: int, code: int, text: str, fd: int) -> None:
        functions = self._waiting.pop(number, None)
        if fd >= 0:
            connected = socket.socket(fileno=fd)
            connected.setblocking(False)
            if functions is None:
                connected.close()
            else:
                functions[0](connected)
        elif functions is not None:
            functions[1](code, text)

    def _lose(self) -> None:
        self._is_lost = True
        self._loop.remove_reader(self._end.fileno())
        waiting, self._waiting = self._waiting, {}
        for _, on_failed in waiting.values():
            on_failed(0, _NO_HELPER)
        self._on_lost()


def describe(code: int, text: str) -> str:
    """Return why there is no connection, or why it ended: the end of a sentence about the upstream."""
    return _REASONS.get(code) or (f"has a name that does not resolve ({text})" if code == NO_NAME else text)
