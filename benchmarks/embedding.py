"""`python -m benchmarks.embedding`: what static files cost inside a Python web server, beside other packages.

A server runs all applications in one process and one thread of Python; a request switches between them, and returns the
processor time of the process. Each round measures a few requests of every application, in turns, first for a file of
1 KiB, then for one of 10 MiB. An application's share is the median of the differences to "hello" in the same round, so
a slowdown of a whole round cancels out. The requests of a batch arrive at once, one on each connection.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from fastfile import WHY_PURE

ASGI, WSGI = ("hello", "fastfile", "starlette", "servestatic"), ("hello", "fastfile", "whitenoise")
SERVERS = {
    "uvicorn": ASGI,
    "hypercorn": ASGI,
    "granian": ASGI,
    "gunicorn": WSGI,
    "waitress": WSGI,
    "aiohttp": ("hello", "add_static"),
}
SMALL, LARGE = 1024, 10 << 20
KEEP_ALIVE_S = 600  # a connection has to outlive the turns of all applications, on a slow machine too
TIMEOUT_S = 30.0  # for a start, a response, and an end
CONNECTIONS = 8
SWITCH = "/-/"
Application = Callable[..., Any]


async def hello_asgi(scope: Any, receive: Any, send: Any) -> None:
    """The least ASGI application: the floor of each server."""
    headers = [(b"content-length", b"1024"), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * SMALL})


def hello_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    """The least WSGI application."""
    start_response("200 OK", [("Content-Length", "1024"), ("Content-Type", "text/plain")])
    return [b"x" * SMALL]


def make_asgi(name: str, root: str) -> Application:
    if name == "fastfile":
        from fastfile.asgi import StaticFiles

        return StaticFiles(root)
    if name == "starlette":
        from starlette.applications import Starlette
        from starlette.routing import Mount
        from starlette.staticfiles import StaticFiles as StarletteFiles

        return Starlette(routes=[Mount("/", StarletteFiles(directory=root))])
    if name == "servestatic":
        from servestatic import ServeStaticASGI

        return ServeStaticASGI(hello_asgi, root=root)
    return hello_asgi


def make_wsgi(name: str, root: str) -> Application:
    if name == "fastfile":
        from fastfile.wsgi import StaticFiles

        return StaticFiles(root)
    if name == "whitenoise":
        from whitenoise import WhiteNoise

        return WhiteNoise(hello_wsgi, root=root)
    return hello_wsgi


def spent() -> bytes:
    """Return the processor time of this process, in seconds."""
    return str(time.process_time()).encode()


def make_switch_asgi() -> Application:
    """Return an application that is one of the others, until a request names another one."""
    applications = {name: make_asgi(name, os.environ["BENCHMARK_ROOT"]) for name in ASGI}
    current = applications["hello"]

    async def switch(scope: Any, receive: Any, send: Any) -> None:
        nonlocal current
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
        elif scope["path"].startswith(SWITCH):
            current = applications[scope["path"].removeprefix(SWITCH)]
            content = spent()
            headers = [(b"content-length", str(len(content)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": content})
        else:
            await current(scope, receive, send)

    return switch


def make_switch_wsgi() -> Application:
    """Return the same for WSGI."""
    applications = {name: make_wsgi(name, os.environ["BENCHMARK_ROOT"]) for name in WSGI}
    current = applications["hello"]

    def switch(environ: Any, start_response: Any) -> Any:
        nonlocal current
        if environ["PATH_INFO"].startswith(SWITCH):
            current = applications[environ["PATH_INFO"].removeprefix(SWITCH)]
            content = spent()
            start_response("200 OK", [("Content-Length", str(len(content)))])
            return [content]
        return current(environ, start_response)

    return switch


def serve_aiohttp(port: int) -> None:
    """Run aiohttp, whose static files work only on its own server."""
    from aiohttp import web

    async def hello(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * SMALL, content_type="text/plain")

    async def switch(request: web.Request) -> web.Response:
        return web.Response(body=spent())

    application = web.Application()
    application.router.add_get("/hello/small.txt", hello)
    application.router.add_get(SWITCH + "{name}", switch)
    application.router.add_static("/add_static", os.environ["BENCHMARK_ROOT"])
    keep = {"keepalive_timeout": KEEP_ALIVE_S}
    web.run_app(application, host="127.0.0.1", port=port, access_log=None, print=None, **keep)


def serve(server: str, port: int) -> None:
    """Run a server that has one process for requests."""
    asgi, wsgi = "benchmarks.embedding:make_switch_asgi", "benchmarks.embedding:make_switch_wsgi()"
    if server == "uvicorn":
        import uvicorn

        keep = {"timeout_keep_alive": KEEP_ALIVE_S}
        uvicorn.run(asgi, factory=True, port=port, access_log=False, log_level="error", loop="uvloop", **keep)
    elif server == "hypercorn":
        import asyncio

        import hypercorn.asyncio

        config = hypercorn.Config()
        config.bind = [f"127.0.0.1:{port}"]
        config.keep_alive_timeout = KEEP_ALIVE_S
        config.keep_alive_max_requests = sys.maxsize  # by default it closes a connection after 1,000
        asyncio.run(hypercorn.asyncio.serve(make_switch_asgi(), config))
    elif server == "granian":
        from granian import Granian
        from granian.constants import Interfaces

        Granian(asgi, port=port, interface=Interfaces.ASGI, factory=True, log_enabled=False).serve()
    elif server == "gunicorn":
        options = ("--threads", str(CONNECTIONS + 1), "--keep-alive", str(KEEP_ALIVE_S))
        os.execvp(sys.executable, [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", *options, wsgi])
    elif server == "waitress":
        import waitress

        keep = {"channel_timeout": KEEP_ALIVE_S}
        waitress.serve(make_switch_wsgi(), host="127.0.0.1", port=port, threads=CONNECTIONS, **keep)
    else:
        serve_aiohttp(port)


class Clients:
    """Some connections to a server, used at once."""

    def __init__(self, port: int, server: str) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port), TIMEOUT_S) for _ in range(CONNECTIONS)]
        for client in self._sockets:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._has_paths = server == "aiohttp"  # its applications have paths of their own

    def request(self, target: str, count: int) -> bytes:
        """Request a target so many times at once; return the last body."""
        message = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip, br\r\nAccept: */*\r\n\r\n"
        content = b""
        clients = self._sockets[:count]
        for client in clients:
            client.sendall(message.encode())
        for client in clients:
            content = receive_response(client)
        return content

    def measure(self, application: str, name: str, batches: int, count: int = CONNECTIONS) -> float:
        """Return the processor time of one request for a file, in seconds."""
        target = f"/{application}/{name}" if self._has_paths else f"/{name}"
        before = float(self.request(SWITCH + application, 1))
        for _ in range(batches):
            self.request(target, count)
        return (float(self.request(SWITCH + application, 1)) - before) / batches / count

    def close(self) -> None:
        for client in self._sockets:
            client.close()


def receive_response(client: socket.socket) -> bytes:
    """Return the body of a response with a Content-Length, or its beginning if it is large."""
    received = receive(client, 1 << 16)
    while b"\r\n\r\n" not in received:
        received += receive(client, 1 << 16)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0], head
    left = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) - len(body)
    while left:
        more = receive(client, min(left, 1 << 20))
        left -= len(more)
        if left == 0 and len(body) < 1 << 16:
            body += more
    return body


def receive(client: socket.socket, size: int) -> bytes:
    """Return some bytes. Raises EOFError if the server has closed the connection."""
    received = client.recv(size)
    if not received:
        raise EOFError("the server closed a connection")
    return received


def connect(server: str, port: int, process: subprocess.Popen[bytes], errors: IO[bytes]) -> Clients:
    """Return connections to a server that is starting."""
    deadline = time.monotonic() + TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            return Clients(port, server)
        time.sleep(0.05)
    errors.seek(0)
    lines = errors.read().decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "no output")
    raise SystemExit(f"{server} does not start: {last}")


@contextlib.contextmanager
def running(server: str, root: Path) -> Iterator[Clients]:
    """Run a server, with connections to it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.embedding", "--serve", server, str(port)],
            env={**os.environ, "BENCHMARK_ROOT": str(root)},
            stderr=errors,
            start_new_session=True,
        )
        try:
            with contextlib.closing(connect(server, port, process, errors)) as clients:
                yield clients
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server with its processes, which may have ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(TIMEOUT_S)
            return


