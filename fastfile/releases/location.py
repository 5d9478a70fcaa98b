"""A location: the place of a site's releases in a store, ``s3://bucket/prefix`` or ``file:///folder``.

A location never contains credentials, so it can be shown anywhere.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from fastfile.errors import StartError, tell_missing
from fastfile.records import NamedTuple

if TYPE_CHECKING:
    from fastfile.releases.store import Store

EXPECTED = "s3://BUCKET/PREFIX or file:///FOLDER"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


class Location(NamedTuple):
    """``root`` is a bucket, or the absolute path of a folder; ``prefix`` has no slash at its ends."""

    scheme: str
    root: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.root}" + (f"/{self.prefix}" if self.prefix else "")


def is_location(text: str) -> bool:
    """Tell whether a text has the form of a URL, and so names no folder of this machine."""
    return _SCHEME.match(text) is not None


def parse_location(text: str) -> Location:
    """Return the location that a text names. Raises ValueError, which says what was expected."""
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("s3", "file") or not text.isprintable():
        raise ValueError(f"expected {EXPECTED}")
    if scheme == "file":
        path = unquote(rest.removeprefix("localhost"), errors="surrogateescape")
        segments = [segment for segment in path.split("/") if segment not in ("", ".")]
        if not path.startswith("/") or ".." in segments or "\0" in path or not segments or set(rest) & set("?#"):
            raise ValueError("expected file:/// and the absolute path of a folder, such as file:///srv/site")
        return Location("file", "/" + "/".join(segments))
    bucket, _, prefix = rest.partition("/")
    if "@" in bucket:
        # The text may contain a secret, so that the message must not repeat it.
        raise ValueError("a location has no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile")
    segments = prefix.removesuffix("/").split("/") if prefix else []
    if _BUCKET.fullmatch(bucket) is None or {"", ".", ".."} & set(segments) or set(prefix) & set("?#\\"):
        raise ValueError("expected s3:// and a bucket, with or without a prefix, such as s3://bucket/site")
    return Location("s3", bucket, "/".join(segments))


def tell_unpublished(location: Location) -> str:
    """Say that a location has no release; a folder that does not exist may be mistyped, or not mounted."""
    if location.scheme == "file" and not os.path.isdir(location.root):
        return f"{location}: there is no such folder"
    return f"{location}: nothing was published yet"


def open_store(location: Location, call_s: float | None = None) -> Store:
    """Return the store of a location. It makes no request. Raises StartError if the library for it is missing.

    ``call_s`` is the deadline of a call for a small object, where there is one.
    """
    if location.scheme == "file":
        from fastfile.releases.folder_store import FolderStore

        return FolderStore(location)
    try:
        from fastfile.releases.s3.store import Limits, S3Store
    except ModuleNotFoundError as error:
        if error.name != "obstore":
            raise
        raise StartError(f"{location}: {tell_missing('obstore')}") from None
    return S3Store(location) if call_s is None else S3Store(location, Limits(call_s / 2, call_s / 2, call_s))
