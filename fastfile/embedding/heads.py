"""Request heads from the requests that another server has read: of ASGI and WSGI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastfile.message import RequestHead

Line = tuple[bytes, bytes]

# The fields that a head has as attributes; the others are looked up by name.
_ATTRIBUTES = {
    b"accept-encoding": "accept_encoding",
    b"host": "authority",
    b"if-match": "if_match",
    b"if-modified-since": "if_modified_since",
    b"if-none-match": "if_none_match",
    b"if-range": "if_range",
    b"if-unmodified-since": "if_unmodified_since",
    b"range": "range",
}


def make_head(method: str, target: bytes, lines: Sequence[Line]) -> RequestHead:
    """Return the head of a request; the names of its field lines are in lower case."""
    attributes: dict[str, Any] = {}
    for name, value in lines:
        attribute = _ATTRIBUTES.get(name)
        if attribute is not None:
            known = attributes.get(attribute)
            attributes[attribute] = value if known is None else known + b", " + value  # RFC 9110 §5.3
    section = b"\r\n".join([b": ".join(line) for line in lines]) + b"\r\n"
    return RequestHead(method.encode("latin-1"), target, 1, 0, section, **attributes)


def read_environ(environ: Mapping[str, Any]) -> list[Line]:
    """Return the field lines of a WSGI request (PEP 3333)."""
    return [
        (name[5:].replace("_", "-").lower().encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
