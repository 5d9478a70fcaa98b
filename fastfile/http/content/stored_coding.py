"""Files that hold their content encoded and are asked for by their own name: Unity's x.wasm.gz, x.svgz, vector tiles.

Such a file goes to a client that accepts the coding with Content-Encoding and the type of what is in it (RFC 9110
§8.4), and to others as what it is, an application/gzip, say. The content tells the coding of Unity's .unityweb and of
tiles.
An archive or a download (.tar.gz, .csv.gz) never does: there the coding is part of what the client wants. The module
knows names, not files.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastfile.http.cache_control import compile_glob
from fastfile.records import NamedTuple

SUFFIXES: tuple[tuple[bytes, bytes], ...] = ((b"br", b".br"), (b"zstd", b".zst"), (b"gzip", b".gz"))
UNITY = b".unityweb"  # build.wasm.unityweb: gzip, Brotli or neither, by the build's settings
TILES = (b".pbf", b".mvt")  # as tippecanoe and others write them: gzip or not. No protocol buffer begins like gzip.
OCTETS = b"application/octet-stream"
_CONTAINERS = {b"br": b"application/x-brotli", b"zstd": b"application/zstd", b"gzip": b"application/gzip"}
# Files that the loaders of Unity and Godot request by their encoded names.
_LOADED = (b".wasm", b".js", b".mjs", b".css", b".svg", b".data", b".mem", b".pck", b".symbols.json")


class StoredCoding(NamedTuple):
    """``name`` is that of the content and decides its type; ``container`` is the type of the file itself.

    If a file exists at ``original``, this one is a variant of it, and a download by its own name. ``coding`` is b"" if
    only the content shows it.
    """

    coding: bytes
    name: bytes
    container: bytes
    original: bytes


class StoredCodings:
    """``rules`` are pairs of a glob and a coding; the last one that matches a path below ``base`` applies."""

    def __init__(self, rules: Sequence[tuple[str, str]], base: bytes) -> None:
        self._prefix = b"/%b/" % base if base else b"/"
        self._rules = tuple((compile_glob(glob), coding.encode()) for glob, coding in reversed(rules))

    def find(self, path: bytes) -> StoredCoding | None:
        """Return the stored coding of a file by its path; None for a plain file."""
        name = path.rpartition(b"/")[2]
        for matches, coding in self._rules:
            if matches(self._prefix + path):
                return StoredCoding(coding, _without_suffix(name, coding), _CONTAINERS[coding], b"")
        if name.lower().endswith(b".svgz"):
            return StoredCoding(b"gzip", name[:-1], _CONTAINERS[b"gzip"], b"")
        if name.endswith(UNITY):
            inner = name.removesuffix(UNITY)
            return StoredCoding(b"", inner if b"." in inner else name, OCTETS, b"")
        if name.endswith(TILES):
            return StoredCoding(b"", name, _CONTAINERS[b"gzip"], b"")
        for coding, suffix in SUFFIXES:
            if name.endswith(suffix):
                inner = name.removesuffix(suffix)
                if inner.lower().endswith(_LOADED):
                    return StoredCoding(coding, inner, _CONTAINERS[coding], path.removesuffix(suffix))
        return None


def _without_suffix(name: bytes, coding: bytes) -> bytes:
    return name.removesuffix(dict(SUFFIXES)[coding])
