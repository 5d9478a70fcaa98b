"""The process that ProcessServer starts: the command's server, until the program that started it closes its input.

Input: one line of JSON, the texts of the options. Output: a line of JSON with the port or the problem, then the log.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
from collections.abc import Sequence

from fastfile.config.config import Endpoint
from fastfile.embedding.settings import find_root, make_config
from fastfile.errors import ConfigError, StartError, describe
from fastfile.server import signals
from fastfile.server.serve import serve
from fastfile.terminal import printable

SOURCE = "ProcessServer()"


def main() -> int:
    """Serve, and return the exit status."""
    signals.hold()
    texts: dict[str, list[str]] = json.loads(sys.stdin.buffer.readline())
    end_with_parent(sys.stdin.fileno())

    def on_ready(endpoints: Sequence[Endpoint], notices: Sequence[str], sandbox: str) -> None:
        say({"port": endpoints[0].port})

    try:
        strict = bool(int(texts["port"][0]))
        config = make_config(texts, SOURCE, log_format="json", quiet=True, strict_port=strict)
        config, root_path = find_root(config)
        return serve(config, root_path, on_ready)
    except OSError as error:
        say({"problem": printable(describe(error))})
    except (ConfigError, StartError) as error:
        say({"problem": str(error)})
    return 1


def end_with_parent(fd: int) -> None:
    """Make the kernel send SIGTERM to this process when the other end of a pipe is closed, even by a crash.

    The kernel does it (fcntl(2), O_ASYNC), because the supervisor has no event loop, and no threads, since it forks.
    """
    signal.signal(signal.SIGIO, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([fd], [], [], 0)[0]:  # it was closed before
        os.kill(os.getpid(), signal.SIGTERM)


def say(message: dict[str, object]) -> None:
    """Write a line of JSON to standard output."""
    os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")
