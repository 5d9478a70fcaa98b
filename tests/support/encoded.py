"""Common code of the compression tests: independent decoders, and compressible content."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from importlib import import_module

import pytest

from fastfile.storage.encoders import available_codings, zstd_library

SUFFIXES = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
# A program with this beginning finds no library.
NO_LIBRARIES = "import sys; sys.modules.update({n: None for n in ('brotli', 'compression.zstd', 'backports.zstd')})"
TEXT = b"".join(b"export const name%d = 'what a bundler writes, line %d';\n" % (n * 7919, n) for n in range(400))


def require_all_codings() -> None:
    """Skip if a library is missing; fail if nothing may be skipped, as in CI."""
    missing = {name.encode() for name in SUFFIXES} - set(available_codings())
    if missing and os.environ.get("FASTFILE_REQUIRE_EXTENSIONS", "") not in ("", "0"):
        pytest.fail(f"required here: {missing}; pip install '.[compress]'")
    if missing:
        pytest.skip(f"no {missing} here")


def decode(coding: str, content: bytes) -> bytes:
    if coding == "gzip":
        return gzip.decompress(content)
    if coding == "br":
        decompress: Callable[[bytes], bytes] = import_module("brotli").decompress
    else:
        decompress = zstd_library().decompress
    return decompress(content)
