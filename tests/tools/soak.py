"""A server under everything at once, for half an hour or a given time: ``make soak SECONDS=60``.

Good clients, half of them over TLS and half of them in HTTP/2, check every byte, malformed ones do their worst, files
change under both; meanwhile an operator kills and stops workers, reloads and rotates logs. It ends with status 1 and
the reason if a byte was wrong, a response was lost without a killed worker, or memory or descriptors grew.
docs/reliability.md has the figures of a run.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from support.activation import serve_given
from support.certificates import make_pair
from support.http2peer import GET, Peer, frames
from support.rawclient import RawClient, Received
from support.serverprocess import ServerProcess, processes

WORKERS = 3
SIZES = (0, 700, 5_000, 60_000, 70_000, 1_500_000)
PERIOD_S = 3.0  # between two actions of the operator
HEARTBEAT_S = 1.0
REQUESTS = 60  # of one good connection
RUDE = (
    b"GET / HTTP/1.1\r\nHo",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
    b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    b"GET /../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"GET /5-0 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=" + b",".join(b"%d-" % n for n in range(200)) + b"\r\n\r\n",
    b"GET /5-0 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100,
)


# Lines on standard error that the operator and the malformed clients cause.
EXPECTED = (" ended: ", "reloaded the settings", "got a TLS handshake on a plain HTTP port")
CANCEL = 8  # of HTTP/2


class Lost(Exception):
    """The connection ended before the response did."""


class GoneAway(Exception):
    """The server has ended an HTTP/2 connection with GOAWAY, and did not take the request."""


class Http2Client:
    """Has the interface of RawClient. Each request may have others beside it, which are cancelled."""

    def __init__(self, connection: socket.socket, chance: random.Random) -> None:
        self._peer = Peer(connection)
        self._chance = chance
        self._stream_id = -1

    def __enter__(self) -> Http2Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._peer.connection.close()

    def send(self, target: str, method: str = "GET", *lines: str) -> None:
        fields = [tuple(part.strip().encode() for part in line.split(":", 1)) for line in lines]
        fields = [(name.lower(), value) for name, value in fields]
        cancelled = []
        if self._chance.random() < 0.2:
            for name in ("/5-0", "/1-0", "/5-1"):
                self._peer.ask(self._next_id(), name.encode())
                cancelled.append(self._stream_id)
        request = ((b":method", method.encode()), GET[1], (b":path", target.encode()), GET[3], *fields)
        resets = [frames.RstStreamFrame(each, error_code=CANCEL) for each in cancelled]
        self._peer.send(self._peer.headers(self._next_id(), request), *resets)

    def receive(self, method: str = "GET") -> Received:
        peer, stream_id = self._peer, self._stream_id
        response = peer.wait(stream_id)
        peer.responses.clear()
        if response.ended and response.status:
            fields = {**response.fields, "connection": "keep-alive" if peer.goaway is None else "close"}
            return Received(response.status, fields, response.body)
        if peer.goaway == 0 and not response.status:
            raise GoneAway
        assert response.reset is None or response.reset == CANCEL, f"reset by {response.reset}"
        raise Lost

    def _next_id(self) -> int:
        self._stream_id += 2
        return self._stream_id


def make_content(name: str, version: int) -> bytes:
    """Return the content of a version of a file: every line names the version, so a mixture is recognised."""
    line = b"%b version %012d\n" % (name.encode(), version)
    size = SIZES[int(name.partition("-")[0])]
    return (line * (size // len(line) + 1))[:size]


class Soak:
    """The state that all threads share. ``wrong`` lists errors; ``lost`` has the times of lost connections."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "dist"
        self.root.mkdir()
        self.log = folder / "log"
        self.names = [f"{number}-{copy}" for number in range(len(SIZES)) for copy in range(5)]
        self.versions = dict.fromkeys(self.names, 0)
        for name in self.names:
            (self.root / name).write_bytes(make_content(name, 0))
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.lost: list[tuple[float, float]] = []
        self.deaths: list[tuple[float, float]] = []  # from when to when a worker died
        self.contents: dict[tuple[str, str], int] = {}  # what each entity tag stood for
        self.is_over = threading.Event()
        arguments = ["--workers", str(WORKERS), "--log-file", str(self.log), "--log-format", "json"]
        arguments += ["--heartbeat-timeout", str(HEARTBEAT_S), "--head-timeout", "2", "--health", "/healthz"]
        arguments += ["--metrics", f"unix:{folder}/metrics"]
        # As a service manager gives them: TLS on the TCP socket, plain HTTP on the Unix socket, the same workers.
        pair = make_pair(folder)
        self.clients = {False: pair.client(), True: pair.client(("h2",))}
        self.path = os.fspath(folder / "socket")
        self.server = serve_given([*arguments, *pair.options(), str(self.root)], self.path)

    def connect(self) -> socket.socket:
        """Connect to the Unix socket."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        connection.connect(self.path)
        return connection

    def connect_securely(self, is_http2: bool) -> ssl.SSLSocket:
        plain = self.server.connect()
        try:
            return self.clients[is_http2].wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
        except BaseException:
            plain.close()
            raise

    def thread(self, deed: Callable[[random.Random], None], seed: int) -> threading.Thread:
        """Return a thread that repeats an action; its exceptions are kept."""
        chance = random.Random(seed)

        def run() -> None:
            while not self.is_over.is_set() and not self.wrong:
                try:
                    deed(chance)
                except Exception:
                    self.wrong.append(traceback.format_exc())

        return threading.Thread(target=run)

    # Good clients

    def be_good(self, chance: random.Random) -> None:
        began_s = time.monotonic()
        try:
            is_secure, is_http2 = chance.random() < 0.5, chance.random() < 0.5
            connection = self.connect_securely(is_http2) if is_secure else self.connect()
            with Http2Client(connection, chance) if is_http2 else RawClient(connection) as client:
                self.counts[f"HTTP/{1 + is_http2}{' over TLS' if is_secure else ''}"] += 1
                for _ in range(REQUESTS):
                    if self.is_over.is_set() or not self.ask(client, chance):
                        return
        except GoneAway:
            self.counts["gone away"] += 1
        except (Lost, ConnectionResetError, BrokenPipeError, TimeoutError, ssl.SSLError):
            self.lost.append((began_s, time.monotonic()))

    def ask(self, client: RawClient | Http2Client, chance: random.Random) -> bool:
        """Send a request and check the whole response; False if the server closes the connection, as announced."""
        name = chance.choice(self.names)
        kind = chance.choice(("plain", "plain", "plain", "head", "range", "condition", "health", "missing"))
        start = chance.randrange(2000)
        fields = {"range": [f"Range: bytes={start}-{start + 900}"], "condition": ['If-None-Match: "other"']}
        target = {"health": "/healthz", "missing": "/nothing"}.get(kind, f"/{name}")
        method = "HEAD" if kind == "head" else "GET"
        client.send(target, method, *fields.get(kind, []))
        response = receive(client, method)
        self.counts[kind] += 1
        if kind == "health":
            assert (response.status, response.body) == (200, b"ok\n"), response
        elif kind == "missing":
            assert response.status == 404, response
        elif response.status != 404:  # the file is missing at the moment
            self.check(name, kind, response, start)
        return "close" not in response.fields.get("connection", "")

    def check(self, name: str, kind: str, response: Received, start: int) -> None:
        size = SIZES[int(name.partition("-")[0])]
        if kind == "range" and start >= size > 0:
            assert response.status == 416, response.status
            return
        ranged = kind == "range" and size > 0
        assert response.status == (206 if ranged else 200), response.status
        if kind == "head":
            assert int(response.fields["content-length"]) == size
            return
        first, last = (start, min(start + 900, size - 1)) if ranged else (0, size - 1)
        # Its version is on every line of it: 12 digits before a line's end.
        line_size = len(make_content("1-0", 0).partition(b"\n")[0]) + 1
        version = self.version_in(response.body, first, line_size)
        if version is not None:
            assert response.body == make_content(name, version)[first : last + 1], f"{name} is a mixture"
            assert version <= self.versions[name]
            known = self.contents.setdefault((name, response.fields["etag"]), version)
            assert known == version, f"{name}: one entity tag for versions {known} and {version}"
        self.counts["bytes"] += len(response.body)

    @staticmethod
    def version_in(body: bytes, first: int, line_size: int) -> int | None:
        begin = -first % line_size
        line = body[begin : begin + line_size]
        return int(line.split()[2]) if len(line) == line_size else None

    # Malformed clients

    def be_rude(self, chance: random.Random) -> None:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError, TimeoutError):
            with self.server.connect() if chance.random() < 0.5 else self.connect() as connection:
                for _ in range(chance.randrange(1, 4)):
                    connection.sendall(chance.choice(RUDE))
                way = chance.randrange(4)
                if way == 0:  # gone by a reset
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                elif way == 1:  # looks at a little of it
                    connection.recv(100)
                elif way == 2:  # waits to be thrown out, a while
                    connection.settimeout(0.5)
                    while data := connection.recv(65536):
                        assert b"root:" not in data
            self.counts["rude"] += 1

    # Files change

    def change(self, chance: random.Random) -> None:
        self.is_over.wait(0.02)
        name = chance.choice(self.names)
        if chance.random() < 0.1:
            (self.root / name).unlink()
            self.is_over.wait(0.01)
        self.versions[name] += 1
        fresh = self.root.parent / "fresh"
        fresh.write_bytes(make_content(name, self.versions[name]))
        fresh.rename(self.root / name)
        self.counts["changes"] += 1

    # The operator

    def operate(self, chance: random.Random) -> None:
        self.is_over.wait(PERIOD_S)
        if self.is_over.is_set():
            return
        deed = chance.choice(("kill", "stop", "reload", "reload", "rotate"))
        self.counts[deed] += 1
        if deed == "reload":
            self.server.signal(signal.SIGHUP)
        elif deed == "rotate":
            self.log.rename(self.log.with_suffix(".1"))
            self.server.signal(signal.SIGUSR1)
        else:
            began_s = time.monotonic()
            victim = chance.choice(self.server.wait_for_workers(WORKERS))
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL if deed == "kill" else signal.SIGSTOP)
            deadline_s = began_s + HEARTBEAT_S + 10
            while victim in self.server.worker_pids():
                assert time.monotonic() < deadline_s, f"worker {victim} is still there {deed}"
                self.is_over.wait(0.01)
            self.deaths.append((began_s, time.monotonic()))

    def unexcused(self) -> list[tuple[float, float]]:
        """Return the connections that were lost although no worker died during them."""
        return [
            (made_s, lost_s)
            for made_s, lost_s in self.lost
            if not any(made_s <= end_s and begin_s <= lost_s for begin_s, end_s in self.deaths)
        ]


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def receive(client: RawClient | Http2Client, method: str) -> Received:
    try:
        return client.receive(method)
    except AssertionError as error:
        if "closed within a response" in str(error):
            raise Lost from None
        raise


class Gauge:
    """The most memory and descriptors of the supervisor and of any worker, for each tenth of the run."""

    def __init__(self, seconds: float) -> None:
        self.began_s = time.monotonic()
        self.seconds = seconds
        self.most: list[Counter[str]] = [Counter() for _ in range(10)]

    def look(self, server: ServerProcess) -> None:
        tenth = self.most[min(9, int((time.monotonic() - self.began_s) / self.seconds * 10))]
        for pid in (server.pid, *server.worker_pids()):
            kind = "supervisor" if pid == server.pid else "worker"
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                tenth[f"{kind} descriptors"] = max(tenth[f"{kind} descriptors"], len(os.listdir(f"/proc/{pid}/fd")))
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                tenth[f"{kind} KiB"] = max(tenth[f"{kind} KiB"], pages * os.sysconf("SC_PAGE_SIZE") // 1024)

    def growth(self) -> list[str]:
        """Return the growth of the last third over the one after the start, beyond noise."""
        found = []
        for name in sorted(self.most[0]):
            before, after = (max(tenth[name] for tenth in part) for part in (self.most[1:4], self.most[7:]))
            slack = 4096 if name.endswith("KiB") else 24
            if after > before * 1.1 + slack:
                found.append(f"{name} grew from {before} to {after}")
        return found


def soak(seconds: float, folder: Path) -> list[str]:
    """Run it, print the figures, and return the errors."""
    run = Soak(folder)
    gauge = Gauge(seconds)
    deeds = [run.be_good] * 6 + [run.be_rude] * 2 + [run.change, run.operate]
    threads = [run.thread(deed, seed) for seed, deed in enumerate(deeds)]
    for thread in threads:
        thread.start()
    while time.monotonic() - gauge.began_s < seconds and not run.wrong:
        gauge.look(run.server)
        run.is_over.wait(0.5)
    run.is_over.set()
    for thread in threads:
        thread.join()
    run.server.wait_for_workers(WORKERS)
    zombies = [each.pid for each in processes() if each.parent == run.server.pid and each.state == "Z"]
    status = run.server.stop()
    errors = run.server.stderr.splitlines()
    for name, count in sorted(run.counts.items()):
        say(f"{name:12} {count}")
    say(f"lost         {len(run.lost)} connections, {len(run.unexcused())} of them to no killed worker")
    for name in sorted(gauge.most[0]):
        say(f"{name:24} " + " ".join(str(tenth[name]) for tenth in gauge.most))
    strange = [line for line in errors if not any(part in line for part in EXPECTED)]
    problems = [*run.wrong, *gauge.growth(), *strange]
    problems += [f"exit status {status}"] if status else []
    problems += [f"zombies {zombies}"] if zombies else []
    return problems + [f"a connection was lost without reason: {lost}" for lost in run.unexcused()]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        problems = soak(float(sys.argv[1]) if len(sys.argv) > 1 else 1800.0, Path(temporary))
    say("\n".join(problems) or "nothing was wrong")
    sys.exit(1 if problems else 0)
