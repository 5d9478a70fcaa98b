"""Encoded variants: the files beside a file that hold it compressed (app.js.br, app.js.zst, app.js.gz)."""

from __future__ import annotations

from fastfile.files.resource import Resource, open_resource
from fastfile.files.root import Root

# Content coding (RFC 9110 §8.4.1, RFC 7932, RFC 8878) and the ending of its files.
SUFFIXES: tuple[tuple[bytes, bytes], ...] = ((b"br", b".br"), (b"zstd", b".zst"), (b"gzip", b".gz"))
_ENDINGS = tuple(suffix for _, suffix in SUFFIXES)


def open_variants(root: Root, path: bytes, original: Resource, small_file: int) -> dict[bytes, Resource]:
    """Return the usable variants of a file by their coding: not those that are older than it."""
    found: dict[bytes, Resource] = {}
    if path.endswith(_ENDINGS):
        return found
    for coding, suffix in SUFFIXES:
        try:
            variant = open_resource(root, path + suffix, small_file)
        except OSError:
            continue
        if not _is_older(variant.mtime_ns, original.mtime_ns):
            found[coding] = variant
    return found


def _is_older(variant_ns: int, original_ns: int) -> bool:
    if variant_ns % 1_000_000_000 == 0:  # copied from the original by a tool that knows whole seconds, as brotli does
        return variant_ns < original_ns - original_ns % 1_000_000_000
    return variant_ns < original_ns
