"""Run uploads in threads, a few at a time. An interrupted process ends at once and does not wait for a store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from threading import Event, Thread

_THREADS = 4
_TICK_S = 0.1


def run_all(tasks: Iterable[Callable[[], None]], tick: Callable[[], None]) -> None:
    """Run all tasks, and call ``tick`` in this thread meanwhile. Raises the first error.

    After an error, no other task begins, and running ones are left to themselves. ThreadPoolExecutor cannot do that: at
    the end, the interpreter waits for its threads.
    """
    waiting = deque(tasks)
    left = len(waiting)
    ended: SimpleQueue[BaseException | None] = SimpleQueue()
    stopped = Event()

    def work() -> None:
        while not stopped.is_set():
            try:
                task = waiting.popleft()
            except IndexError:
                return
            try:
                task()
            except BaseException as error:
                ended.put(error)
            else:
                ended.put(None)

    threads = [Thread(target=work, daemon=True) for _ in range(min(_THREADS, left))]
    for thread in threads:
        thread.start()
    try:
        while left:
            tick()
            try:
                error = ended.get(timeout=_TICK_S)
            except Empty:
                continue
            if error is not None:
                raise error
            left -= 1
    finally:
        stopped.set()
    for thread in threads:
        thread.join()
