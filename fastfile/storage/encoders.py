"""Encoders of content codings: gzip always, Brotli and Zstandard if their libraries are installed (the extra compress).

Equal input gives equal output, since no names and times go in. The libraries release the GIL while they work. An
encoder belongs to one thread. A library is imported when it is first used.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

from fastfile.errors import tell_missing

# Least and greatest level, the best coding first. Zstandard has three more, whose windows are larger than the 8 MiB
# that a client must be able to decode (RFC 9659 §3).
LEVELS = {b"br": (0, 11), b"zstd": (1, 19), b"gzip": (1, 9)}
PACKAGES = {b"br": "Brotli", b"zstd": "backports.zstd"}  # what pip calls the libraries
# RFC 1952 §2.3: deflate, with a comment, without time or name, from an unknown system. The comment marks a file that
# fastfile made (commands/compress/survey.py); clients skip it.
GZIP_MARK = b"fastfile\0"
GZIP_HEAD = b"\x1f\x8b\x08\x10\0\0\0\0\x02\xff" + GZIP_MARK


class Encoder(Protocol):
    """Encodes a content piece by piece: the results of ``encode`` and ``finish``, joined, are the encoded content."""

    def encode(self, piece: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


def zstd_library() -> ModuleType:
    """Return the standard library's Zstandard, from Python 3.14 on, or its backport. Raises ImportError."""
    return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def available_codings() -> tuple[bytes, ...]:
    """Return the codings whose libraries are installed, best first."""
    return tuple(coding for coding in LEVELS if _is_available(coding))


def tell_what_is_missing() -> str:
    """Return a line that names the codings whose libraries are missing; an empty one if none is missing."""
    available = available_codings()
    missing = [package for coding, package in PACKAGES.items() if coding not in available]
    if not missing:
        return ""
    made = "only gzip is" if len(available) == 1 else f"{' and '.join(map(bytes.decode, available))} are"
    return f"{made} made: {tell_missing(*missing)}"


def make_encoder(coding: bytes, level: int, size: int) -> Encoder:
    """Return an encoder for one content of ``size`` bytes. Raises ImportError if its library is missing."""
    if coding == b"gzip":
        return _GzipEncoder(level)
    if coding == b"zstd":
        return _ZstdEncoder(zstd_library(), level, size)
    return _BrotliEncoder(import_module("brotli"), level)


def make_decoder(coding: bytes) -> Callable[[bytes], bytes]:
    """Return a function that decodes a content piece by piece. It raises its library's exception on malformed input."""
    if coding == b"gzip":
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress
    if coding == b"zstd":
        decompress: Callable[[bytes], bytes] = zstd_library().ZstdDecompressor().decompress
    else:
        decompress = import_module("brotli").Decompressor().process
    return decompress


def encode(coding: bytes, level: int, content: bytes) -> bytes:
    """Return a content encoded."""
    encoder = make_encoder(coding, level, len(content))
    return encoder.encode(content) + encoder.finish()


def _is_available(coding: bytes) -> bool:
    try:
        make_encoder(coding, LEVELS[coding][1], 0)
    except ImportError:
        return False
    return True


class _GzipEncoder:
    """RFC 1952, with a custom head and tail: zlib's head names the operating system."""

    def __init__(self, level: int) -> None:
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL + 1)
        self._head = GZIP_HEAD
        self._checksum = 0
        self._count = 0

    def encode(self, piece: bytes) -> bytes:
        head, self._head = self._head, b""
        self._checksum = zlib.crc32(piece, self._checksum)
        self._count += len(piece)
        return head + self._deflate.compress(piece)

    def finish(self) -> bytes:
        tail = self._checksum.to_bytes(4, "little") + (self._count & 0xFFFFFFFF).to_bytes(4, "little")
        return self._head + self._deflate.flush() + tail


class _BrotliEncoder:
    def __init__(self, brotli: ModuleType, level: int) -> None:
        self._compressor: Any = brotli.Compressor(quality=level)

    def encode(self, piece: bytes) -> bytes:
        encoded: bytes = self._compressor.process(piece)
        return encoded

    def finish(self) -> bytes:
        encoded: bytes = self._compressor.finish()
        return encoded


class _ZstdEncoder:
    def __init__(self, zstd: ModuleType, level: int, size: int) -> None:
        parameter = zstd.CompressionParameter
        self._compressor: Any = zstd.ZstdCompressor(options={parameter.compression_level: level})
        # The library adapts its tables and its window to the size.
        self._compressor.set_pledged_input_size(size)

    def encode(self, piece: bytes) -> bytes:
        encoded: bytes = self._compressor.compress(piece)
        return encoded

    def finish(self) -> bytes:
        encoded: bytes = self._compressor.flush()
        return encoded
