"""A client that makes a connection for each request, with a full or a resumed handshake, and reports as wrk does.

``python -m benchmarks.handshakes PORT PATH full|resumed SECONDS``
"""

import json
import socket
import ssl
import sys
import time

from benchmarks.load import ANSWER_TIMEOUT_S, unverified


def run(port: int, path: str, resumed: bool, seconds: float) -> dict[str, float]:
    """Ask for so long; return the counts."""
    context = unverified()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    session: ssl.SSLSession | None = None
    count, size, missed, times = 0, 0, 0, []
    began_s = time.monotonic()
    while time.monotonic() < began_s + seconds:
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
    times.sort()
    p50, p99 = (int(times[int(len(times) * share)] * 1e6) for share in (0.5, 0.99))
    summary = {"duration_s": time.monotonic() - began_s, "requests": count, "bytes": size, "p50_us": p50, "p99_us": p99}
    # A handshake that was not resumed is reported as an error of a read.
    return {**summary, "connect": 0, "read": missed, "write": 0, "status": 0, "timeout": 0}


def main() -> None:
    port, path, kind, seconds = sys.argv[1:]
    print("SUMMARY " + json.dumps(run(int(port), path, kind == "resumed", float(seconds))))


if __name__ == "__main__":
    main()
