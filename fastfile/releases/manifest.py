"""The manifest of a release: every file with its content, size and time, and where the store has the content.

A manifest has one form: sorted JSON, compressed. Reading is strict, because the files become paths of a disk.
"""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import islice
from operator import lt
from string import ascii_letters, digits
from typing import Any

from fastfile.errors import StartError
from fastfile.http.target import PATH_LIMIT, SEGMENT_LIMIT
from fastfile.records import NamedTuple
from fastfile.releases.store import ATTEMPTS, MIB, Corrupt, Store, Stored, StoreError

FORMAT = 1
EMPTY = sha256().hexdigest()
# Limits against a hostile or broken store. 200,000 files take about 50 MiB of text, and 300 MiB of memory to parse.
MAX_FILES = 200_000
MAX_FOLDERS = 2 * MAX_FILES
MAX_TEXT = 64 * MIB
MAX_BODY = 32 * MIB
MAX_SIZE = 5 << 40  # the largest object of S3
MAX_PACK = 32 * MIB
_LATEST_S = 253402300799  # 9999-12-31: datetime and HTTP-date know no later time
_KEYS = ["format", "created", "previous", "packs", "blobs", "files"]
# Most paths are short, with these characters, and no segment of them is empty or begins with a dot. Lines of paths:
_USUAL = f"{ascii_letters}{digits}._-/\n".encode()
_UNUSUAL_PAIRS = (b"//", b"/.", b"/\n", b"\n/", b"\n.", b"\n\n")
_RELEASE_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")
_SHA256_LINES = re.compile(r"[0-9a-f]{64}(?:\n[0-9a-f]{64})*+")


class OtherVersion(ValueError):
    """A manifest that another version of fastfile has written."""


class ManifestFile(NamedTuple):
    """One file. ``path`` is relative, without a slash at its ends. A carried file belongs to an earlier release."""

    path: bytes
    sha256: str
    size: int
    mtime_ns: int
    carried_until_s: int | None = None


class Place(NamedTuple):
    """Where a pack has a blob."""

    pack: str
    offset: int


class Manifest(NamedTuple):
    """A release. ``files`` are sorted by path. A blob without a place is an object of its own, unless it is empty.

    ``previous`` is the release that was current when this one was published.
    """

    id: str
    created_s: int
    previous: str | None
    files: tuple[ManifestFile, ...]
    places: Mapping[str, Place]

    def to_bytes(self) -> bytes:
        """Return the bytes of the object."""
        return _compress(_make_text(self))


def manifest_key(id: str) -> str:
    """Return the key of a release's manifest."""
    return f"releases/{id}"


def is_release_id(text: str) -> bool:
    """Tell whether a text has the form of a release id."""
    return _RELEASE_ID.fullmatch(text) is not None


def make_object(
    created_s: int, previous: str | None, files: Sequence[ManifestFile], places: Mapping[str, Place]
) -> tuple[Manifest, bytes]:
    """Return the manifest of files in any order, and its object; places of other blobs are left out.

    Raises StartError if it is larger than a reader takes.
    """
    used = {file.sha256 for file in files if file.size}
    kept = {blob: place for blob, place in places.items() if blob in used}
    manifest = Manifest("", created_s, previous, tuple(sorted(files)), kept)
    text = _make_text(manifest)
    try:
        _check_size(text)
        _find_folders([file.path for file in manifest.files])
    except ValueError as error:
        raise StartError(f"the release is too large: its manifest has {error}") from None
    return manifest._replace(id=_make_id(created_s, text)), _compress(text)


def read_manifest(store: Store, id: str, key: str | None = None, digest: str | None = None) -> Manifest:
    """Return a release's manifest, or the one at ``key``, whose object has the given digest. Raises StoreError."""
    return read_with_digest(store, id, key, digest)[0]


def read_with_digest(store: Store, id: str, key: str | None = None, digest: str | None = None) -> tuple[Manifest, str]:
    """Return a manifest as read_manifest() does, and the SHA-256 of its object."""
    key = key or manifest_key(id)
    for attempt in range(1, ATTEMPTS + 1):
        found = store.get(key, limit=MAX_BODY)
        if not isinstance(found, Stored):
            raise Corrupt(f"{store.location}: there is no release {id}")
        try:
            return _check_object(found.body, id, digest)
        except OtherVersion as error:
            raise StoreError(f"{store.location}: {key}: {error}") from None
        except ValueError as error:
            if attempt == ATTEMPTS:
                raise Corrupt(f"{store.location}: {key}{error}") from None
    raise AssertionError("the last attempt has returned or raised")


