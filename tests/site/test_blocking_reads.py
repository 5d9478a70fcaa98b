"""The event loop never waits for the content of a file: with nothing in memory, threads make all reads.

Works (Deferred) and feeds run in threads. All other reads are calls that may not wait.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from support.checkout import CHECKOUT
from support.inprocess import TIMEOUT_S

from fastfile import WHY_PURE
from fastfile.application import MountPoint, make_application
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.message import PENDING, Deferred, RequestHead, Response
from fastfile.storage.root import Root

LARGE = b"some words of a text. " * 10_000

FILES = {
    "index.html": b"<p>home",
    "large.txt": LARGE,
    "picture.bin": LARGE,
    "404.html": LARGE,
    "50x.html": LARGE,
    "b.data.unityweb": b"\x1f\x8b" + LARGE,
    "app.js.gz": b"\x1f\x8b" + LARGE,
    "style.css": b"a{}",
    "style.css.br": b"\x8b" + LARGE,
    "folder/README.md": LARGE,
    "folder/one.txt": b"1",
    "_redirects": b"/old /new 302\n/page /large.txt 200\n",
    "_headers": b"/*\n  X-A: b\n",
}
MANY = b"bytes=" + b",".join(b"%d-%d" % (start, start + 9) for start in range(0, 40_000, 1000))
REQUESTS: list[tuple[bytes, int, dict[str, bytes]]] = [
    (b"/", 200, {}),
    (b"/large.txt", 200, {}),
    (b"/large.txt", 206, {"range": b"bytes=5-900"}),
    (b"/picture.bin", 206, {"range": MANY}),
    (b"/large.txt", 200, {"if_none_match": b'"x"'}),
    (b"/large.txt", 200, {"accept_encoding": b"br, gzip"}),
    (b"/nothing", 404, {}),
    (b"/b.data.unityweb", 200, {"accept_encoding": b"gzip"}),
    (b"/app.js", 200, {"accept_encoding": b"gzip"}),
    (b"/style.css", 200, {"accept_encoding": b"br"}),
    (b"/folder/", 200, {}),
    (b"/folder/?archive=zip", 200, {}),
    (b"/old", 302, {}),
    (b"/page", 200, {}),
    (b"/broken.txt", 500, {}),
]


class Reads:
    """Records reads that may wait, but for those in works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        self.is_thread = False
        for name in ("pread", "read", "readv"):
            monkeypatch.setattr(os, name, self._watch(name, getattr(os, name)))
        monkeypatch.setattr("builtins.open", self._watch("open", open))
        monkeypatch.setattr(os, "preadv", self._miss(os.preadv))

    def _watch(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            if not self.is_thread:
                self.seen.append(f"{name}{arguments}")
            return real(*arguments, **more)

        return call

    def _miss(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(fd: int, buffers: list[bytearray], offset: int, flags: int = 0) -> int:
            if flags:  # RWF_NOWAIT
                raise BlockingIOError
            return real(fd, buffers, offset)

        return call

    def run(self, work: Callable[[], Any]) -> Future[Any]:
        job: Future[Any] = Future()
        self.is_thread = True
        try:
            job.set_result(work())
        except Exception as error:
            job.set_exception(error)
        finally:
            self.is_thread = False
        return job

    def submit(self, work: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> Future[Any]:
        job = self.run(work)
        on_done(job)
        return job

    def take(self, response: Response | Deferred) -> Response:
        while isinstance(response, Deferred):
            response = response.finish(self.run(response.work))
        if response.source is not None:
            pends = 0
            for part in iter(lambda: next(response.source, None), None):  # type: ignore[call-overload]
                pends += part is PENDING
                assert pends < TIMEOUT_S
        return response


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))  # the tag is of the content
    root = Root(os.fsencode(tmp_path))
    yield root
    root.close()


@pytest.mark.skipif(not WHY_PURE, reason="the calls of the compiled kernel are not seen from Python")
@pytest.mark.parametrize("etag", ["auto", "content", "mtime"])
def test_no_request_reads_on_the_event_loop(root: Root, monkeypatch: pytest.MonkeyPatch, etag: str) -> None:
    reads = Reads(monkeypatch)
    config = Config(etag=etag, archive=True, compress=True)
    reads.is_thread = True  # the start may read
    failures: list[BaseException] = []
    clock = Clock()
    make = make_application
    handler = make(config, [MountPoint(b"", root)], clock, failures.append, reads.submit, read=reads.submit)
    reads.is_thread = False
    folder, real = Path(os.fsdecode(root.path)), root.open
    folder.joinpath("_redirects").write_text("/old /newer 302\n/page /large.txt 200\n")
    folder.joinpath("broken.txt").write_text("broken")

    def open_or_fail(path: bytes) -> int:
        if path == b"broken.txt":
            raise OSError(5, "Input/output error")
        return real(path)

    monkeypatch.setattr(root, "open", open_or_fail)
    reads.seen.clear()
    for target, expected, fields in REQUESTS * 2:
        clock.begin_batch()
        head = RequestHead(b"GET", target, 1, 0, authority=b"localhost", **fields)
        response = reads.take(handler.respond(head))
        handler.look_around()
        assert (target, response.status, reads.seen) == (target, expected, [])
    assert not failures


# Each function of the serving packages that reads what may be on a disk, and where it runs.
READERS = {
    "storage/resource.py:pieces": "works that hash or encode",
    "storage/variants.py:_wait_for": "a work",
    "storage/zip/archive.py:_read": "a work, by a feed",
    "storage/deploy_files.py:_read": "the start, and works",
    "storage/directory.py:read_beginning": "a work that makes a listing",
    "storage/mount_table.py:is_on_remote_disk": "the start; no disk",
    "storage/mount_table.py:_look": "the supervisor, when the table has changed; no disk",
    "site/remote.py:_read_slice": "a work, by a feed",
    "_sendfile_py.py:is_cached": "calls that may not wait",
    "_sendfile_py.py:read_cached": "only where the system cannot say whether it would wait",
    "_sendfile_py.py:read_data_frames": "calls that may not wait, and then a part that a thread has read",
    "_sendfile_py.py:read_ahead": "a work",
    "_sendfile_py.py:recv_into": "a socket",
    "_sendfile_py.py:copy_file": "the send queue, which has looked that the part is in memory",
    "server/net/handshakes.py:_read": "a table of the kernel; no disk",
    "server/net/tls/certificates.py:_read": "the start, and a reload; not of the site",
    "server/net/http2/transfer.py:_read": "the send queue, which has looked that the part is in memory",
    "server/net/tls/channel.py:write_file": "the send queue, which has looked that the part is in memory",
    "server/net/tls/transport.py:send_file": "the same, for a request without TLS",
}
SERVING = ("http", "storage", "rules", "site", "middleware", "protocol", "server/net")
CALLS = {"pread", "preadv", "read", "readv"}
METHODS = {"read_bytes", "read_text", "readinto", "mmap"}


def test_each_function_that_reads_a_file_is_known_with_the_thread_that_it_runs_in() -> None:
    package = CHECKOUT / "fastfile"
    sources = [package / "_sendfile_py.py"]
    for folder in SERVING:
        sources += sorted((package / folder).rglob("*.py"))
    found = set()
    for source in sources:
        for function in ast.walk(ast.parse(source.read_text())):
            if isinstance(function, ast.FunctionDef) and any(map(_reads, ast.walk(function))):
                found.add(f"{source.relative_to(package)}:{function.name}")
    assert found == set(READERS)


def _reads(node: ast.AST) -> bool:
    """Tell whether a node calls open(), or one of the reading functions of os and pathlib."""
    if not isinstance(node, ast.Call):
        return False
    call = node.func
    if isinstance(call, ast.Name):
        return call.id == "open"
    return isinstance(call, ast.Attribute) and (
        call.attr in METHODS or (call.attr in CALLS and isinstance(call.value, ast.Name) and call.value.id == "os")
    )
