"""The instructions of a worker for a request, counted by valgrind: ``python -m benchmarks.instructions``.

Unlike times, counts depend little on the machine's load. The package measured is the one on PYTHONPATH (default: this
checkout), compiled or not; compare two trees with two runs. The kernel's part is not counted.

Plain requests come in batches of 64, which the worker gets while it stands still. Over TLS each is sent when the
previous one has its response; then the count includes OpenSSL's, in the code that valgrind's processor has.
``--release`` publishes the files, and measures a server that follows the release. Needs valgrind with its headers, and
a C compiler.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers import make_certificate
from benchmarks.processes import process_tree
from benchmarks.scenarios import BROWSER
from benchmarks.secure_clients import LARGE as SECURE_LARGE
from benchmarks.secure_clients import PLAIN_HTTP2_CASES, SECURE_CASES, SecureCase

START_TIMEOUT_S = 180.0  # under valgrind, on a busy machine
WARM_UP = 128  # uncounted requests of each case
ROUNDS = 5
TOGETHER = 64  # plain requests of a batch
SMALL = 1024  # bytes of the plain file, and of a range
LARGE = 1_000_000
FOLDER = 100  # distinct files of a folder, each requested once
PORT_LINE = re.compile(r"https?://\S*:(\d+)/")
BROWSER_LINES = "".join(f"{line}\r\n" for line in BROWSER).encode()
OPTIONS = ["--port", "0", "--allowed-host", "*", "--loop", "asyncio", "--workers", "1", "--sandbox", "off"]


class Request(NamedTuple):
    """A GET of HTTP/1.1, and the status of the right response; ``is_last``: on a connection of its own."""

    target: bytes
    lines: bytes = b""
    status: int = 200
    is_last: bool = False


class Client:
    """Makes the requests of the plain cases, and sends them: up to TOGETHER at a time, each on its own connection.

    The worker stands still until all are sent, so it gets them in one batch, on a busy machine and on a quiet one.
    """

    def __init__(self, port: int, worker: int) -> None:
        self._port = port
        self._worker = worker
        self._kept = [self._connect() for _ in range(TOGETHER)]
        self._unseen: Iterator[int] = count()
        self._tag = re.findall(rb'\r\nETag: ("[^"]+")', self.send([Request(b"/small")]))[0]

    def close(self) -> None:
        for connection in self._kept:
            connection.close()

    def plain(self, number: int) -> Request:
        return Request(b"/small")

    def browser(self, number: int) -> Request:
        return Request(b"/small", BROWSER_LINES)

    def random(self, number: int) -> Request:
        """Request one of FOLDER files, each in its turn: all are cached."""
        return Request(file_of(number % FOLDER))

    def not_modified(self, number: int) -> Request:
        return Request(b"/small", b"If-None-Match: %b\r\n" % self._tag, 304)

    def same_range(self, number: int) -> Request:
        return Request(b"/large", b"Range: bytes=4096-%d\r\n" % (4096 + SMALL - 1), 206)

    def partial(self, number: int) -> Request:
        """Request another range each time, because repeated ones are cached."""
        start = number * 7 % (LARGE - SMALL)
        return Request(b"/large", b"Range: bytes=%d-%d\r\n" % (start, start + SMALL - 1), 206)

    def connection(self, number: int) -> Request:
        return Request(b"/small", b"Connection: close\r\n", 200, True)

    def miss(self, number: int) -> Request:
        """Request a file that no request has named before."""
        return Request(file_of(FOLDER + next(self._unseen)))

    def index(self, number: int) -> Request:
        """Request a folder with a page that no request has named before."""
        return Request(b"/pages/%d/" % next(self._unseen))

    def known_absence(self, number: int) -> Request:
        return Request(b"/nothing", b"", 404)

    def absence(self, number: int) -> Request:
        """Request a file that does not exist, and that no request has named before."""
        return Request(b"/nothing/%d" % next(self._unseen), b"", 404)

    def send(self, requests: Sequence[Request]) -> bytes:
        """Send at most TOGETHER requests, and read their responses; return the head of the last one."""
        os.kill(self._worker, signal.SIGSTOP)
        try:
            connections = [
                self._connect() if request.is_last else kept
                for request, kept in zip(requests, self._kept, strict=False)
            ]
            for request, connection in zip(requests, connections, strict=True):
                lines = b"Host: localhost\r\n%b" % request.lines
                connection.sendall(b"GET %b HTTP/1.1\r\n%b\r\n" % (request.target, lines))
        finally:
            os.kill(self._worker, signal.SIGCONT)
        head = b""
        for request, connection in zip(requests, connections, strict=True):
            head = self._read(connection)
            assert b" %d " % request.status in head, head
            if request.is_last:
                assert connection.recv(1) == b""
                connection.close()
        return head

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=START_TIMEOUT_S)

    def _read(self, connection: socket.socket) -> bytes:
        """Return the head of the response when its whole body has arrived."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        missing = (int(length[1]) if length else 0) - len(body)
        while missing > 0:
            missing -= len(self._receive(connection))
        return head

    def _receive(self, connection: socket.socket) -> bytes:
        data = connection.recv(65536)
        assert data, "the server closed the connection"
        return data


CASES: dict[str, Callable[[Client, int], Request]] = {
    "plain": Client.plain,
    "browser": Client.browser,
    "random": Client.random,
    "304": Client.not_modified,
    "range": Client.same_range,
    "ranges": Client.partial,
    "connection": Client.connection,
    "miss": Client.miss,
    "index": Client.index,
    "404": Client.known_absence,
    "absence": Client.absence,
}


