"""One request by hand, to check a server's response, and a run of wrk or h2load, to count its responses."""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import h2load
from benchmarks.scenarios import ETAG, Scenario

SCRIPTS = Path(__file__).parent / "wrk"
DOWNLOADED = "/100m.bin"
ANSWER_TIMEOUT_S = 10.0
WRK_TIMEOUT_S = 20.0
# From this body length on, a run has too few whole responses: bytes are counted instead.
COUNT_BYTES_FROM = 1024 * 1024


class WrongAnswerError(Exception):
    """The server, or the run, did not do what the scenario needs; the text says what it did."""


class Entry(NamedTuple):
    status: int
    fields: dict[str, str]
    head_size: int
    body_size: int


class Load(NamedTuple):
    requests: float
    duration_s: float
    p50_us: int
    p99_us: int


def connect(port: int, tls: bool) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_S)
    return unverified().wrap_socket(client) if tls else client


def unverified() -> ssl.SSLContext:
    """Return the context of a client that takes any certificate, as wrk does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def fetch(port: int, path: str, fields: Sequence[str] = (), tls: bool = False) -> Entry:
    """Send one request over a raw socket."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *fields, "", ""]
    with connect(port, tls) as client:
        client.sendall("\r\n".join(lines).encode("ascii"))
        received = b""
        while b"\r\n\r\n" not in received:
            part = client.recv(65536)
            if not part:
                raise WrongAnswerError("closed the connection before its answer")
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        status_line, *field_lines = head.decode("latin-1").split("\r\n")
        status = int(status_line.split(" ")[1])
        named = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in field_lines)}
        if named.get("transfer-encoding") == "chunked":
            size = read_chunked(client, body)
        else:
            # A 304 has no body, whatever its Content-Length (RFC 9110, 8.6).
            length = "0" if status == 304 else named.get("content-length")
            size = read_body(client, len(body), None if length is None else int(length))
    return Entry(status, named, len(head) + 4, size)


def read_body(client: socket.socket, size: int, length: int | None) -> int:
    """Read to `length`, or to the end of the stream, and return the total; `size` bytes are already read."""
    while length is None or size < length:
        part = client.recv(1 << 20)
        if not part:
            break
        size += len(part)
    return size


def read_chunked(client: socket.socket, received: bytes) -> int:
    """Return the length of the content of a chunked body, whose beginning is already read."""
    while not received.endswith(b"0\r\n\r\n"):
        part = client.recv(1 << 20)
        if not part:
            raise WrongAnswerError("closed the connection within a chunked body")
        received += part
    total = 0
    while size := int(received.partition(b"\r\n")[0].partition(b";")[0], 16):
        total += size
        received = received[received.index(b"\r\n") + 2 + size + 2 :]
    return total


def check_answer(scenario: Scenario, port: int, path: str) -> tuple[list[str], Entry]:
    """Return the scenario's fields, filled in for this server, and its response to them.

    Raises WrongAnswerError for an unexpected response.
    """
    fields = list(scenario.fields)
    if scenario.streams:
        summary = run_h2load(scenario, port, path, fields, seconds=0, core=min(os.sched_getaffinity(0)))
        answer = Entry(scenario.status, {}, 0, int(summary["bytes"]))
        if summary["requests"] != 1 or summary["status"] or answer.body_size != scenario.body:
            raise WrongAnswerError(f"sends a body of {answer.body_size} bytes")
        return fields, answer
    if any(ETAG in field for field in fields):
        etag = fetch(port, path, tls=scenario.tls).fields.get("etag")
        if etag is None:
            raise WrongAnswerError("sends no ETag")
        fields = [field.replace(ETAG, etag) for field in fields]
    answer = fetch(port, path, fields, scenario.tls)
    if answer.status != scenario.status:
        raise WrongAnswerError(f"answers {answer.status}")
    if scenario.body is not None and answer.body_size != scenario.body:
        coding = answer.fields.get("content-encoding", "no coding")
        raise WrongAnswerError(f"sends a body of {answer.body_size} bytes ({coding})")
    return fields, answer


def run_h2load(
    scenario: Scenario, port: int, path: str, fields: Sequence[str], *, seconds: float, core: int
) -> dict[str, float]:
    try:
        return h2load.run(scenario, port, path, fields, seconds=seconds, core=core)
    except (h2load.ReportError, subprocess.TimeoutExpired) as error:
        raise WrongAnswerError(f"h2load said: {error}") from None


def run_load(
    scenario: Scenario, port: int, path: str, fields: Sequence[str], *, seconds: float, core: int
) -> dict[str, float]:
    """Load the server from `core` with the program that the scenario needs, and return its summary, without checks."""
    run = run_h2load if scenario.streams else run_wrk
    return run(scenario, port, path, fields, seconds=seconds, core=core)


def run_wrk(
    scenario: Scenario, port: int, path: str, fields: Sequence[str], *, seconds: float, core: int
) -> dict[str, float]:
    """Load the server from `core` and return wrk's own summary, without checks."""
    # wrk accepts only whole seconds: it gets more and is stopped by SIGINT, after which it reports as usual.
    command = ["wrk", "-t1", f"-c{scenario.connections}", f"-d{int(seconds) + 5}s"]
    command += ["-s", str(SCRIPTS / scenario.script)]
    for field in fields:
        command += ["-H", field]
    command.append(f"{'https' if scenario.tls else 'http'}://127.0.0.1:{port}{path}")
    if scenario.handshakes:
        command = [sys.executable, "-m", "benchmarks.handshakes", str(port), path, scenario.handshakes, str(seconds)]
    process = subprocess.Popen(
        command,
        cwd=SCRIPTS.parent.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        # handshakes.py ends by itself, after the time that Python takes to start.
        output = process.communicate(timeout=WRK_TIMEOUT_S if scenario.handshakes else seconds)[0]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=WRK_TIMEOUT_S)[0]
    for line in output.splitlines():
        if line.startswith("SUMMARY "):
            return json.loads(line.removeprefix("SUMMARY "))
    raise WrongAnswerError(f"wrk said: {output.strip()[-200:]}")


@contextlib.contextmanager
def run_downloads(scenario: Scenario, port: int, *, core: int) -> Iterator[None]:
    """Run the scenario's other clients, which download a large file, on the core of the measurement."""
    if not scenario.downloads:
        yield
        return
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.downloads", str(port), DOWNLOADED, str(scenario.downloads)],
        cwd=SCRIPTS.parent.parent,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise WrongAnswerError("does not send the large file")
        yield
        if process.poll() is not None:
            raise WrongAnswerError("the downloads ended")
    finally:
        process.kill()
        process.communicate()


def judge(scenario: Scenario, answer: Entry, summary: dict[str, float]) -> Load:
    """Return the run's count, or raise WrongAnswerError if a request got an unexpected response."""
    errors = {kind: int(summary[kind]) for kind in ("connect", "read", "write", "timeout") if summary[kind]}
    refused = int(summary["status"])  # wrk counts every status above 399
    if refused != (summary["requests"] if scenario.status > 399 else 0):
        errors["status"] = refused
    size = answer.head_size + answer.body_size
    requests = summary["requests"]
    if answer.body_size >= COUNT_BYTES_FROM:
        requests = summary["bytes"] / size
    elif summary["bytes"] < 0.9 * size * requests:
        errors["bytes missing"] = int(size * requests - summary["bytes"])
    if not requests:
        errors["requests"] = 0
    if errors:
        raise WrongAnswerError(", ".join(f"{kind}: {count}" for kind, count in errors.items()))
    return Load(requests, summary["duration_s"], int(summary["p50_us"]), int(summary["p99_us"]))
