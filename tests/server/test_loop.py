"""The built-in event loop does what the loops of asyncio do with the same calls."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from fastfile.server.loop import FEW_TIMERS, Loop

MAKERS = [pytest.param(Loop, id="builtin"), pytest.param(asyncio.new_event_loop, id="asyncio")]


@pytest.fixture(params=MAKERS)
def loop(request: pytest.FixtureRequest) -> Iterator[Loop]:
    loop = request.param()
    yield loop
    loop.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


def test_calls_come_in_order_and_those_that_they_add_come_after_the_turn(loop: Loop) -> None:
    told: list[str] = []

    def first() -> None:
        told.append("first")
        loop.call_soon(told.append, "added")
        loop.call_soon(loop.stop)

    loop.call_soon(first)
    loop.call_soon(told.append, "second")
    loop.run_forever()
    assert told == ["first", "second", "added"]


def test_stop_ends_the_loop_after_the_turn_and_it_can_run_again(loop: Loop) -> None:
    told: list[int] = []
    for number in range(2):
        loop.call_soon(loop.stop)
        loop.call_soon(told.append, number)
        loop.run_forever()
    assert told == [0, 1]


def test_timers_come_by_their_times_and_never_early(loop: Loop) -> None:
    told: list[tuple[float, float]] = []
    begin_s = loop.time()

    def tell(due_s: float) -> None:
        told.append((due_s, loop.time() - begin_s))

    for due_s in (0.03, 0.01, 0.02):
        loop.call_at(begin_s + due_s, tell, due_s)
    loop.call_at(begin_s + 0.04, loop.stop)
    loop.run_forever()
    assert [due_s for due_s, _ in told] == [0.01, 0.02, 0.03]
    assert all(now_s >= due_s - time.get_clock_info("monotonic").resolution for due_s, now_s in told)


def test_a_cancelled_call_is_never_made(loop: Loop) -> None:
    told: list[str] = []
    for call in (loop.call_soon(told.append, "soon"), loop.call_later(0.001, told.append, "later")):
        call.cancel()
        call.cancel()
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    assert told == []


def test_cancelled_timers_do_not_pile_up() -> None:
    loop = Loop()
    kept = [loop.call_later(3600, loop.stop) for _ in range(FEW_TIMERS // 2)]
    for _ in range(20 * FEW_TIMERS):
        loop.call_later(3600, loop.stop).cancel()
    assert len(kept) <= len(loop._timers) <= FEW_TIMERS
    loop.close()


def test_a_reader_is_called_while_there_are_bytes_and_no_more_once_removed(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    told: list[bytes] = []

    def read() -> None:
        told.append(ours.recv(1))
        if len(told) == 2:
            assert loop.remove_reader(ours.fileno())
            assert not loop.remove_reader(ours.fileno())
            loop.call_later(0.01, loop.stop)

    loop.add_reader(ours.fileno(), lambda: pytest.fail("replaced"))
    loop.add_reader(ours.fileno(), read)
    theirs.send(b"abc")
    loop.run_forever()
    assert told == [b"a", b"b"]


def test_the_end_of_the_other_side_wakes_a_reader(loop: Loop, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    loop.add_reader(ours.fileno(), loop.stop)
    theirs.close()
    loop.run_forever()
    assert ours.recv(1) == b""


def test_a_descriptor_has_a_reader_and_a_writer_of_its_own(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    told: list[str] = []

    def write() -> None:
        told.append("write")
        loop.remove_writer(ours.fileno())
        theirs.send(b"a")

    def read() -> None:
        told.append("read")
        loop.remove_reader(ours.fileno())
        loop.stop()

    loop.add_reader(ours.fileno(), read)
    loop.add_writer(ours.fileno(), write)
    loop.run_forever()
    assert told == ["write", "read"]


def test_a_reader_that_was_removed_in_the_same_turn_is_not_called() -> None:
    loop = Loop()
    pairs = [socket.socketpair() for _ in range(2)]
    told: list[int] = []

    def read(index: int) -> None:
        told.append(index)
        loop.remove_reader(pairs[1 - index][0].fileno())
        loop.stop()

    for index, (ours, theirs) in enumerate(pairs):
        loop.add_reader(ours.fileno(), read, index)
        theirs.send(b"a")
    loop.run_forever()
    assert len(told) == 1
    loop.close()
    for end in (end for both in pairs for end in both):
        end.close()


def test_a_descriptor_that_was_closed_first_can_be_removed() -> None:
    loop = Loop()
    ours, theirs = socket.socketpair()
    number = ours.fileno()
    loop.add_reader(number, loop.stop)
    ours.close()
    assert loop.remove_reader(number)
    theirs.close()
    loop.close()


def test_another_thread_wakes_the_loop(loop: Loop) -> None:
    told: list[threading.Thread] = []

    def tell() -> None:
        told.append(threading.current_thread())
        loop.stop()

    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(tell))
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    assert told == [threading.current_thread()]


def test_no_call_of_many_threads_is_lost(loop: Loop) -> None:
    told: list[int] = []

    def tell(number: int) -> None:
        told.append(number)
        if len(told) == 4000:
            loop.stop()

    def call() -> None:
        for number in range(1000):
            loop.call_soon_threadsafe(tell, number)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        loop.call_soon(thread.start)
    loop.run_forever()
    for thread in threads:
        thread.join()
    assert sorted(told) == sorted(list(range(1000)) * 4)


def test_a_closed_loop_says_so_to_other_threads(loop: Loop) -> None:
    loop.close()
    with pytest.raises(RuntimeError):
        loop.call_soon_threadsafe(print)


def test_an_exception_of_a_callback_goes_to_the_handler_and_the_loop_goes_on(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    failures: list[object] = []

    def fail() -> None:
        raise LookupError("x")

    def fail_once() -> None:
        loop.remove_reader(pair[0].fileno())
        raise KeyError

    loop.set_exception_handler(lambda _, context: failures.append(type(context["exception"])))
    loop.add_reader(pair[0].fileno(), fail_once)
    pair[1].send(b"a")
    loop.call_later(0.001, fail)
    loop.call_soon(fail)
    loop.call_later(0.02, loop.stop)
    loop.run_forever()
    assert sorted(map(str, failures)) == sorted(map(str, [LookupError, LookupError, KeyError]))


def test_a_signal_calls_its_handler_in_the_loop(loop: Loop) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    told: list[str] = []

    def tell() -> None:
        told.append("signal")
        loop.stop()

    loop.add_signal_handler(signal.SIGUSR1, tell)
    loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    loop.run_forever()
    loop.close()
    assert told == ["signal"]
    assert signal.set_wakeup_fd(-1) == -1
    signal.signal(signal.SIGUSR1, before)
