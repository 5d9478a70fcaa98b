"""Requests with known responses, for the tests that make system calls fail."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

TIMEOUT_S = 60


LARGE = os.urandom(300_000)


PATHS = ["/", "/large.bin", "/folder/", "/folder", "/missing", "/link", "/app.js", "/index.html"]


STATUSES = [200, 200, 200, 301, 404, 200, 200, 200]


# The allowed responses of each request if a call fails during it.
EXCUSES = {500, 503}


PACKED = b"\x1f\x8bpacked app"


Answer = tuple[int, bytes, bool]  # status, content, whether it is whole


def make_folder(path: Path) -> Path:
    """Make the files of PATHS."""
    site = path / "site"
    (site / "folder").mkdir(parents=True)
    (site / "index.html").write_text("home")
    (site / "app.js").write_text("plain app")
    (site / "app.js.gz").write_bytes(PACKED)
    (site / "large.bin").write_bytes(LARGE)
    (site / "folder" / "a").write_text("a")
    (site / "folder" / "b").symlink_to("a")
    (site / "link").symlink_to(site / "index.html")
    return site


def exchange(address: tuple[str, int]) -> bytes:
    """Send all requests except the last at once, and the last one after their responses, when nothing is queued.

    Returns everything received until the end or a reset.
    """
    received = bytearray()
    with socket.create_connection(address, timeout=TIMEOUT_S) as client:
        fields = b"Host: localhost\r\nAccept-Encoding: gzip\r\n"
        requests = [b"GET %b HTTP/1.1\r\n%b\r\n" % (path.encode(), fields) for path in PATHS]
        requests[-1] = requests[-1][:-2] + b"Connection: close\r\n\r\n"
        try:
            client.sendall(b"".join(requests[:-1]))
            while sum(whole for _, _, whole in responses(bytes(received))) < len(requests) - 1:
                if not (more := client.recv(1 << 20)):
                    break
                received += more
            client.sendall(requests[-1])
            while more := client.recv(1 << 20):
                received += more
        except (ConnectionResetError, BrokenPipeError):
            pass
    return bytes(received)


def responses(stream: bytes) -> list[Answer]:
    """Split a stream into status, content and completeness."""
    found = []
    while stream:
        head, end, stream = stream.partition(b"\r\n\r\n")
        if not end:
            break
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        assert length is not None, head
        size = int(length[1])
        found.append((int(head.split()[1]), stream[:size], len(stream) >= size))
        stream = stream[size:]
    return found


def check(got: list[Answer], expected: list[Answer], may_differ: bool, where: str) -> None:
    if not may_differ:
        assert got == expected, where
    assert len(got) <= len(expected), where
    for (status, content, whole), (good_status, good_content, _) in zip(got, expected, strict=False):
        if content == b"plain app":  # the variant could not be opened: then the file itself is sent
            assert good_content == PACKED, where
        elif status == good_status:
            assert content == good_content if whole else good_content.startswith(content), where
        else:
            assert status in EXCUSES, where