def _check_object(body: bytes, id: str, digest: str | None) -> tuple[Manifest, str]:
    """Return the manifest of an object and its digest. Raises ValueError with the reason."""
    found_digest = sha256(body).hexdigest()
    if digest is not None and found_digest != digest:
        raise ValueError(" does not match the digest in the pointer")
    try:
        manifest = parse_manifest(body)
    except OtherVersion:
        raise
    except ValueError as error:
        raise ValueError(f": {error}") from None
    if manifest.id != id:
        raise ValueError(f" is the manifest of {manifest.id}")
    return manifest, found_digest


def parse_manifest(body: bytes) -> Manifest:
    """Return the manifest of an object. Raises ValueError for any other text than ``to_bytes()`` compresses."""
    text = _decompress(body)
    _check_size(text)
    try:
        content = json.loads(text)
        manifest = _parse(content)
        if list(content) != _KEYS or _encode(content) != text:
            raise ValueError("not in canonical form")
    except (TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise ValueError("not a manifest") from None
    return manifest._replace(id=_make_id(manifest.created_s, text))


def _make_id(created_s: int, text: bytes) -> str:
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(created_s))}-{sha256(text).hexdigest()[:12]}"


def _make_text(manifest: Manifest) -> bytes:
    """Return the JSON text, which is ASCII. Bytes of paths that are not UTF-8 are lone surrogates (PEP 383)."""
    sizes = {file.sha256: file.size for file in manifest.files}
    blobs = sorted(sizes)
    packs = sorted({place.pack for place in manifest.places.values()})
    numbers = {name: number for number, name in enumerate(blobs)}
    pack_numbers = {name: number for number, name in enumerate(packs)}
    rows: list[list[str | int]] = []
    for blob in blobs:
        place = manifest.places.get(blob)
        rows.append([blob, sizes[blob], *((pack_numbers[place.pack], place.offset) if place else ())])
    content = {
        "format": FORMAT,
        "created": manifest.created_s,
        "previous": manifest.previous,
        "packs": packs,
        "blobs": rows,
        "files": [
            [
                file.path.decode("utf-8", "surrogateescape"),
                numbers[file.sha256],
                file.mtime_ns,
                *(() if file.carried_until_s is None else (file.carried_until_s,)),
            ]
            for file in manifest.files
        ],
    }
    return _encode(content)


def _encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _compress(text: bytes) -> bytes:
    # Most of the text are digests: level 6 takes three times as long, for 8 % fewer bytes.
    return zlib.compress(text, 1)


