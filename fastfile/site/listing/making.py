"""A job that makes a listing or a zip in a thread, for all requests that want the same one."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Abandoned(Exception):
    """All clients that waited for a page or an archive have gone."""


class Making(Generic[Made]):
    """A job that makes a page or an archive in a thread, shared by all requests that arrived before it began.

    ``make`` gets a function to call now and then; the function raises Abandoned after stop(). ``begun_s`` is the time
    of monotonic() when the job began, and None before.
    """

    is_heavy = True  # see Deferred

    def __init__(self, make: Callable[[Callable[[], None]], Made]) -> None:
        self._make = make
        self._is_stopped = False
        self.begun_s: float | None = None
        self.has_ended = False

    def __call__(self) -> Made:
        self.begun_s = monotonic()
        try:
            return self._make(self._check)
        finally:
            self.has_ended = True

    def stop(self) -> None:
        self._is_stopped = True

    def serves(self, asked_s: float) -> bool:
        """Tell whether the result shows the folder as it was at ``asked_s`` or later."""
        return self.begun_s is None or self.begun_s >= asked_s

    def _check(self) -> None:
        if self._is_stopped:
            raise Abandoned
