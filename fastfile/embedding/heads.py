"""Request heads from the requests that another server has read: of ASGI and WSGI.

Compiled with heads.pxd if extensions are built; the same source runs interpreted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastfile.message import RequestHead

Line = tuple[bytes, bytes]

# The fields that a head has as attributes, in the order of its constructor; the others are looked up by name.
_PLACES = {
    b"host": 0,
    b"accept-encoding": 1,
    b"range": 2,
    b"if-range": 3,
    b"if-match": 4,
    b"if-none-match": 5,
    b"if-modified-since": 6,
    b"if-unmodified-since": 7,
}


def make_head(method: str, target: bytes, lines: Sequence[Line]) -> RequestHead:
    """Return the head of a request; the names of its field lines are in lower case."""
    values: list[bytes | None] = [None] * len(_PLACES)
    section: list[bytes] = []
    for name, value in lines:
        section.append(name)
        section.append(b": ")
        section.append(value)
        section.append(b"\r\n")
        place = _PLACES.get(name)
        if place is not None:
            value = value.strip(b" \t")  # httptools, and so uvicorn, leaves white space at its end
            known = values[place]
            values[place] = value if known is None else known + b", " + value  # RFC 9110 §5.3
    host, accept_encoding, *others = values
    return RequestHead(
        method.encode("latin-1"), target, 1, 0, b"".join(section), True, 0, False, host, None, accept_encoding, *others
    )


def read_environ(environ: Mapping[str, Any]) -> list[Line]:
    """Return the field lines of a WSGI request (PEP 3333)."""
    return [
        (name[5:].replace("_", "-").lower().encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
