"""The opening handshake of WebSocket, by the rules of RFC 6455 §4.2.1."""

import pytest

from fastfile.errors import HTTPError
from fastfile.http.websocket import accept_handshake
from fastfile.message import RequestHead

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {
    b"Upgrade": b"websocket",
    b"Connection": b"Upgrade",
    b"Sec-WebSocket-Version": b"13",
    b"Sec-WebSocket-Key": KEY,
}


def make_head(
    changes: dict[bytes, bytes], method: bytes = b"GET", minor_version: int = 1, content_length: int = 0
) -> RequestHead:
    lines = b"".join(b"%b: %b\r\n" % field for field in (GOOD | changes).items() if field[1])
    return RequestHead(method, b"/", minor_version, 0, lines, content_length=content_length)


@pytest.mark.parametrize("changes", [{}, {b"Upgrade": b"h2c, WebSocket"}, {b"Connection": b"keep-alive, upgrade"}])
def test_a_handshake_is_accepted(changes: dict[bytes, bytes]) -> None:
    fields = dict(accept_handshake(make_head(changes)))
    assert fields[b"Sec-WebSocket-Accept"] == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # of RFC 6455 §1.3
    assert fields[b"Upgrade"] == b"websocket"
    assert fields[b"Connection"] == b"Upgrade"


@pytest.mark.parametrize(
    ("head", "status", "field"),
    [
        (make_head({}, b"POST"), 426, b"Upgrade"),
        (make_head({}, minor_version=0), 426, b"Upgrade"),
        (make_head({b"Upgrade": b""}), 426, b"Upgrade"),
        (make_head({b"Connection": b"keep-alive"}), 426, b"Upgrade"),
        (make_head({b"Sec-WebSocket-Version": b"8"}), 426, b"Sec-WebSocket-Version"),
        (make_head({b"Sec-WebSocket-Key": b""}), 400, b""),
        (make_head({b"Sec-WebSocket-Key": b"short"}), 400, b""),
        (make_head({b"Sec-WebSocket-Key": KEY[:-4]}), 400, b""),
        (make_head({}, content_length=1), 400, b""),
    ],
)
def test_what_is_none_is_refused(head: RequestHead, status: int, field: bytes) -> None:
    with pytest.raises(HTTPError) as caught:
        accept_handshake(head)
    assert caught.value.status == status
    assert not field or field in dict(caught.value.fields)
