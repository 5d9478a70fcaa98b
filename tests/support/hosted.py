"""Hosts for the ASGI and WSGI applications in this process: they call one like a server, and check its messages.

A host follows the rules of its specification and no others, so that the application is responsible for every rule of
HTTP.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from support.rawclient import Received

Fields = tuple[tuple[str, str], ...]


class AsgiHost:
    """Calls an ASGI application, each request in an event loop that lives as long as the host."""

    def __init__(self, app: Any, root_path: str = "", extensions: dict[str, object] | None = None) -> None:
        self.app = app
        self.loop = asyncio.new_event_loop()
        self.messages: list[dict[str, Any]] = []  # of the last request
        self.mount = root_path
        self._extensions = extensions

    def request(self, target: str, method: str = "GET", *fields: str, **scope: Any) -> Received:
        """Return the response to a request; ``scope`` replaces what the host says."""
        raw, _, query = target.partition("?")
        headers = [(b"host", b"localhost")]
        for field in fields:
            name, _, value = field.partition(":")
            headers.append((name.lower().encode(), value.strip().encode("latin-1")))
        whole = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
            "method": method, "scheme": "http", "path": unquote(raw), "raw_path": raw.encode("latin-1"),
            "query_string": query.encode("latin-1"), "root_path": self.mount, "headers": headers,
            "client": ("127.0.0.1", 9), "server": ("127.0.0.1", 80), **scope,
        }  # fmt: skip
        if self._extensions is not None:
            whole["extensions"] = self._extensions
        return self.loop.run_until_complete(self.ask(whole))

    async def ask(self, scope: dict[str, Any]) -> Received:
        self.messages = messages = []
        ended = asyncio.Event()
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        ended.set()
        return read_messages(messages, scope["method"])

    def close(self) -> None:
        self.loop.close()


def read_messages(messages: list[dict[str, Any]], method: str) -> Received:
    """Return the response that ASGI messages make; fail where they break the specification."""
    start, *rest = messages
    assert start["type"] == "http.response.start"
    body = b""
    for position, message in enumerate(rest):
        assert message["more_body"] == (position < len(rest) - 1)
        if message["type"] == "http.response.zerocopysend":
            message["file"].seek(message["offset"])
            body += message["file"].read(message["count"])
            continue
        assert message["type"] == "http.response.body"
        assert isinstance(message["body"], bytes)
        assert message["body"] or not message["more_body"]
        body += message["body"]
    assert rest, "no body"
    headers = start["headers"]
    assert all(isinstance(name, bytes) and isinstance(value, bytes) for name, value in headers)
    assert all(name == name.lower() for name, _ in headers)
    pairs = tuple((name.decode(), value.decode("latin-1")) for name, value in headers)
    return make_received(start["status"], pairs, body, method)


def make_received(status: int, fields: Fields, body: bytes, method: str) -> Received:
    names = [name for name, _ in fields]
    assert len(names) == len(set(names)), "a field came twice"
    found = dict(fields)
    assert "date" not in found, "the host sends it"
    if method == "HEAD" or status in (204, 304):
        assert body == b""
    else:
        assert int(found["content-length"]) == len(body)
    return Received(status, found, body)


class WsgiHost:
    """Calls a WSGI application; ``raw_name`` is the variable that has the target as it came, if the host has one."""

    def __init__(
        self,
        app: Any,
        script_name: str = "",
        raw_name: str = "REQUEST_URI",
        file_wrapper: Callable[..., Any] | None = None,
    ) -> None:
        self.app = app
        self.mount = script_name
        self.raw_name = raw_name
        self._file_wrapper = file_wrapper
        self.iterable: Iterable[bytes] = ()

    def request(self, target: str, method: str = "GET", *fields: str, **environ: Any) -> Received:
        raw, _, query = target.partition("?")
        path = unquote_to_bytes(raw).decode("latin-1").removeprefix(self.mount)
        whole: dict[str, Any] = {
            "REQUEST_METHOD": method, "SCRIPT_NAME": self.mount, "PATH_INFO": path, "QUERY_STRING": query,
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost",
            "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
        }  # fmt: skip
        if self.raw_name:
            whole[self.raw_name] = target
        if self._file_wrapper is not None:
            whole["wsgi.file_wrapper"] = self._file_wrapper
        for field in fields:
            name, _, value = field.partition(":")
            key = "HTTP_" + name.upper().replace("-", "_")
            whole[key] = f"{whole[key]}, {value.strip()}" if key in whole and key != "HTTP_HOST" else value.strip()
        whole.update(environ)
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Any:
            started.append((status, headers))
            return None

        self.iterable = self.app(whole, start_response)
        try:
            body = b"".join(self.iterable)
        finally:
            close = getattr(self.iterable, "close", None)
            if close is not None:
                close()
        [(status, headers)] = started
        code, _, phrase = status.partition(" ")
        assert phrase
        assert all(type(name) is str and type(value) is str for name, value in headers)
        return make_received(int(code), tuple((name.lower(), value) for name, value in headers), body, method)

    def close(self) -> None:
        """Nothing is open."""