def _decompress(body: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(body, MAX_TEXT + 1)
    except zlib.error:
        raise ValueError("not compressed as a manifest is") from None
    if len(text) > MAX_TEXT:
        raise ValueError(f"more than {MAX_TEXT} bytes")
    if not inflater.eof or inflater.unused_data:
        raise ValueError("truncated, or followed by other bytes")
    return text


def _check_size(text: bytes) -> None:
    """Raise ValueError for more values than files need: a short value takes twenty times as much memory as text."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"more than {MAX_TEXT} bytes")
    if text.count(b"[") + text.count(b"{") > 4 * MAX_FILES or text.count(b",") > 16 * MAX_FILES:
        raise ValueError(f"more values than {MAX_FILES} files have")


def _parse(content: dict[str, Any]) -> Manifest:
    if content["format"] != FORMAT:
        raise OtherVersion("of another version of fastfile: update this one")
    rows = content["files"]
    if not all(isinstance(content[key], list) for key in ("packs", "blobs", "files")):
        raise ValueError("not a manifest")
    if len(rows) > MAX_FILES:
        raise ValueError(f"more than {MAX_FILES} files")
    _check_numbers([content["created"]], _LATEST_S)
    previous = content["previous"]
    if previous is not None and not is_release_id(previous):
        raise ValueError("a wrong id")
    blobs, sizes, places = _parse_blobs(content["blobs"], content["packs"])
    paths = _parse_paths([row[0] for row in rows])
    numbers, times = [row[1] for row in rows], [row[2] for row in rows]
    _check_numbers(numbers, len(blobs) - 1)
    _check_numbers(times, _LATEST_S * 10**9)
    carried = [row[3] if len(row) == 4 else None for row in rows]
    _check_numbers([until_s for until_s in carried if until_s is not None], _LATEST_S)
    _check_order(paths)
    if len(set(numbers)) != len(blobs) or not {len(row) for row in rows} <= {3, 4}:
        raise ValueError("not in canonical form")
    columns = (paths, map(blobs.__getitem__, numbers), map(sizes.__getitem__, numbers), times, carried)
    files = tuple(map(ManifestFile._make, zip(*columns, strict=True)))
    return Manifest("", content["created"], previous, files, places)


def _parse_blobs(rows: list[Any], packs: list[Any]) -> tuple[list[str], list[int], dict[str, Place]]:
    """Return the digests and the sizes of all contents, and the places of those in packs."""
    blobs, sizes = [row[0] for row in rows], [row[1] for row in rows]
    for digests in (blobs, packs):
        _check_digests(digests)
        _check_order(digests)
    _check_numbers(sizes, MAX_SIZE)
    if any((size == 0) != (blob == EMPTY) for blob, size in zip(blobs, sizes, strict=True)):
        raise ValueError("a wrong size")
    packed = [row for row in rows if len(row) != 2]
    if any(len(row) != 4 for row in packed):
        raise ValueError("a row of a wrong length")
    _check_numbers([row[2] for row in packed], len(packs) - 1)
    _check_numbers([row[3] for row in packed], MAX_PACK)
    if any(size + offset > MAX_PACK for _, size, _, offset in packed):
        raise ValueError("a wrong number")
    if len({row[2] for row in packed}) != len(packs):
        raise ValueError("not in canonical form")
    return blobs, sizes, {blob: Place(packs[pack], offset) for blob, _, pack, offset in packed}


def _check_numbers(values: list[Any], high: int) -> None:
    """Raise ValueError unless all are integers from 0 to ``high``: true is not one."""
    if values and (set(map(type, values)) != {int} or min(values) < 0 or max(values) > high):
        raise ValueError("a wrong number")


def _check_digests(values: list[str]) -> None:
    lines = "\n".join(values)
    if values and (_SHA256_LINES.fullmatch(lines) is None or len(lines) != 65 * len(values) - 1):
        raise ValueError("a wrong digest")


def _check_order(values: Sequence[Any]) -> None:
    if not all(map(lt, values, islice(values, 1, None))):
        raise ValueError("not in order, or repeated")


def _parse_paths(texts: list[str]) -> list[bytes]:
    """Return paths as bytes. Most releases have only usual ones, which are checked all at once."""
    lines = "\n".join(["", *texts, ""]).encode("utf-8", "surrogatepass")
    is_usual = not lines.translate(None, _USUAL) and not any(pair in lines for pair in _UNUSUAL_PAIRS)
    paths = lines.split(b"\n")[1:-1]
    if not is_usual or len(paths) != len(texts) or max(map(len, paths), default=0) > SEGMENT_LIMIT:
        paths = [_parse_path(text) for text in texts]
    folders = _find_folders(paths)
    if not folders.isdisjoint(paths):
        raise ValueError("a file and a folder of one name")
    return paths


def _parse_path(text: str) -> bytes:
    try:
        path = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError("a wrong path") from None
    if path.decode("utf-8", "surrogateescape") != text:  # lone surrogates that together are a character of UTF-8
        raise ValueError("not in canonical form")
    segments = path.split(b"/")
    # An absolute path, and one with a slash at its end, have an empty segment.
    if {b"", b".", b".."} & set(segments) or b"\0" in path or len(path) > PATH_LIMIT:
        raise ValueError("a wrong path")
    if max(map(len, segments)) > SEGMENT_LIMIT:
        raise ValueError("a wrong path")
    return path


def _find_folders(paths: Sequence[bytes]) -> set[bytes]:
    """Return all folders around files. Raises ValueError if they are too many: each takes room on a replica's disk."""
    folders: set[bytes] = set()
    for folder in {path.rpartition(b"/")[0] for path in paths}:
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition(b"/")[0]
        if len(folders) > MAX_FOLDERS:
            raise ValueError(f"more than {MAX_FOLDERS} folders")
    return folders
