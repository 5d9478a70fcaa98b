"""The opening handshake of WebSocket, from the server's side (RFC 6455 §4.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib

from fastfile.errors import HTTPError
from fastfile.http.fields import split_list
from fastfile.message import Field, RequestHead

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_UPGRADE: tuple[Field, ...] = ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))


def accept_handshake(head: RequestHead) -> tuple[Field, ...]:
    """Return the fields of the 101 for an opening handshake (§4.2.2). Raises HTTPError if it is not one."""
    upgrade = [name.lower() for name in split_list(head.field(b"upgrade") or b"")]
    connection = [name.lower() for name in split_list(head.field(b"connection") or b"")]
    if head.method != b"GET" or b"websocket" not in upgrade or b"upgrade" not in connection or not head.minor_version:
        raise HTTPError(426, "This URL is only for WebSocket.", _UPGRADE)
    if head.field(b"sec-websocket-version") != b"13":
        raise HTTPError(426, "Only version 13 of WebSocket is supported.", ((b"Sec-WebSocket-Version", b"13"),))
    key = head.field(b"sec-websocket-key") or b""
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        is_key = False
    if not is_key or head.chunked or head.content_length or not head.keep_alive:
        raise HTTPError(400, "The WebSocket handshake is not valid.")
    accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    return (*_UPGRADE, (b"Sec-WebSocket-Accept", accept))
