"""Encoded variants: the files beside a file that hold it compressed (app.js.br, app.js.zst, app.js.gz)."""

from __future__ import annotations

import os
from typing import NamedTuple

from fastfile.storage.outcome import Outcome, classify
from fastfile.storage.resource import Resource, open_resource
from fastfile.storage.root import Root

# Content coding (RFC 9110 §8.4.1, RFC 7932, RFC 8878) and the ending of its files.
SUFFIXES: tuple[tuple[bytes, bytes], ...] = ((b"br", b".br"), (b"zstd", b".zst"), (b"gzip", b".gz"))
_ENDINGS = tuple(suffix for _, suffix in SUFFIXES)


class Variants(NamedTuple):
    """``usable`` by coding: not those that are older than the original. The others are what that was drawn from.

    ``signatures`` holds, by path, what each variant is, the refused ones too: those may become usable without a trace
    in their folder. What has no entry in the folder is not in it. ``statuses``: of those that could be opened.
    """

    usable: dict[bytes, Resource]
    signatures: dict[bytes, bytes]
    statuses: list[os.stat_result]


def open_variants(root: Root, path: bytes, original: Resource, small_file: int) -> Variants:
    """Open the variants of a file."""
    found = Variants({}, {}, [])
    if path.endswith(_ENDINGS):
        return found
    for coding, suffix in SUFFIXES:
        beside = path + suffix
        signature = root.signature(beside)
        if signature is None:
            continue
        try:
            variant = open_resource(root, beside, small_file)
        except OSError as error:
            if classify(error) is Outcome.BUSY:  # it may well be usable next time
                raise
            found.signatures[beside] = signature
            continue
        found.signatures[beside] = variant.signature
        found.statuses.append(variant.status)
        if not is_older(variant.mtime_ns, original.mtime_ns):
            found.usable[coding] = variant
    return found


def is_older(variant_ns: int, original_ns: int) -> bool:
    """Tell whether a variant is of before its original, so that it may hold another content."""
    if variant_ns % 1_000_000_000 == 0:  # copied from the original by a tool that knows whole seconds, as brotli does
        return variant_ns < original_ns - original_ns % 1_000_000_000
    return variant_ns < original_ns
