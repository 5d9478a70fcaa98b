"""The credentials of the store in the environment: the follower gets them, no other process keeps them."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
from collections.abc import Callable, MutableMapping

PREFIX = "AWS_"


class Environment:
    """The environment of the follower, in a file without a name: workers have no copy, and no descriptor of it."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._fd = _open_nameless()
        os.write(self._fd, json.dumps(dict(environ)).encode())

    def read(self) -> dict[str, str]:
        """Return the variables; call it only in the process that becomes the follower."""
        content = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        found: dict[str, str] = json.loads(content)
        return found

    def close(self) -> None:
        os.close(self._fd)


def hide_credentials(environ: MutableMapping[str, str]) -> None:
    """Remove the variables of the store from this process, also from the memory that /proc shows."""
    for name in [name for name in environ if name.startswith(PREFIX)]:
        _wipe(name)
        del environ[name]


def _wipe(name: str) -> None:
    """Overwrite the value of a variable in place: /proc/PID/environ shows the memory that a process began with."""
    getenv: Callable[[bytes], int | None] = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p  # type: ignore[attr-defined]
    address = getenv(os.fsencode(name))
    if address is not None:
        ctypes.memset(address, 0, len(ctypes.string_at(address)))


def _open_nameless() -> int:
    if sys.platform == "linux":
        return os.memfd_create("environment", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
