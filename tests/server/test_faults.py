"""Every system call of a request fails once: the n-th call, for each n, in each way that the kernel can fail.

A worker's listener, connections, handler and root run in this process, with their calls replaced. Whatever fails, the
client gets the right bytes, an error response or a reset connection, never wrong bytes; nothing is leaked, and the next
client is served. Compiled connections accept, receive and send in C, where nothing can be replaced:
test_kernel_faults.py makes those calls fail.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.exchanges import (
    LARGE,
    STATUSES,
    TIMEOUT_S,
    check,
    exchange,
    make_folder,
    responses,
)
from support.watching import descriptors

from fastfile.application import MountPoint, make_application
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.sendfile import WOULD_BLOCK
from fastfile.server.log.complaints import Complaints
from fastfile.server.net import listener, transport
from fastfile.server.net.clients import Clients
from fastfile.server.net.http1 import send_queue
from fastfile.server.net.listener import Listener
from fastfile.server.net.poller import make_poller
from fastfile.server.net.service import Observers, Service
from fastfile.server.threads import Offload
from fastfile.site import plain_files
from fastfile.storage import resource, root
from fastfile.storage.metadata import is_settled
from fastfile.storage.root import Root


class Faults:
    """Counts calls, and makes one of them fail."""

    def __init__(self) -> None:
        self.turn = 0  # 0: none
        self.calls = 0
        self.name = ""  # of the call that failed
        self.way: Callable[..., Any] | None = None

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() is threading.main_thread():  # the client's own calls
                return real(*args, **kwargs)
            self.calls += 1
            if self.calls == self.turn:
                assert self.way is not None
                self.name = name
                return self.way(name, real, *args, **kwargs)
            return real(*args, **kwargs)

        return call

    def wrap_os(self, names: tuple[str, ...]) -> SimpleNamespace:
        """Return a module `os` whose calls of these names are counted."""
        values = {name: getattr(os, name) for name in dir(os)}
        return SimpleNamespace(**values | {name: self.wrap(name, values[name]) for name in names})


class Server:
    """One worker's parts in a thread, with an event loop of its own."""

    def __init__(self, folder: Path, cache_size: int) -> None:
        self._config = Config(bind="127.0.0.1", cache_size=cache_size, allowed_host=("localhost",))  # so without hints
        self.failures: list[type[BaseException]] = []
        self.address: tuple[str, int] = ("", 0)
        self._folder = folder
        self.changed = os.stat(folder)
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._started.wait(TIMEOUT_S)

    def note_failure(self, error: BaseException) -> None:
        """Keep only the type of an exception: its frames hold descriptors."""
        self.failures.append(type(error))

    def _run(self) -> None:
        self._loop = loop = asyncio.new_event_loop()
        clock = Clock()
        config = self._config
        the_root = Root(os.fsencode(self._folder))
        handler = make_application(config, [MountPoint(b"", the_root)], clock, self.note_failure)
        poller = make_poller(loop, clock, self.note_failure)
        self._poller = poller
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        self.address = listening.getsockname()

        def on_exhausted(error: OSError) -> None:
            loop.call_later(0.01, self._listener.resume)

        offload = Offload(loop, clock, self.note_failure)
        disk = Offload(loop, clock, self.note_failure)
        observers = Observers(Complaints(clock, lambda text: None))
        service = Service(config, handler, clock, poller, Clients(100), observers, offload, disk)
        self._listener = Listener(service, listening, 100, on_exhausted)
        loop.call_soon(self._started.set)
        loop.run_forever()
        poller.close()
        listening.close()
        the_root.close()
        loop.close()

    def open_connections(self) -> int:
        """Return the number of connections, from inside the loop, so that all events so far are handled."""
        answer: list[int] = []
        asked = threading.Event()

        def count() -> None:
            answer.append(self._poller.count - 1)
            asked.set()

        # Twice through the loop: everything readable at the call has been read by then.
        self._loop.call_soon_threadsafe(lambda: self._loop.call_later(0.002, count))
        assert asked.wait(TIMEOUT_S)
        return answer[0]

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    faults = Faults()
    for module, names in (
        (transport, ("recv_into", "send_parts", "send_response", "send_file")),
        (send_queue, ("is_cached", "read_ahead")),
        (resource, ("read_cached",)),
        (listener, ("accept",)),
        (root, ("open_beneath",)),
        (plain_files, ("read_beneath",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, faults.wrap(name, getattr(module, name)))
    monkeypatch.setattr(root, "os", faults.wrap_os(("open", "dup", "stat", "fstat", "readlink")))
    monkeypatch.setattr(resource, "os", faults.wrap_os(("fstat",)))
    return faults


def raising(number: int) -> Callable[..., Any]:
    def fail(name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def starved(name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    raise MemoryError


def blocked(name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Make a call fail as if it would block."""
    if name in ("accept", "read_cached"):
        return None
    if name == "is_cached":
        return False
    if name in ("recv_into", "send_parts", "send_response", "send_file"):
        return WOULD_BLOCK
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def short(name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Make a call transfer only one byte."""
    if name == "recv_into":
        fd, buffer = args
        one = bytearray(1)
        count = real(fd, one)
        buffer[:1] = one
        return count
    if name == "send_parts":
        fd, parts, skip = args[:3]
        in_memory = b"".join(itertools.takewhile(lambda part: isinstance(part, bytes), parts))
        return real(fd, [in_memory[skip : skip + 1]], 0, *args[3:])
    if name == "send_response":
        fd, head = args[:2]
        return real(fd, head[:1], b"", ())
    if name == "send_file":
        return real(*args[:3], 1)
    if name == "read_cached":
        return real(*args[:2], 1)
    return real(*args, **kwargs)


WAYS = [
    pytest.param(short, False, id="short"),
    pytest.param(blocked, True, id="EAGAIN"),
    pytest.param(starved, True, id="no memory"),
    *(
        pytest.param(raising(number), True, id=errno.errorcode[number])
        for number in (errno.EINTR, errno.ECONNRESET, errno.EPIPE, errno.EMFILE, errno.ENOMEM, errno.EIO)
    ),
]


@pytest.mark.parametrize("cache_size", [0, 1 << 20], ids=["nothing is cached", "cached"])
@pytest.mark.parametrize(("way", "may_differ"), WAYS)
def test_the_nth_call_fails(
    folder: Path, faults: Faults, way: Callable[..., Any], may_differ: bool, cache_size: int
) -> None:
    server = Server(folder, cache_size)
    try:
        turns = fail_each(server, faults, way, may_differ)
    finally:
        faults.turn = 0
        server.stop()
    assert turns > (5 if cache_size else 40)
    assert all(failure is MemoryError and way is starved for failure in server.failures)


def fail_each(server: Server, faults: Faults, way: Callable[..., Any], may_differ: bool) -> int:
    """Make each call fail in turn until there are no more, and return how many there were."""
    calls = [0, 1]
    while calls[-1] != calls[-2] or not is_settled(server.changed, time.time_ns()):
        calls.append(count_calls(server, faults))  # until the cache is as full as it gets
        assert len(calls) < 1000
    expected = responses(exchange(server.address))
    assert [status for status, _, _ in expected] == STATUSES
    assert expected[1][1] == LARGE
    assert server.open_connections() == 0
    gc.collect()  # what tests before have left
    before = descriptors(os.getpid())
    faults.way = way
    for turn in range(1, 10_000):
        faults.calls, faults.turn, faults.name = 0, turn, "none"
        got = responses(exchange(server.address))
        where = f"{turn}: {faults.name}"
        check(got, expected, may_differ, where)
        reached = faults.calls >= turn
        faults.turn = 0
        assert responses(exchange(server.address)) == expected, where
        assert server.open_connections() == 0, where
        assert descriptors(os.getpid()) <= before, where
        if not reached:
            return turn
    raise AssertionError("the calls never end")


def count_calls(server: Server, faults: Faults) -> int:
    """Return how many calls an exchange takes."""
    faults.calls = 0
    exchange(server.address)
    return faults.calls
