"""``?archive=zip``: the head of the zip of a folder, and its name. storage/zip makes the content."""

from __future__ import annotations

from fastfile.http.content.disposition import make_attachment
from fastfile.http.field_changes import FieldChanges
from fastfile.http.target import join
from fastfile.message import ResponseHead
from fastfile.site.representation import NO_CACHE, NO_SNIFFING

SITE = b"site"  # the name of a zip of the whole root: clients need not know the name of its folder


def zip_name(base: bytes, path: bytes) -> bytes:
    """Return the name of the zip of a folder of a mount, without its extension."""
    return join(base, path).rpartition(b"/")[2] or SITE


def make_zip_head(name: bytes, size: int, changes: FieldChanges) -> ResponseHead:
    """Return the head of the response with a zip of ``size`` bytes."""
    fields = (
        (b"Content-Type", b"application/zip"),
        NO_SNIFFING,
        NO_CACHE,
        (b"Content-Disposition", make_attachment(name + b".zip")),
        (b"Content-Length", b"%d" % size),
    )
    return ResponseHead(200, changes.apply(fields))
