"""`python -m benchmarks.embedding`: what static files cost inside an ASGI server, beside Starlette and servestatic.

For each server, the processor time of one request for a file of 1 KiB, less that of a bare "hello" of the same server,
in one run and in turns; and the processor time and memory of a file of 10 MiB.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

APPLICATIONS = ("hello", "fastfile", "starlette", "servestatic")
SERVERS = ("uvicorn", "granian")
SMALL, LARGE = 1024, 10 << 20
CONNECTIONS = 8


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """The least application: the floor of each server."""
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    headers = [(b"content-length", b"1024"), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * SMALL})


def make_application() -> Any:
    """Return the application that the environment names."""
    name, root = os.environ["BENCHMARK_APP"], os.environ["BENCHMARK_ROOT"]
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

        return ServeStaticASGI(hello, root=root)
    return hello


def serve(server: str, port: int) -> None:
    """Run a server of one process."""
    target = "benchmarks.embedding:make_application"
    if server == "uvicorn":
        import uvicorn

        uvicorn.run(target, factory=True, port=port, access_log=False, log_level="error", loop="uvloop")
    else:
        from granian import Granian
        from granian.constants import Interfaces

        Granian(target, port=port, interface=Interfaces.ASGI, factory=True, log_enabled=False).serve()


@contextlib.contextmanager
def running(server: str, application: str, root: Path) -> Iterator[tuple[int, int]]:
    """Run a server; its port and the id of its process group."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "BENCHMARK_APP": application, "BENCHMARK_ROOT": str(root)}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.embedding", "--serve", server, str(port)],
        env=environment,
        start_new_session=True,
    )
    try:
        while True:
            with contextlib.suppress(OSError):
                asyncio.run(load(port, "/small.txt", 1))
                break
            if process.poll() is not None:
                raise SystemExit(f"{server} with {application} does not start")
            time.sleep(0.05)
        yield port, process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


async def load(port: int, target: str, count: int) -> None:
    """Request a target so many times on some connections."""

    async def one(times: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = (
            f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip, br\r\nAccept: */*\r\n\r\n".encode()
        )
        for _ in range(times):
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert b" 200 " in head.split(b"\r\n")[0], head
            left = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
            while left:
                left -= len(await reader.read(min(left, 1 << 20)))
        writer.close()

    await asyncio.gather(*(one(max(1, count // CONNECTIONS)) for _ in range(min(count, CONNECTIONS))))


def spent_s(group: int) -> float:
    """Return the processor time of the processes of a group."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def peak_mib(group: int) -> float:
    """Return the most memory that one process of a group has had."""
    most = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, StopIteration):
            if int(path.read_text().rpartition(")")[2].split()[2]) == group:
                lines = path.with_name("status").read_text().splitlines()
                most = max(most, int(next(line for line in lines if line.startswith("VmHWM")).split()[1]))
    return most / 1024


def measure(root: Path, rounds: int, requests: int) -> None:
    """Measure in turns, and print a table."""
    small: dict[tuple[str, str], list[float]] = {}
    large: dict[tuple[str, str], list[float]] = {}
    peaks: dict[tuple[str, str], float] = {}
    for server in SERVERS:
        with contextlib.ExitStack() as stack:
            hosts = {name: stack.enter_context(running(server, name, root)) for name in APPLICATIONS}
            for port, _ in hosts.values():
                asyncio.run(load(port, "/small.txt", requests // 4))
            for _ in range(rounds):
                for name, (port, group) in hosts.items():
                    before = spent_s(group)
                    asyncio.run(load(port, "/small.txt", requests))
                    small.setdefault((server, name), []).append((spent_s(group) - before) / requests * 1e6)
                for name in APPLICATIONS[1:]:
                    port, group = hosts[name]
                    before = spent_s(group)
                    asyncio.run(load(port, "/large.bin", 32))
                    large.setdefault((server, name), []).append((spent_s(group) - before) / 32 * 1e3)
                    peaks[server, name] = peak_mib(group)
    print("| server | application | 1 KiB, µs | above hello, µs | 10 MiB, ms | peak memory, MiB |")
    print("|---|---|---|---|---|---|")
    for (server, name), values in small.items():
        micros = statistics.median(values)
        share = micros - statistics.median(small[server, "hello"])
        rest = "– | –"
        if name != "hello":
            rest = f"{statistics.median(large[server, name]):.1f} | {peaks[server, name]:.1f}"
        print(f"| {server} | {name} | {micros:.1f} | {share:.1f} | {rest} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedding", description=__doc__)
    parser.add_argument("--serve", nargs=2, metavar=("SERVER", "PORT"), help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4000, help="in each turn")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve[0], int(arguments.serve[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "small.txt").write_bytes(b"x" * SMALL)
        (root / "large.bin").write_bytes(bytes(LARGE))
        measure(root, arguments.rounds, arguments.requests)


if __name__ == "__main__":
    main()
