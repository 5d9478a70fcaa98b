"""Sends one request over a bare socket and prints it and its response as they go over the wire.

It uses no HTTP library, so it shows exactly what was sent. The lines of a head are printed with visible line ends; a
body is shown if it is text, and counted if it is not.
"""

import argparse
import socket
import sys
from urllib.parse import urlsplit

RECEIVE_SIZE = 65536
SHOWN_BODY_SIZE = 2000


def make_request(method: str, target: str, host: str, fields: list[str]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def exchange(host: str, port: int, request: bytes) -> bytes:
    """Send the request and return everything until the server closes."""
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(request)  # not send(), which may take only a part
        received = bytearray()
        while chunk := connection.recv(RECEIVE_SIZE):
            received += chunk
    return bytes(received)


def show(arrow: str, message: bytes) -> str:
    head, separator, body = message.partition(b"\r\n\r\n")
    lines = [f"{arrow} {line.decode('latin-1')}\\r\\n" for line in (head + separator[:2]).split(b"\r\n")]
    if body:
        text = body[:SHOWN_BODY_SIZE]
        lines.append(f"{arrow} ({len(body)} bytes of content)")
        lines.append(text.decode(errors="replace") if b"\0" not in text else "(not text)")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("url", help="http://HOST[:PORT]/PATH; the path goes over the wire as it is written")
    options.add_argument("-X", "--method", default="GET")
    options.add_argument("-H", "--field", action="append", default=[], help="a field line, such as 'Range: bytes=0-9'")
    arguments = options.parse_args()
    url = urlsplit(arguments.url)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    request = make_request(arguments.method, target, url.netloc, arguments.field)
    sys.stdout.write(show(">", request) + "\n\n")
    sys.stdout.write(show("<", exchange(url.hostname or "localhost", url.port or 80, request)) + "\n")


if __name__ == "__main__":
    main()
