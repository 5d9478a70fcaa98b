"""The handler by itself: what it keeps of a request after its answer. What it answers is asked over sockets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastfile.clock import Clock
from fastfile.config import Config
from fastfile.files.root import Root
from fastfile.handler import Handler
from fastfile.types import RequestHead


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[Handler]:
    (tmp_path / "file.txt").write_bytes(b"content")
    root = Root(bytes(tmp_path))

    def fail(error: BaseException) -> None:
        raise error

    yield Handler(root, Config(), Clock(), fail)
    root.close()


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        (b"GET", b"/file.txt", 200),
        (b"GET", b"/missing", 404),
        (b"GET", b"/.hidden", 404),
        (b"GET", b"/file.txt/", 404),
        (b"GET", b"/%zz", 400),
        (b"POST", b"/file.txt", 405),
        (b"HEAD", b"/missing", 404),
    ],
)
def test_nothing_of_a_request_is_kept_after_its_answer(
    handler: Handler, method: bytes, target: bytes, status: int
) -> None:
    """An exception that is raised more than once would keep the frames of every raise, and so their requests."""
    heads = [RequestHead(method, target, 1, 0, host=b"localhost") for _ in range(3)]
    before = [sys.getrefcount(head) for head in heads]
    assert [handler.respond(head).status for head in heads] == [status] * 3
    assert [sys.getrefcount(head) for head in heads] == before
