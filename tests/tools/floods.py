"""Measures the floods of HTTP/2 on the checkout: ``PYTHONPATH=tests python tests/tools/floods.py [NAME ...]``. Linux.

The first column is the CPU time of the worker until it has ended a flooding connection, the median of some runs. The
second is the p99 of a crowd of other clients while one client floods and connects again without a pause, as a multiple
of their p99 without it. Windows with and without the flood alternate, and each pair gives a quotient, of which the
median counts: another program's load falls on both windows of a pair. The worker has a core, the clients another.
"""

from __future__ import annotations

import os
import select
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from support.http2_floods import FLOODS
from support.http2peer import GET, Peer, frames
from support.serverprocess import ServerProcess, processes

CPU_CLOCK = 2  # CPUCLOCK_SCHED of linux/posix-timers.h: the clock of a process's scheduled time
RUNS = 7
PAIRS = 15  # of windows
CROWD = 64  # connections
ROUNDS = 40  # of the crowd in a window; each asks once on every connection
REQUEST = b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n"
LISTED = 50  # files of the folder
STREAMS = 128  # at a time
PIECE_SIZE = 65536


class Recorder(Peer):
    """Collects what a flood sends, in pieces."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        ours, self._other = socket.socketpair()
        super().__init__(ours)

    def send_raw(self, data: bytes) -> None:
        self.pieces.append(data)


def flood_resets_of(path: bytes) -> Callable[[Any], None]:
    """Reset requests in the piece that has them."""

    def attack(peer: Any) -> None:
        fields = (*GET[:2], (b":path", path), GET[3])
        peer.send(*(f for n in range(1, 3000, 2) for f in (peer.headers(n, fields), frames.RstStreamFrame(n))))

    return attack


def flood_late_resets_of(path: bytes) -> Callable[[Any], None]:
    """Reset requests when there are as many as the limit allows."""

    def attack(peer: Any) -> None:
        fields = (*GET[:2], (b":path", path), GET[3])
        for start in range(1, 3000, 2 * STREAMS):
            numbers = range(start, start + 2 * STREAMS, 2)
            peer.send(*(peer.headers(n, fields) for n in numbers))
            peer.send(*(frames.RstStreamFrame(n) for n in numbers))

    return attack


MORE_FLOODS = {
    "resets of a listing": flood_resets_of(b"/folder/"),
    "late resets of a listing": flood_late_resets_of(b"/folder/"),
    "late resets of a download": flood_late_resets_of(b"/large"),
}


def record(attack: Callable[[Any], None]) -> list[bytes]:
    """Return what a flood sends, in large pieces."""
    with Recorder() as recorder:
        attack(recorder)
    pieces = [b""]
    for piece in recorder.pieces:
        if len(pieces[-1]) + len(piece) > PIECE_SIZE:
            pieces.append(b"")
        pieces[-1] += piece
    return pieces


class Flooder:
    """One client that floods; step() sends and discards what it can."""

    def __init__(self, port: int, pieces: list[bytes]) -> None:
        self._port = port
        self._pieces = pieces
        self.ends = -1
        self._connection: socket.socket | None = None
        self._begin()

    def _begin(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self.ends += 1
        self._connection = socket.create_connection(("127.0.0.1", self._port))
        self._connection.setblocking(False)
        self._left = [memoryview(piece) for piece in self._pieces]

    def step(self) -> None:
        assert self._connection is not None
        try:
            while not self._connection.recv(1 << 18):
                self._begin()
                return
        except BlockingIOError:
            pass
        except ConnectionError:
            self._begin()
            return
        if self._left:
            with suppress(BlockingIOError, ConnectionError):
                sent = self._connection.send(self._left[0])
                self._left[0] = self._left[0][sent:]
                if not self._left[0]:
                    self._left.pop(0)

    def finish(self) -> None:
        """Go on until the server has ended the connection."""
        while self.ends == 0:
            self.step()
            assert self._connection is not None
            select.select([self._connection], [self._connection] if self._left else [], [], 30)

    def close(self) -> None:
        assert self._connection is not None
        self._connection.close()


def cpu_s(pid: int) -> float:
    return time.clock_gettime((~pid << 3) | CPU_CLOCK)


def measure_cost(port: int, pid: int, pieces: list[bytes]) -> float:
    """Return the CPU time until the end of a connection, in ms."""
    costs = []
    for _ in range(RUNS):
        before_s = cpu_s(pid)
        flooder = Flooder(port, pieces)
        flooder.finish()
        costs.append(cpu_s(pid) - before_s)
        flooder.close()
    return statistics.median(costs) * 1000


def run_window(crowd: list[socket.socket], flooder: Flooder | None) -> float:
    """Return the p99 of the crowd in a window, in ms."""
    latencies = []
    for _ in range(ROUNDS):
        if flooder is not None:
            flooder.step()
        began_s = time.perf_counter()
        for client in crowd:
            client.sendall(REQUEST)
        for client in crowd:
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
            latencies.append(time.perf_counter() - began_s)
    latencies.sort()
    return latencies[len(latencies) * 99 // 100] * 1000


def measure_others(port: int, crowd: list[socket.socket], pieces: list[bytes]) -> tuple[float, float]:
    """Return the crowd's median p99 without the flood in ms, and the median quotient with it."""
    quiet, quotients = [], []
    for _ in range(PAIRS):
        alone = run_window(crowd, None)
        flooder = Flooder(port, pieces)
        quotients.append(run_window(crowd, flooder) / alone)
        flooder.close()
        quiet.append(alone)
    return statistics.median(quiet), statistics.median(quotients)


def floods(chosen: list[str]) -> Iterator[tuple[str, list[bytes]]]:
    for name, attack in (FLOODS | MORE_FLOODS).items():
        if not chosen or any(word in name for word in chosen):
            yield name, record(attack)


def main() -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        (site / "folder").mkdir()
        for number in range(LISTED):
            (site / "folder" / f"{number}.txt").write_text("x")
        (site / "index.html").write_text("<p>hello")
        (site / "small").write_bytes(b"x" * 1000)
        (site / "large").write_bytes(bytes(3_000_000))
        with ServerProcess(["--workers", "1", folder]) as server:
            (worker,) = (each.pid for each in processes() if each.parent == server.pid)
            os.sched_setaffinity(worker, {cores[-1]})
            crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(CROWD)]
            sys.stdout.write(f"{'flood':<36} {'CPU ms':>7} {'p99 ms':>7} {'times':>6}\n")
            for name, pieces in floods(sys.argv[1:]):
                cost = measure_cost(server.port, worker, pieces)
                alone, times = measure_others(server.port, crowd, pieces)
                sys.stdout.write(f"{name:<36} {cost:>7.2f} {alone:>7.2f} {times:>6.2f}\n")
                sys.stdout.flush()
            for client in crowd:
                client.close()


if __name__ == "__main__":
    main()
