"""The messages of the follower on standard error, in the form of the server's own, or as JSON."""

from __future__ import annotations

import json
import time

from fastfile.server.log.error import ErrorLog
from fastfile.terminal import printable


class Log:
    """``as_json``: a line is an object with ``time``, ``event``, ``message`` and further fields."""

    def __init__(self, as_json: bool, is_quiet: bool = False, fd: int = 2) -> None:
        self._as_json = as_json
        self._is_quiet = is_quiet
        self._lines = ErrorLog(fd)

    def say(self, event: str, text: str, **fields: object) -> None:
        """Write a message. With --quiet only problems are written."""
        if self._is_quiet and event not in ("failing", "recovered", "waiting"):
            return
        if self._as_json:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self._lines.write(json.dumps({"time": stamp, "event": event, "message": text, **fields}))
        else:
            self._lines.say(printable(text))
