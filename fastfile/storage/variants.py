"""Encoded variants: the files beside a file that hold it compressed (app.js.br, app.js.zst, app.js.gz)."""

from __future__ import annotations

import os
from functools import partial
from itertools import islice

from fastfile.errors import Postponed
from fastfile.http.content.stored_coding import SUFFIXES
from fastfile.records import NamedTuple
from fastfile.sendfile import read_cached
from fastfile.storage.metadata import Status
from fastfile.storage.outcome import Outcome, classify
from fastfile.storage.resource import Resource, open_resource
from fastfile.storage.root import Root

# Tools that unpack an archive with the current time (tar -m) write a variant some milliseconds before its original.
# With a longer tolerance, a variant would seem right if its original was changed soon after.
TOLERANCE_NS = 10_000_000
# The first bytes of each coding (RFC 1952 §2.3.1, RFC 8878 §3.1.1); Brotli has no such mark.
_BEGINNINGS = {b"gzip": b"\x1f\x8b", b"zstd": b"\x28\xb5\x2f\xfd", b"br": b""}
# The mark that Unity's loader looks for: a block of metadata at the start of the stream (RFC 7932 §9.2).
_UNITY_BROTLI = b"\x6b\x8d\x00UnityWeb Compressed Content (brotli)"
_ENDINGS = tuple(suffix for _, suffix in SUFFIXES)
_NAME_ENDINGS = tuple(f"{suffix.decode()}/" for suffix in _ENDINGS)
MAX_BEGINNINGS = 1024
MAX_SCANNED = 2000  # names of a folder: takes a millisecond, once for each state of the folder


class Variants(NamedTuple):
    """``usable`` has the variants by coding, without older ones and those not in the coding of their name.

    ``signatures`` has the signature of each variant by path, including rejected ones, because they may become usable
    without a change of their folder. ``statuses`` are those of the variants that could be opened.
    """

    usable: dict[bytes, Resource]
    signatures: dict[bytes, bytes]
    statuses: list[Status]


def open_variants(root: Root, path: bytes, original: Resource | None, small_file: int) -> Variants:
    """Open the variants of a file; ``original`` is None if the file itself is absent."""
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
            if classify(error) is Outcome.BUSY:  # it may be usable next time
                raise
            found.signatures[beside] = signature
            continue
        found.signatures[beside] = variant.signature
        found.statuses.append(variant.status)
        if (original is None or not is_older(variant.mtime_ns, original.mtime_ns)) and holds_coding(variant, coding):
            found.usable[coding] = variant
    return found


def may_have_variants(root: Root, folder: bytes) -> bool:
    """Tell whether any name in a folder may be that of a variant, in a file system that ignores case too."""
    try:
        fd = root.open(folder)
    except OSError:
        return True
    try:
        with os.scandir(fd) as entries:
            endings = [entry.name[-5:] for entry in islice(entries, MAX_SCANNED)]
    except OSError:
        return True
    finally:
        os.close(fd)
    text = "/".join(endings) + "/"
    return len(endings) == MAX_SCANNED or not text.isascii() or any(ending in text.lower() for ending in _NAME_ENDINGS)


def is_older(variant_ns: int, original_ns: int) -> bool:
    """Tell whether a variant is older than its original, so that its content may be out of date."""
    if variant_ns % 1_000_000_000 == 0:  # a tool such as brotli copied the original's time in whole seconds
        return variant_ns < original_ns - original_ns % 1_000_000_000
    return variant_ns < original_ns - TOLERANCE_NS


class Beginnings:
    """Tells codings by the first bytes of files. A thread reads those that are not in memory."""

    def __init__(self) -> None:
        self._read: dict[bytes, bytes] = {}  # by signature

    def tell_coding(self, resource: Resource) -> bytes:
        """Return the coding in which Unity or a maker of tiles wrote a file; b"" for none.

        Raises Postponed if a thread has to read the file first.
        """
        start = _beginning(resource, len(_UNITY_BROTLI))
        if start is None:
            start = self._read.get(resource.signature)
        if start is None:
            raise Postponed(partial(self._wait_for, resource))
        if start.startswith(_UNITY_BROTLI):
            return b"br"
        return b"gzip" if start.startswith(_BEGINNINGS[b"gzip"]) else b""

    def _wait_for(self, resource: Resource) -> None:
        try:
            start = os.pread(resource.fd, len(_UNITY_BROTLI), 0)
        except OSError:  # the response will show that
            start = b""
        if len(self._read) >= MAX_BEGINNINGS:
            self._read.clear()
        self._read[resource.signature] = start


def holds_coding(resource: Resource, coding: bytes) -> bool:
    """Tell whether a content begins like one of the coding; an empty file does not."""
    beginning = _BEGINNINGS[coding]
    if not beginning:
        return resource.size > 0
    start = _beginning(resource, 4)
    # A variant that is not in memory is accepted: the event loop does not wait for the disk.
    return start is None or start.startswith(beginning)


def _beginning(resource: Resource, count: int) -> bytes | None:
    return resource.content[:count] if resource.content is not None else read_cached(resource.fd, 0, count)
