"""Common code of the servers of the Python API: URL, log of requests, ``with``, and ending with the program."""

from __future__ import annotations

import asyncio
import atexit
import os
import weakref
from types import TracebackType
from typing import Self
from urllib.parse import quote

from fastfile.config.config import Config
from fastfile.embedding.request_log import RequestLog
from fastfile.embedding.settings import wrong_type
from fastfile.errors import ConfigError
from fastfile.http.target import encode_path

# Characters that a URL path and query may contain unescaped, and "%" for existing escapes (RFC 3986 §3.3, §3.4).
_URL_SAFE = "/?#[]@!$&'()*+,;=:%"

_running: weakref.WeakSet[RunningServer] = weakref.WeakSet()


class RunningServer:
    """A server with methods to start and stop it, which ``with`` and ``async with`` call."""

    def __init__(self, config: Config, root_path: str, host: str, port: int) -> None:
        self.requests = RequestLog()
        self._config = config
        self._root_path = root_path
        self._host = host
        self._wanted_port = port
        self._port = 0

    def start(self) -> Self:
        """Serve from now on, and return the server. Raises StartError if the address cannot be used."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop, and free the port. It does nothing if the server has stopped."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Release the descriptors in a forked child: the server belongs to its parent."""
        raise NotImplementedError

    def _note_start(self) -> None:
        """Have the server end with the program, and not in its forked children."""
        _running.add(self)
        atexit.register(self.stop)

    def _note_stop(self) -> None:
        self._port = 0
        _running.discard(self)
        atexit.unregister(self.stop)

    @property
    def is_running(self) -> bool:
        """True while the server accepts requests."""
        return self._port != 0

    @property
    def port(self) -> int:
        """The port that the server listens on. Raises RuntimeError if it is not running."""
        if not self._port:
            raise RuntimeError("the server does not run: call start(), or use it in a with statement")
        return self._port

    @property
    def url(self) -> str:
        """The URL of the folder, with a slash at its end, or of the file."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"{'https' if self._config.is_secure else 'http'}://{host}:{self.port}{self._path()}"

    def url_for(self, path: str) -> str:
        """Return the URL of a path below the folder; bytes that are not allowed in a URL are escaped."""
        base = self.url if self.url.endswith("/") else self.url.rpartition("/")[0] + "/"
        return base + quote(path.lstrip("/"), safe=_URL_SAFE)

    def _path(self) -> str:
        base = "".join(f"/{part}" for part in (self._config.base or "").split("/") if part)
        if os.path.isdir(self._root_path):
            return f"{base}/"
        return base or "/" + encode_path(os.fsencode(os.path.basename(self._root_path))).decode()

    def __enter__(self) -> Self:
        return self if self.is_running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def __repr__(self) -> str:
        state = self.url if self.is_running else "stopped"
        return f"<{type(self).__name__} of {self._root_path!r}, {state}>"


def check_host(host: str, source: str) -> None:
    """Raise ConfigError if there would be no port."""
    if not isinstance(host, str):
        raise wrong_type("host", source, "an address or a host name", host)
    if host.startswith("unix:"):
        raise ConfigError("--bind", source, "expected an address or a host name, got a Unix socket")


def _abandon_all() -> None:
    for server in list(_running):
        server.requests.renew_lock()
        server.abandon()
        server._port = 0
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
