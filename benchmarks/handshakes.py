"""A client that makes a connection for each request, with a full or a resumed handshake, until it gets SIGINT.

It then reports as wrk's summary.lua does. ``python -m benchmarks.handshakes PORT PATH full|resumed``
"""

import json
import signal
import socket
import ssl
import sys
import time

from benchmarks.load import ANSWER_TIMEOUT_S, unverified


class StopError(Exception):
    """The time is over."""


def stop(*_: object) -> None:
    raise StopError


def run(port: int, path: str, resumed: bool) -> dict[str, float]:
    """Ask until StopError; return the counts."""
    context = unverified()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    session: ssl.SSLSession | None = None
    count, size, missed, times = 0, 0, 0, []
    began_s = time.monotonic()
    try:
        while True:
            asked_s = time.monotonic()
            client = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_S)
            with context.wrap_socket(client, session=session if resumed else None) as secure:
                secure.sendall(request)
                while part := secure.recv(65536):
                    size += len(part)
                missed += resumed and session is not None and not secure.session_reused
                session = secure.session
            count += 1
            times.append(time.monotonic() - asked_s)
    except StopError:
        pass
    times.sort()
    p50, p99 = (int(times[int(len(times) * share)] * 1e6) for share in (0.5, 0.99))
    summary = {"duration_s": time.monotonic() - began_s, "requests": count, "bytes": size, "p50_us": p50, "p99_us": p99}
    # A handshake that was not resumed is reported as an error of a read.
    return {**summary, "connect": 0, "read": missed, "write": 0, "status": 0, "timeout": 0}


def main() -> None:
    signal.signal(signal.SIGINT, stop)
    port, path, kind = sys.argv[1:]
    print("SUMMARY " + json.dumps(run(int(port), path, kind == "resumed")))


if __name__ == "__main__":
    main()
