"""The process of the follower: started by the supervisor, talks with it over a socket, ends with it.

Its environment has the credentials of the store; no other process of the server has. It may write only into its cache
folder. Messages are in server/following/status.py.
"""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Sequence

from fastfile.errors import StartError, describe
from fastfile.follower.cache import Cache
from fastfile.follower.follow import Follower
from fastfile.follower.log import Log
from fastfile.releases.location import open_store, parse_location
from fastfile.server.confinement.sandbox import confine_writing
from fastfile.server.following.status import ALIVE, FATAL, Settings, Status, parse_settings

BEAT_S = 1.0  # between two heartbeats, as of a worker
# For a read of the pointer once there is a release to serve: workers wait for a shorter time anyway.
POINTER_S = 4.0


class Orders:
    """The requests of the server, which a thread reads from the socket. The process ends when the server does.

    The main thread sends heartbeats while it waits, because its calls are what can hang.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._asked = threading.Event()
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    def clear(self) -> None:
        self._asked.clear()

    def wait(self, timeout_s: float) -> bool:
        due_s = time.monotonic() + timeout_s
        while (left_s := due_s - time.monotonic()) > BEAT_S:
            if self._asked.wait(BEAT_S):
                return True
            self.beat(0.0)
        return self._asked.wait(max(0.0, left_s))

    def beat(self, silence_s: float) -> None:
        """Report that this thread runs, and that it may be silent for so long."""
        self._channel.sendall(b"%b%d\n" % (ALIVE, silence_s))

    def _read(self) -> None:
        while self._channel.recv(4096):
            self._asked.set()
        os._exit(0)  # the store may be in a call that takes long


def main(argv: Sequence[str]) -> int:
    """Follow as the first line on the socket says; ``argv`` has the number of its descriptor at the end."""
    # A manifest is many objects and no cycles: the collector's default would take a fifth of the time to read one.
    gc.freeze()
    gc.set_threshold(100_000)
    channel = socket.socket(fileno=int(argv[-1]))
    settings = parse_settings(_read_line(channel))
    try:
        return _follow(settings, channel)
    except (OSError, StartError) as error:
        text = describe(error) if isinstance(error, OSError) else str(error)
        channel.sendall(FATAL + text.encode(errors="backslashreplace") + b"\n")
        return 1


def _follow(settings: Settings, channel: socket.socket) -> int:
    def tell(status: Status) -> None:
        channel.sendall(status.to_line() + b"\n")

    try:
        cache = Cache(settings.folder)
    except OSError as error:
        raise StartError(f"{describe(error)}; choose another folder with --store-cache") from None
    location = parse_location(settings.location)
    store, pointers = open_store(location), open_store(location, POINTER_S)  # imports its library, before the sandbox
    log = Log(settings.as_json, settings.is_quiet)
    sandbox = confine_writing(os.fsencode(settings.folder))
    follower = Follower(store, pointers, cache, settings.poll_s, tell, log, Orders(channel))
    if settings.release is not None:
        follower.fetch(settings.release)
        return 0
    log.say("following", f"following {store.location} every {settings.poll_s:g} s; {sandbox}")
    if follower.status.release:
        tell(follower.status)  # the server can begin with it at once
    follower.run()
    raise AssertionError("it runs until the process ends")


def _read_line(channel: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = channel.recv(1)
        if not part:
            raise SystemExit(0)
        line += part
    return line
