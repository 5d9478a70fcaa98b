"""An ASGI application as an upstream: echo, events, and a WebSocket that sends back what it gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """Respond as tests/data/upstream.js does."""
    if scope["type"] == "websocket":
        await _serve_websocket(receive, send)
    elif scope["type"] == "http":
        await _serve_http(scope, receive, send)


async def _serve_websocket(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


async def _serve_http(scope: Message, receive: Receive, send: Send) -> None:
    start: Message = {"type": "http.response.start", "status": 200, "headers": []}
    if scope["path"] == "/api/echo":
        start["headers"] = [(b"x-method", scope["method"].encode())]
        await send(start)
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})
    elif scope["path"] == "/api/events":
        start["headers"] = [(b"content-type", b"text/event-stream")]
        await send(start)
        await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
        while True:
            await asyncio.sleep(0.02)
            await send({"type": "http.response.body", "body": b"data: next\n\n", "more_body": True})
    else:
        host, port = scope["server"]
        start["headers"] = [(b"location", f"http://{host}:{port}/api/there".encode())]
        if scope["path"].startswith("/api/x"):
            cookies = b"a=b; Domain=api.example; Secure", b"c=d; Path=/"
            start["headers"] += [(b"set-cookie", cookie) for cookie in cookies]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        url = scope["raw_path"].decode() + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
        body = json.dumps({"url": url, "headers": headers}).encode()
        start["headers"].append((b"content-length", b"%d" % len(body)))
        await send(start)
        await send({"type": "http.response.body", "body": body})
