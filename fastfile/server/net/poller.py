"""Readiness of the sockets of one worker: which of them can be read or written now, a batch at a time.

On Linux the sockets are in an epoll of our own, and the event loop watches that one descriptor: it wakes us once per
batch instead of once per socket, which is cheaper under uvloop and far cheaper under asyncio, and a batch is what
Clock calls a pass. Elsewhere each socket is registered with the loop.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

from fastfile.clock import Clock
from fastfile.sendfile import Epoll

READ = 1  # the values of EPOLLIN and EPOLLOUT
WRITE = 4
ROUNDS = 8  # passes before the loop gets its turn (timers, signals)


class Watcher:
    """Who is told that a descriptor is ready."""

    __slots__ = ()

    def on_ready(self) -> None:
        """Go on, as far as that goes without waiting."""
        raise NotImplementedError


class Poller:
    """Knows who is told of which descriptor: ``count`` of them. ``on_failure`` is told what a watcher raises."""

    def __init__(self, clock: Clock, on_failure: Callable[[BaseException], None]) -> None:
        self.count = 0
        self._watchers: list[Watcher | None] = []  # by descriptor
        self._clock = clock
        self._on_failure = on_failure

    def watch(self, fd: int, watcher: Watcher, interest: int) -> None:
        while len(self._watchers) <= fd:
            self._watchers.append(None)
        self._watchers[fd] = watcher
        self.count += 1
        self._add(fd, interest)

    def change(self, fd: int, interest: int) -> None:
        raise NotImplementedError

    def forget(self, fd: int) -> None:
        """Stop watching a descriptor that is about to be closed; one that was never watched is none the worse."""
        if fd < len(self._watchers) and self._watchers[fd] is not None:
            self._watchers[fd] = None
            self.count -= 1
            self._remove(fd)

    def close(self) -> None:
        raise NotImplementedError

    def watchers(self) -> list[Watcher]:
        return [watcher for watcher in self._watchers if watcher is not None]

    def _add(self, fd: int, interest: int) -> None:
        raise NotImplementedError

    def _remove(self, fd: int) -> None:
        raise NotImplementedError


class EpollPoller(Poller):
    """By an epoll of our own, which a closed descriptor leaves by itself."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, on_failure: Callable[[BaseException], None]
    ) -> None:
        super().__init__(clock, on_failure)
        self._epoll = Epoll()
        self._loop = loop
        loop.add_reader(self._epoll.fileno(), self._run)

    def change(self, fd: int, interest: int) -> None:
        self._epoll.modify(fd, interest)

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _add(self, fd: int, interest: int) -> None:
        self._epoll.register(fd, interest)

    def _remove(self, fd: int) -> None:
        pass

    def _run(self) -> None:
        for _ in range(ROUNDS):
            count = self._epoll.wait()
            if not count:
                return
            self._clock.begin_batch()
            for index in range(count):
                watcher = self._watchers[self._epoll.ready(index)]
                if watcher is not None:
                    try:
                        watcher.on_ready()
                    except Exception as error:
                        self._on_failure(error)


class LoopPoller(Poller):
    """By the event loop's own readers and writers, for systems without epoll."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, on_failure: Callable[[BaseException], None]
    ) -> None:
        super().__init__(clock, on_failure)
        self._interests: dict[int, int] = {}
        self._loop = loop
        self._in_batch = False

    def change(self, fd: int, interest: int) -> None:
        before, self._interests[fd] = self._interests[fd], interest
        if interest & READ and not before & READ:
            self._loop.add_reader(fd, self._tell, fd)
        elif before & READ and not interest & READ:
            self._loop.remove_reader(fd)
        if interest & WRITE and not before & WRITE:
            self._loop.add_writer(fd, self._tell, fd)
        elif before & WRITE and not interest & WRITE:
            self._loop.remove_writer(fd)

    def close(self) -> None:
        for fd in list(self._interests):
            self.forget(fd)

    def _add(self, fd: int, interest: int) -> None:
        self._interests[fd] = 0
        self.change(fd, interest)

    def _remove(self, fd: int) -> None:
        self.change(fd, 0)
        del self._interests[fd]

    def _tell(self, fd: int) -> None:
        if not self._in_batch:
            self._in_batch = True
            self._clock.begin_batch()
            self._loop.call_soon(self._end_batch)
        watcher = self._watchers[fd]
        if watcher is not None:
            try:
                watcher.on_ready()
            except Exception as error:
                self._on_failure(error)

    def _end_batch(self) -> None:
        self._in_batch = False


def make_poller(loop: asyncio.AbstractEventLoop, clock: Clock, on_failure: Callable[[BaseException], None]) -> Poller:
    """Return the poller for this system; ``on_failure`` is told what a watcher raised."""
    return EpollPoller(loop, clock, on_failure) if hasattr(select, "epoll") else LoopPoller(loop, clock, on_failure)
