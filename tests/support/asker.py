"""A handler on a real folder, called without a network."""

from __future__ import annotations

import os
import time
from pathlib import Path

from fastfile.application import MountPoint, make_application
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.message import Deferred, FileSlice, RequestHead, Response
from fastfile.responder import run_now
from fastfile.storage.metadata import is_settled
from fastfile.storage.root import Root


class Asker:
    """Calls a handler like the connection; each request is a separate batch."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.failures: list[BaseException] = []
        self.clock = Clock()
        self.root = Root(os.fsencode(folder), bool(settings.get("follow_symlinks")))
        mount_points = [MountPoint(b"", self.root)]
        self.handler = make_application(Config(**settings), mount_points, self.clock, self.failures.append)

    def ask(self, target: str, method: str = "GET", **fields: bytes) -> Response:
        self.clock.begin_batch()
        return self.ask_in_same_pass(target, method, **fields)

    def ask_in_same_pass(self, target: str, method: str = "GET", **fields: bytes) -> Response:
        head = RequestHead(method.encode(), target.encode("latin-1"), 1, 0, authority=b"localhost", **fields)
        response = complete(self.handler.respond(head))
        assert not self.failures
        return response

    def get(self, target: str, **fields: bytes) -> tuple[int, bytes]:
        response = self.ask(target, **fields)
        return response.status, body(response)

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def settle(self) -> None:
        """Wait until every change from now on shows in a signature: nothing is cached before."""
        for path in (self.folder, *self.folder.rglob("*")):
            while path.exists() and not is_settled(path.stat(), time.time_ns()):
                os.sched_yield()


def complete(response: Response | Deferred) -> Response:
    """Do the work of a thread at once."""
    while isinstance(response, Deferred):
        response = response.finish(run_now(response.work))
    return response


def body(response: Response) -> bytes:
    parts = [os.pread(p.fd, p.count, p.offset) if isinstance(p, FileSlice) else p for p in response.parts]
    content = b"".join(parts)
    assert len(content) == response.body_size
    return content


def fields(response: Response) -> dict[bytes, bytes]:
    return dict(response.fields)
