"""The target of a request, from what host servers and frameworks provide about its path.

They provide three values: the path as received (raw), the decoded path, and the path of the application's mount (ASGI's
root_path, WSGI's SCRIPT_NAME). The raw path is preferred, because decoding loses bytes; the others show whether a mount
was removed, or whether a middleware has changed the path.

Compiled with targets.pxd if extensions are built; the same source runs interpreted.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_to_bytes

from fastfile.http.target import encode_path

Place = tuple[str, bytes]  # the path that the application is mounted at, decoded, and the target with it


def find_place(raw: bytes | None, path: str, mount: str) -> Place:
    """Return the place of an ASGI request; ``path`` may begin with the mount or not (ASGI §HTTP, root_path)."""
    mount = mount.rstrip("/")
    is_inside = not mount or path == mount or path.startswith(mount + "/")
    whole = path if is_inside else mount + path
    if raw is not None:
        # As the servers decode it: bytes that are not UTF-8 become U+FFFD, and only the raw path still tells them.
        decoded = unquote(raw.decode("latin-1")) if b"%" in raw else raw.decode("utf-8", "replace")
        if decoded == whole:
            return (mount, raw)
        if decoded == path:  # the server knows of the mount, the request does not
            return (mount, _encode(mount) + raw)
    return (mount, _encode(whole))


def find_stripped_place(raw: bytes | None, path: str) -> Place:
    """Return the place of a request of Litestar, which takes the mount off, adds a slash, and sets no root_path."""
    bare = path.rstrip("/")
    if raw is not None:
        decoded = re.sub("//+", "/", unquote(raw.decode("latin-1")))  # as Litestar normalizes it
        for end in (path, bare):
            if decoded.endswith(end):
                return (decoded[: len(decoded) - len(end)].rstrip("/"), raw)
    return ("", _encode(bare or "/"))


def find_wsgi_place(raw: str | None, path: str, mount: str) -> Place:
    """Return the place of a WSGI request, whose strings hold bytes as Latin-1 (PEP 3333)."""
    mount_bytes = mount.rstrip("/").encode("latin-1")
    path_bytes = path.encode("latin-1")
    shown = mount_bytes.decode("utf-8", "surrogateescape")
    if raw is not None:
        bytes_ = _without_origin(raw.partition("?")[0].encode("latin-1", "replace"))
        decoded = unquote_to_bytes(bytes_)
        if decoded == mount_bytes + path_bytes:
            return (shown, bytes_)
        if decoded == path_bytes:
            return (shown, encode_path(mount_bytes) + bytes_)
    return (shown, encode_path(mount_bytes + path_bytes))


def _without_origin(raw: bytes) -> bytes:
    """Return the path of a target in absolute-form (RFC 9112 §3.2.2)."""
    if raw.startswith(b"/") or b"://" not in raw:
        return raw
    return b"/" + raw.partition(b"://")[2].partition(b"/")[2]


def _encode(path: str) -> bytes:
    return encode_path(path.encode("utf-8", "surrogateescape"))
