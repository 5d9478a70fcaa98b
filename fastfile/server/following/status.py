"""What the follower reports, and the messages between it, the supervisor and the workers: a line each."""

from __future__ import annotations

import json
from typing import Literal

from fastfile.records import NamedTuple

STATUS = b"="  # from the follower to the supervisor, and from there to all workers; followed by a Status
# From the follower, as workers send it: followed by the seconds for which it may be silent, while it transfers.
ALIVE = b"."
FATAL = b"!"  # from the follower, before it ends for ever: followed by the reason

# "current": the store confirmed the release that is served. "preparing": there is a newer one, which is fetched.
# "failing": the store does not answer, or the newer release cannot be used; the release on the disk is served.
State = Literal["starting", "current", "preparing", "failing"]


class Status(NamedTuple):
    """``release`` is the one that is served; "" before the first.

    ``confirmed_s`` is when the last read of the pointer that confirmed it began, on the monotonic clock that all
    processes share. The counters are of this follower process.
    """

    release: str = ""
    state: State = "starting"
    confirmed_s: float = 0.0
    polls: int = 0
    failures: int = 0
    switches: int = 0
    fetched_bytes: int = 0

    def to_line(self) -> bytes:
        """Return the message, without the end of the line."""
        return STATUS + json.dumps(self).encode()


def parse_status(line: bytes) -> Status:
    """Return the status of a message."""
    return Status(*json.loads(line.removeprefix(STATUS)))


class Settings(NamedTuple):
    """What a follower is told when it starts, in its first line. ``release`` is that of --release."""

    location: str
    folder: str
    poll_s: float
    release: str | None
    as_json: bool
    is_quiet: bool

    def to_line(self) -> bytes:
        """Return the message, without the end of the line."""
        return json.dumps(self).encode()


def parse_settings(line: bytes) -> Settings:
    """Return the settings of a message."""
    return Settings(*json.loads(line))
