"""Tests whose claim is about real time, which a machine that stands still for a moment makes false."""

from __future__ import annotations

import functools
import gc
import subprocess
import traceback
import warnings
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
            with warnings.catch_warnings():  # what the failed attempt has left open
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()
        return test(*args, **kwargs)

    return attempt
