"""A request with a deferred response, and the job that its connection waits for."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from fastfile.http.fields import split_list
from fastfile.message import Deferred, RequestHead


class Deferral:
    """A request with a deferred response. ``is_early``: its body is read after it.

    ``is_timed``: the job has deadlines of its own, and ends if its client leaves.
    """

    __slots__ = ("began_s", "deferred", "head", "is_early", "is_timed", "job")

    def __init__(self, head: RequestHead, deferred: Deferred, job: Future[Any], began_s: float, is_early: bool) -> None:
        self.head = head
        self.deferred = deferred
        self.job = job
        self.began_s = began_s
        self.is_early = is_early
        self.is_timed = getattr(job, "is_timed", False)


def is_continue(expect: bytes) -> bool:
    """Tell whether every expectation of the list is 100-continue, the only defined one (RFC 9110 §10.1.1)."""
    return all(element.lower() == b"100-continue" for element in split_list(expect))
