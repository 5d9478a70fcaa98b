"""Floods of HTTP/2: what a client can send that costs the server work and gets no response.

Each ends the connection with ENHANCE_YOUR_CALM. The tests send them, and tools/floods.py measures them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.http2peer import GET, POST, frames, make_frame


def flood_resets(peer: Any) -> None:
    peer.send(*(each for n in range(1500) for each in (peer.headers(1 + 2 * n), frames.RstStreamFrame(1 + 2 * n))))


def flood_resets_of_uploads(peer: Any) -> None:
    for n in range(1500):
        peer.send(peer.headers(1 + 2 * n, POST, end=False), frames.RstStreamFrame(1 + 2 * n))


def flood_made_resets(peer: Any) -> None:
    """MadeYouReset: requests that make the server reset their streams."""
    for n in range(1500):
        peer.send(peer.headers(1 + 2 * n, POST, end=False), frames.WindowUpdateFrame(1 + 2 * n, window_increment=1))
        peer.frame(8, 0, 1 + 2 * n, bytes(4))


def flood_malformed(peer: Any) -> None:
    peer.send(*(peer.headers(1 + 2 * n, (*GET, (b"connection", b"x"))) for n in range(1500)))


def flood_refused(peer: Any) -> None:
    peer.send(*(peer.headers(1 + 2 * n, POST, end=False) for n in range(1500)))


def flood_continuations(peer: Any) -> None:
    peer.frame(1, 1, 1, b"")
    for _ in range(100):
        peer.frame(9, 0, 1, b"")


def flood_large_continuations(peer: Any) -> None:
    peer.frame(1, 1, 1, b"\0" * 16000)
    for _ in range(9):
        peer.frame(9, 0, 1, b"\x40\x01a\x7f" + b"x" * 16000)


def flood_bomb(peer: Any) -> None:
    """A short block of a list beyond four times the limit of a head."""
    peer.frame(1, 5, 1, peer.encoder.encode([*GET, (b"a", b"x" * 4000)]))
    peer.frame(1, 5, 3, peer.encoder.encode([*GET]) + b"\xbe" * 16000)


def flood_large_heads(peer: Any) -> None:
    peer.frame(1, 5, 1, peer.encoder.encode([*GET, (b"a", b"x" * 4000)]))
    for n in range(1, 300):
        peer.frame(1, 5, 1 + 2 * n, peer.encoder.encode([*GET]) + b"\xbe" * 20)


def flood(kind: int, flags: int, stream_id: int, payload: bytes, times: int = 1500) -> Callable[[Any], None]:
    return lambda peer: peer.send_raw(make_frame(kind, flags, stream_id, payload) * times)


def flood_empty_data(peer: Any) -> None:
    peer.send(peer.headers(1, POST, end=False))
    flood(0, 0, 1, b"")(peer)


def flood_bytes(peer: Any) -> None:
    peer.send(peer.headers(1, POST, end=False))
    flood(0, 0, 1, b"x")(peer)


def flood_windows_of_a_byte(peer: Any) -> None:
    """Each byte of window makes the server send a frame of a byte."""
    peer.widens = False
    peer.send(frames.SettingsFrame(0, settings={4: 0}))
    peer.ask(1, b"/large")
    flood(8, 0, 1, (1).to_bytes(4, "big"))(peer)


def flood_windows_of_open_streams(peer: Any) -> None:
    """Each setting changes the windows of all open streams."""
    peer.send(*(peer.headers(1 + 2 * n, POST, end=False) for n in range(128)))
    flood(4, 0, 0, b"\0\4\0\0\0\1" * 100)(peer)


FLOODS = {
    "rapid reset (CVE-2023-44487)": flood_resets,
    "rapid reset of uploads": flood_resets_of_uploads,
    "MadeYouReset (CVE-2025-8671)": flood_made_resets,
    "malformed requests": flood_malformed,
    "streams beyond the limit": flood_refused,
    "CONTINUATION (CVE-2024-27316)": flood_continuations,
    "large CONTINUATION": flood_large_continuations,
    "HPACK bomb (CVE-2016-6581)": flood_bomb,
    "heads beyond the limit": flood_large_heads,
    "PING (CVE-2019-9512)": flood(6, 0, 0, b"12345678"),
    "PING with ACK": flood(6, 1, 0, b"12345678"),
    "SETTINGS (CVE-2019-9515)": flood(4, 0, 0, b""),
    "long SETTINGS": flood(4, 0, 0, b"\0\xff\0\0\0\1" * 2700, 100),
    "SETTINGS for the windows of many streams": flood_windows_of_open_streams,
    "SETTINGS with ACK": flood(4, 1, 0, b""),
    "PRIORITY (CVE-2019-9513)": flood(2, 0, 1, bytes(4) + b"\1"),
    "PRIORITY_UPDATE": flood(16, 0, 0, b"\0\0\0\1u=1"),
    "long PRIORITY_UPDATE": flood(16, 0, 0, b"\0\0\0\1" + b"a," * 8000, 100),
    "WINDOW_UPDATE": flood(8, 0, 0, (1).to_bytes(4, "big")),
    "large WINDOW_UPDATE": flood(8, 0, 0, (4096).to_bytes(4, "big"), 6000),
    "unknown frames": flood(99, 0, 0, b""),
    "empty DATA (CVE-2019-9518)": flood_empty_data,
    "DATA of a byte": flood_bytes,
    "windows of a byte (CVE-2019-9511)": flood_windows_of_a_byte,
}