def measure(server: str, root: Path, rounds: int, batches: int) -> None:
    """Measure one server, and print its rows."""
    names = SERVERS[server]
    small: dict[str, list[float]] = {name: [] for name in names}
    large: dict[str, list[float]] = {name: [] for name in names}
    with running(server, root) as clients:
        for name in names:  # caches fill, and connections reach their buffer sizes
            clients.measure(name, "small.txt", batches)
        for _ in range(rounds):
            for name in names:
                small[name].append(clients.measure(name, "small.txt", batches) * 1e6)
        for _ in range(max(3, rounds // 4)):
            for name in names[1:]:
                large[name].append(clients.measure(name, "large.bin", 4, 1) * 1e3)
    for name in names:
        micros = statistics.median(small[name])
        if name == "hello":
            print(f"| {server} | hello | {micros:.1f} | – | – |")
            continue
        shares = [spent - floor for spent, floor in zip(small[name], small["hello"], strict=True)]
        low, share, high = statistics.quantiles(shares, n=4)
        row = f"{micros:.1f} | {share:.1f} ({low:.1f} to {high:.1f}) | {statistics.median(large[name]):.1f}"
        print(f"| {server} | {name} | {row} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedding", description=__doc__)
    parser.add_argument("--serve", nargs=2, metavar=("SERVER", "PORT"), help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--batches", type=int, default=25, help=f"of {CONNECTIONS} requests, for each application")
    parser.add_argument("servers", nargs="*", default=list(SERVERS), metavar="server", help=", ".join(SERVERS))
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve[0], int(arguments.serve[1]))
        return
    if WHY_PURE:
        print(f"measuring pure Python: {WHY_PURE}; `make build` compiles the checkout", file=sys.stderr)
    print("| server | application | 1 KiB, µs | above hello, µs (middle half) | 10 MiB, ms |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "small.txt").write_bytes(b"x" * SMALL)
        (root / "large.bin").write_bytes(bytes(LARGE))
        for server in arguments.servers:
            measure(server, root, arguments.rounds, arguments.batches)


if __name__ == "__main__":
    main()
