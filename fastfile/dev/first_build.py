"""The first build of a command that runs beside the server (--run): pages wait for it."""

from __future__ import annotations

import os
import re
import time
from typing import Protocol

WAIT_S = 10.0
LOOK_S = 0.05
QUIET_S = 0.2  # the top of the root has not changed for this time
_COLOUR = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class Command(Protocol):
    """The command of --run, from a worker's view (server/run_command.py)."""

    command: str

    def end(self) -> tuple[int, bytes] | None:
        """Return its exit status and its last output; None while it runs."""


class FirstBuild:
    """Work for a thread: waits until the root has content that has settled. All requests share one."""

    def __init__(self, root: bytes, command: Command) -> None:
        self._root = root
        self._command = command
        self._is_given_up = False

    def __call__(self) -> None:
        until_s = time.monotonic() + WAIT_S
        while not self.is_over() and time.monotonic() < until_s:
            time.sleep(LOOK_S)

    def is_over(self) -> bool:
        """Tell whether there is a build, or none to wait for."""
        return self._is_given_up or self._command.end() is not None or self._is_there()

    def give_up(self) -> None:
        """Release all waiters: the server is about to stop."""
        self._is_given_up = True

    def _is_there(self) -> bool:
        try:
            with os.scandir(self._root) as entries:
                times_s = [entry.stat(follow_symlinks=False).st_ctime for entry in entries]
        except NotADirectoryError:
            return True
        except OSError:
            return False
        return bool(times_s) and time.time() - max(times_s) > QUIET_S


def describe_failure(command: Command) -> bytes:
    """Return the notice about a failed command; empty if it has not failed."""
    end = command.end()
    if end is None or end[0] == 0:
        return b""
    how = f"exit status {end[0]}" if end[0] > 0 else f"killed by signal {-end[0]}"
    return f"{command.command} failed ({how})\n".encode(errors="replace") + _COLOUR.sub(b"", end[1])
