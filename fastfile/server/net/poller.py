"""Readiness of the sockets of one worker: which of them can be read or written now, a batch at a time.

On Linux the sockets are in the worker's own epoll, and the event loop watches that one descriptor. So the loop wakes
the worker once per batch instead of once per socket, which is cheaper under uvloop and far cheaper under asyncio.
Elsewhere each socket is registered with the loop.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable

from fastfile.clock import Clock
from fastfile.sendfile import Epoll, monotonic_s

READ = 1  # the values of EPOLLIN and EPOLLOUT
WRITE = 4
HANG_UP = 0x2000  # EPOLLRDHUP: the client has ended its side of the connection; other systems do not tell it
ROUNDS = 8  # batches before the loop gets its turn (timers, signals)
# A watcher works for at most this time before the others have their turn. Without a limit, 50 pipelining clients kept
# another client waiting for 1.6 s.
TURN_S = 0.002
# A watcher that worked longer than this is queued when its descriptor is ready again, and one queued watcher is called
# after each batch, so that a batch does not last as long as all of them together. In the first batch of many such
# watchers, each gets a short turn after the first: 50 pipelining clients that came at once made a batch of 100 ms.
LONG_TURN_S = 0.0005
LIGHT, HEAVY, QUEUED = range(3)  # a watcher's last turn; QUEUED: it was heavy, and the watcher waits for its next turn


class Watcher:
    """The interface of an object that is called when its descriptor is ready."""

    __slots__ = ()

    def on_ready(self) -> None:
        """Continue as far as possible without waiting."""
        raise NotImplementedError


class Poller:
    """Maps descriptors to their watchers: ``count`` of them. ``on_failure`` gets the exceptions of watchers."""

    def __init__(self, clock: Clock, on_failure: Callable[[BaseException], None]) -> None:
        self.count = 0
        self._watchers: list[Watcher | None] = []  # by descriptor
        self._clock = clock
        self._on_failure = on_failure
        self._turn_began_s = 0.0  # 0: is_turn_over() was not called since the turn began
        self._is_long = False  # a watcher of this batch worked long: the turns of those after it are short

    def begin_turn(self) -> None:
        """Begin a turn. It is timed from the first is_turn_over(), which most watchers never call."""
        self._turn_began_s = 0.0

    def is_turn_over(self) -> bool:
        """Tell whether the current watcher should let others have their turn."""
        now_s = monotonic_s()
        if self._turn_began_s == 0.0:
            self._turn_began_s = now_s
        return self._is_long or now_s - self._turn_began_s > TURN_S

    def end_turn(self) -> bool:
        """End a turn, and tell whether it was long; then those that follow in this batch are short."""
        if self._turn_began_s != 0.0 and (self._is_long or monotonic_s() - self._turn_began_s > LONG_TURN_S):
            self._is_long = True
            return True
        return False

    def watch(self, fd: int, watcher: Watcher, interest: int) -> None:
        while len(self._watchers) <= fd:
            self._watchers.append(None)
        self._watchers[fd] = watcher
        self.count += 1
        self._add(fd, interest)

    def replace(self, fd: int, watcher: Watcher) -> None:
        """Let another watcher be told of a descriptor."""
        self._watchers[fd] = watcher

    def change(self, fd: int, interest: int) -> None:
        raise NotImplementedError

    def forget(self, fd: int) -> None:
        """Stop watching a descriptor that is about to be closed; an unknown descriptor is no error."""
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
    """Uses the worker's own epoll. A closed descriptor leaves it without a call."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, on_failure: Callable[[BaseException], None]
    ) -> None:
        super().__init__(clock, on_failure)
        self._epoll = Epoll()
        self._weights = bytearray()  # by descriptor: LIGHT, HEAVY or QUEUED
        self._heavy: deque[int] = deque()  # descriptors of watchers that wait for their turn
        self._told = 0  # watchers of this batch that were told
        self._loop = loop
        loop.add_reader(self._epoll.fileno(), self._run)

    def change(self, fd: int, interest: int) -> None:
        self._epoll.modify(fd, interest)

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _add(self, fd: int, interest: int) -> None:
        if fd >= len(self._weights):
            self._weights.extend(bytes(fd + 1 - len(self._weights)))
        self._weights[fd] = LIGHT
        self._epoll.register(fd, interest)

    def _remove(self, fd: int) -> None:
        pass

    def _run(self) -> None:
        for _ in range(ROUNDS):
            count = self._epoll.wait()
            if count:
                self._clock.begin_batch()
            elif not self._heavy:
                return
            self._told = 0
            self._is_long = False
            while self._told < count:  # again after a failure: compiled, a try for each watcher costs 30 instructions
                try:
                    self._tell_ready(count)
                except Exception as error:
                    self._on_failure(error)
            if self._heavy:
                try:
                    self._tell_heavy()
                except Exception as error:
                    self._on_failure(error)

    def _tell_ready(self, count: int) -> None:
        """Tell the watchers of a batch that were not told yet; an exception of one ends the call."""
        while self._told < count:
            fd = self._epoll.ready(self._told)
            self._told += 1
            if self._weights[fd] == LIGHT:
                self._tell(fd)
            elif self._weights[fd] == HEAVY:
                self._heavy.append(fd)  # first: if it fails, epoll reports the watcher again
                self._weights[fd] = QUEUED

    def _tell_heavy(self) -> None:
        """Tell the first queued watcher."""
        fd = self._heavy.popleft()
        if self._weights[fd] == QUEUED:
            self._weights[fd] = LIGHT
            self._clock.begin_batch()
            self._is_long = False
            self._tell(fd)

    def _tell(self, fd: int) -> None:
        watcher = self._watchers[fd]
        if watcher is None:
            return
        self._turn_began_s = 0.0
        watcher.on_ready()
        if self._turn_began_s != 0.0 and self.end_turn():
            self._weights[fd] = HEAVY


class LoopPoller(Poller):
    """Uses the readers and writers of the event loop, for systems without epoll."""

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
            self._is_long = False
            self._clock.begin_batch()
            self._loop.call_soon(self._end_batch)
        watcher = self._watchers[fd]
        if watcher is not None:
            self.begin_turn()
            try:
                watcher.on_ready()
                self.end_turn()
            except Exception as error:
                self._on_failure(error)

    def _end_batch(self) -> None:
        self._in_batch = False


def make_poller(loop: asyncio.AbstractEventLoop, clock: Clock, on_failure: Callable[[BaseException], None]) -> Poller:
    """Return the poller for this system; ``on_failure`` gets the exceptions of watchers."""
    return EpollPoller(loop, clock, on_failure) if hasattr(select, "epoll") else LoopPoller(loop, clock, on_failure)