class Counted:
    """A server under valgrind. Its worker writes its counts into ``folder`` at a signal (dump_counts.c)."""

    def __init__(self, site: str, folder: Path, library: Path, options: Sequence[str]) -> None:
        self._folder = folder
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        valgrind = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={folder}/%p"]
        self._server = subprocess.Popen(
            [*valgrind, sys.executable, "-m", "fastfile", *OPTIONS, *options, site],
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.environ.get("PYTHONPATH", os.getcwd()),
                "LD_PRELOAD": str(library),
            },
        )
        self.port = self._read_port()
        (self.worker,) = filter(is_worker, process_tree(self._server.pid)[1:])
        self._dumps = 0

    def stop(self) -> None:
        self._server.send_signal(signal.SIGTERM)
        self._server.wait()
        self._output.close()

    def take(self) -> int:
        """Return the instructions of the worker since the last call."""
        self._dumps += 1
        dump = self._folder / f"{self.worker}.{self._dumps}"
        os.kill(self.worker, signal.SIGRTMIN + 7)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            totals = re.findall(r"(?m)^totals: (\d+)", dump.read_text()) if dump.exists() else []
            if totals:
                return int(totals[0])
            if time.monotonic() > deadline_s:
                raise SystemExit(f"the worker wrote no counts:\n{self._printed()}")
            time.sleep(0.01)

    def _printed(self) -> str:
        return os.pread(self._output.fileno(), 65536, 0).decode(errors="replace")

    def _read_port(self) -> int:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            port = PORT_LINE.search(self._printed())
            if port:
                return int(port[1])
            if self._server.poll() is not None or time.monotonic() > deadline_s:
                raise SystemExit(f"the server did not start:\n{self._printed()}")
            time.sleep(0.05)


def is_worker(pid: int) -> bool:
    return b"fastfile.follower" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def publish(site: Path, store: Path) -> str:
    """Publish a folder's files. Return the address of the store."""
    address = store.as_uri()
    subprocess.run([sys.executable, "-m", "fastfile", "publish", str(site), address], check=True)
    return address


def file_of(number: int) -> bytes:
    return b"/files/%d/page-%d.js" % (number // FOLDER, number)


def make_distinct(site: Path, files: int) -> None:
    for number in range(files):
        for path in (file_of(number).decode(), f"/pages/{number}/index.html"):
            file = Path(f"{site}{path}")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"%d\n" % number)


def ask(client: Client, case: str, requests: int) -> None:
    for first in range(0, requests, TOGETHER):
        client.send([CASES[case](client, number) for number in range(first, min(first + TOGETHER, requests))])


def compile_library(folder: Path) -> Path:
    source = Path(__file__).with_name("dump_counts.c")
    library = folder / "dump_counts.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


def measure(server: Counted, case: str, send: Callable[[int], None], requests: int) -> None:
    """Print the instructions of a case: ``send`` sends a number of requests, and reads their responses."""
    counts = []
    for _ in range(ROUNDS):
        server.take()
        send(requests)
        counts.append(server.take())
    # The minimum, because a round may include a tick or a garbage collection.
    print(f"{case:<12} {min(counts) / requests:>8.0f} instructions a request", flush=True)


def measure_plain(server: Counted, cases: Sequence[str], requests: int) -> None:
    client = Client(server.port, server.worker)
    for case in cases:
        ask(client, case, WARM_UP)
    for case in cases:
        measure(server, case, partial(ask, client, case), requests)
    client.close()


def measure_clients(known: dict[str, SecureCase], server: Counted, cases: Sequence[str], requests: int) -> None:
    for case in cases:
        client = known[case].make_client(server.port)
        send = partial(known[case].send, client)
        send(WARM_UP)
        measure(server, case, send, requests)
        client.close()


def main() -> None:
    known = [*CASES, *PLAIN_HTTP2_CASES, *SECURE_CASES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(known)}; all unless given")
    parser.add_argument("--requests", type=int, default=320, help="of each round of a case")
    parser.add_argument("--release", action="store_true", help="serve the files from a release, not from their folder")
    parser.add_argument("--folder", type=Path, help="keeps callgrind's files, for callgrind_annotate")
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - set(known)
    if unknown:
        parser.error(f"unknown case: {', '.join(sorted(unknown))}")
    cases = arguments.cases or known
    with (
        tempfile.TemporaryDirectory() as site,
        tempfile.TemporaryDirectory() as store,
        tempfile.TemporaryDirectory() as counts,
    ):
        for name, size in (("small", SMALL), ("large", LARGE), ("100k", SECURE_LARGE)):
            Path(site, name).write_bytes(os.urandom(size))
        make_distinct(Path(site), FOLDER + 3 * (WARM_UP + ROUNDS * arguments.requests))
        served = publish(Path(site), Path(store)) if arguments.release else site
        folder = arguments.folder or Path(counts)
        library = compile_library(folder)
        certificate, key = make_certificate(folder)
        secure = ["--tls-cert", str(certificate), "--tls-key", str(key)]
        for known_cases, options, run in (
            (CASES, [], measure_plain),
            (PLAIN_HTTP2_CASES, [], partial(measure_clients, PLAIN_HTTP2_CASES)),
            (SECURE_CASES, secure, partial(measure_clients, SECURE_CASES)),
        ):
            chosen = [case for case in cases if case in known_cases]
            if not chosen:
                continue
            server = Counted(served, folder, library, options)
            try:
                run(server, chosen, arguments.requests)
            finally:
                server.stop()


if __name__ == "__main__":
    main()
