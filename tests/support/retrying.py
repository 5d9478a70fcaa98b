"""Tests whose claim is about real time, which a machine that stands still for a moment makes false."""

from __future__ import annotations

import functools
import subprocess
import traceback
from collections.abc import Callable
from typing import ParamSpec

ATTEMPTS = 5
P = ParamSpec("P")


def retried(test: Callable[P, None]) -> Callable[P, None]:
    """Decorate a test that has to hold on one of five attempts: a fault fails each, a busy machine hardly all.

    Its fixtures stay as they are between attempts, so the test itself has to start from the same state.
    """

    @functools.wraps(test)
    def attempt(*args: P.args, **kwargs: P.kwargs) -> None:
        for _ in range(ATTEMPTS - 1):
            try:
                return test(*args, **kwargs)
            except (AssertionError, OSError, subprocess.TimeoutExpired):
                traceback.print_exc()  # pytest shows it if the last attempt fails too
        return test(*args, **kwargs)

    return attempt
