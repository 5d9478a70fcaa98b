"""The event loop of a worker: readable descriptors, timers, signals, and calls from other threads.

It has the methods of asyncio's loops that a worker calls, but no tasks and no transports. The connections are not here:
they are in the worker's own epoll (net/poller.py), where the loop waits for them and for its own descriptors together.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Protocol

    class Timer(Protocol):
        """What call_later() returns."""

        def cancel(self) -> None: ...

    class EventLoop(Protocol):
        """What a worker needs of its loop, whichever it is."""

        def add_reader(self, fd: int, callback: Callable[..., object], /, *arguments: Any) -> object: ...
        def remove_reader(self, fd: int, /) -> object: ...
        def add_writer(self, fd: int, callback: Callable[..., object], /, *arguments: Any) -> object: ...
        def remove_writer(self, fd: int, /) -> object: ...
        def call_soon(self, callback: Callable[..., object], /, *arguments: Any) -> Timer: ...
        def call_soon_threadsafe(self, callback: Callable[..., object], /, *arguments: Any) -> object: ...
        def call_later(self, delay_s: float, callback: Callable[..., object], /, *arguments: Any) -> Timer: ...
        def call_at(self, when_s: float, callback: Callable[..., object], /, *arguments: Any) -> Timer: ...
        def add_signal_handler(self, number: int, callback: Callable[..., object], /, *arguments: Any) -> object: ...
        def set_exception_handler(self, handler: Callable[[Any, dict[str, Any]], object], /) -> object: ...
        def time(self) -> float: ...
        def run_forever(self) -> None: ...
        def stop(self) -> None: ...
        def close(self) -> None: ...


MAX_EVENTS = 16  # of one turn; a worker has about five descriptors
FEW_TIMERS = 64  # so many are kept without looking for cancelled ones
LONGEST_MS = 3_600_000  # of one wait: epoll_wait(2) takes an int


class Call:
    """A function that the loop will call: at ``when_s``, if it is a timer."""

    __slots__ = ("_arguments", "_callback", "when_s")

    def __init__(self, callback: Callable[..., object], arguments: tuple[Any, ...], when_s: float = 0.0) -> None:
        self._callback: Callable[..., object] | None = callback
        self._arguments = arguments
        self.when_s = when_s

    def __lt__(self, other: Call) -> bool:
        return self.when_s < other.when_s

    def cancel(self) -> None:
        """Never call the function. A call that was made already is no error."""
        self._callback, self._arguments = None, ()

    @property
    def is_cancelled(self) -> bool:
        return self._callback is None

    def run(self) -> None:
        if self._callback is not None:
            self._callback(*self._arguments)


class Loop:
    """Calls what is due until stop(). One thread runs it; only call_soon_threadsafe() may be called from others."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Call] = {}
        self._writers: dict[int, Call] = {}
        self._ready: deque[Call] = deque()
        self._timers: list[Call] = []  # a heap
        self._many = FEW_TIMERS  # look for cancelled timers when there are so many
        self._signals: dict[int, Call] = {}
        self._wait: Callable[[int], object] | None = None
        self._on_failure: Callable[[Any, dict[str, Any]], object] | None = None
        self._is_stopping = False
        # A byte to the first wakes the loop: 0 from a thread, or the number of a signal.
        self._waker, self._woken = socket.socketpair()
        for end in (self._waker, self._woken):
            end.setblocking(False)
        self.add_reader(self._woken.fileno(), self._take_signals)

    def fileno(self) -> int:
        """Return a descriptor that is readable when take_events() has something to do."""
        return self._epoll.fileno()

    def wait_by(self, wait: Callable[[int], object] | None) -> None:
        """Wait by ``wait(timeout_ms)``, which calls take_events() when fileno() is readable; None: wait in the loop."""
        self._wait = wait

    def add_reader(self, fd: int, callback: Callable[..., object], *arguments: Any) -> None:
        """Call a function whenever a descriptor can be read, has hung up, or has failed."""
        self._watch(self._readers, fd, Call(callback, arguments))

    def remove_reader(self, fd: int) -> bool:
        """Stop watching a descriptor; return whether it was watched."""
        return self._forget(self._readers, fd)

    def add_writer(self, fd: int, callback: Callable[..., object], *arguments: Any) -> None:
        """Call a function whenever a descriptor can be written, has hung up, or has failed."""
        self._watch(self._writers, fd, Call(callback, arguments))

    def remove_writer(self, fd: int) -> bool:
        return self._forget(self._writers, fd)

    def call_soon(self, callback: Callable[..., object], *arguments: Any) -> Call:
        call = Call(callback, arguments)
        self._ready.append(call)
        return call

    def call_soon_threadsafe(self, callback: Callable[..., object], *arguments: Any) -> Call:
        """Call a function in the thread of the loop. Raises RuntimeError if the loop is closed."""
        call = self.call_soon(callback, *arguments)
        try:
            self._waker.send(b"\0")
        except BlockingIOError:  # so many bytes wait that it will wake
            pass
        except OSError:
            raise RuntimeError("the loop is closed") from None
        return call

    def call_later(self, delay_s: float, callback: Callable[..., object], *arguments: Any) -> Call:
        return self.call_at(monotonic() + delay_s, callback, *arguments)

    def call_at(self, when_s: float, callback: Callable[..., object], *arguments: Any) -> Call:
        """Call a function at a time() of the loop; timers are late, never early."""
        call = Call(callback, arguments, when_s)
        if len(self._timers) >= self._many:
            self._timers = [timer for timer in self._timers if not timer.is_cancelled]
            heapify(self._timers)
            self._many = max(FEW_TIMERS, 2 * len(self._timers))
        heappush(self._timers, call)
        return call

    def add_signal_handler(self, number: int, callback: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the loop for each signal of a number. Only the main thread can do this."""
        self._signals[number] = Call(callback, arguments)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(number, _ignore)
        signal.siginterrupt(number, False)

    def set_exception_handler(self, handler: Callable[[Any, dict[str, Any]], object]) -> None:
        """Call ``handler(loop, {"message": …, "exception": …})`` for an exception of a callback; the loop goes on."""
        self._on_failure = handler

    def time(self) -> float:
        return monotonic()

    def run_forever(self) -> None:
        """Run until stop() is called, and then to the end of the current turn."""
        while not self._is_stopping:
            self._turn()
        self._is_stopping = False

    def stop(self) -> None:
        self._is_stopping = True

    def close(self) -> None:
        """Free the descriptors; the loop must not run."""
        if self._signals:
            signal.set_wakeup_fd(-1)
        self._epoll.close()
        self._waker.close()
        self._woken.close()

    def _watch(self, calls: dict[int, Call], fd: int, call: Call) -> None:
        before = self._interest(fd)
        calls[fd] = call
        if not before:
            self._epoll.register(fd, self._interest(fd))
        elif before != self._interest(fd):
            self._epoll.modify(fd, self._interest(fd))

    def _forget(self, calls: dict[int, Call], fd: int) -> bool:
        if calls.pop(fd, None) is None:
            return False
        with contextlib.suppress(OSError):  # a closed descriptor has left already
            if interest := self._interest(fd):
                self._epoll.modify(fd, interest)
            else:
                self._epoll.unregister(fd)
        return True

    def _interest(self, fd: int) -> int:
        return (select.EPOLLIN if fd in self._readers else 0) | (select.EPOLLOUT if fd in self._writers else 0)

    def _turn(self) -> None:
        """Wait until something is due, and call what was due at the beginning of this turn."""
        timeout_ms = -1
        if self._ready or self._is_stopping:
            timeout_ms = 0
        elif self._timers:
            timeout_ms = min(max(0, int((self._timers[0].when_s - monotonic()) * 1000) + 1), LONGEST_MS)
        if self._wait is None:
            self.take_events(None if timeout_ms < 0 else timeout_ms / 1000)
        else:
            self._wait(timeout_ms)
        now_s = monotonic()
        while self._timers and self._timers[0].when_s <= now_s:
            self._ready.append(heappop(self._timers))
        for _ in range(len(self._ready)):
            self._run(self._ready.popleft())

    def take_events(self, timeout_s: float | None) -> None:
        """Call the readers and writers of descriptors that are ready, after a wait if there are none."""
        for fd, events in self._epoll.poll(timeout_s, MAX_EVENTS):
            # A call before these may have removed them.
            if events & ~select.EPOLLOUT and (reader := self._readers.get(fd)) is not None:
                self._run(reader)
            if events & ~select.EPOLLIN and (writer := self._writers.get(fd)) is not None:
                self._run(writer)

    def _run(self, call: Call) -> None:
        try:
            call.run()
        except Exception as error:
            if self._on_failure is None:
                raise
            self._on_failure(self, {"message": "a callback failed", "exception": error})

    def _take_signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for number in self._woken.recv(4096):
                if number in self._signals:
                    self._ready.append(self._signals[number])


def _ignore(*_: object) -> None:
    """Do nothing in Python's handler: the number arrives at the loop."""
