"""The command of --run, from the view of the pages: they wait for its first build, and show its failure."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Collection
from typing import Protocol

from fastfile.dev.page import Page

WAIT_S = 10.0
LOOK_S = 0.05
QUIET_S = 0.2  # the top of the root has not changed for this time
END_LOOK_S = 0.3  # how often to check whether the command has ended
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


class FailureNotice:
    """``text`` says on all ``pages`` that the command has failed; it is empty until then. Lives on the event loop."""

    def __init__(self, command: Command | None, loop: asyncio.AbstractEventLoop, pages: Collection[Page]) -> None:
        self.text = b""
        self._command = command
        self._loop = loop
        self._pages = pages

    def look(self) -> None:
        """Show the failure as soon as there is one. It looks until the command ends or the last page does."""
        if self._command is None or self.text or not self._pages:
            return
        self.text = describe_failure(self._command)
        if self.text:
            for page in self._pages:
                page.show(self.text)
        elif self._command.end() is None:
            self._loop.call_later(END_LOOK_S, self.look)


def describe_failure(command: Command) -> bytes:
    """Return the notice about a failed command; empty if it has not failed."""
    end = command.end()
    if end is None or end[0] == 0:
        return b""
    how = f"exit status {end[0]}" if end[0] > 0 else f"killed by signal {-end[0]}"
    return f"{command.command} failed ({how})\n".encode(errors="replace") + _COLOUR.sub(b"", end[1])
