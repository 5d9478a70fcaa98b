"""The manifest: one form, and nothing else is read."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.published import make_manifest

from fastfile.errors import StartError
from fastfile.releases import manifest as module
from fastfile.releases.manifest import (
    EMPTY,
    ManifestFile,
    Place,
    is_release_id,
    parse_manifest,
)

A, B, C = (sha256(name).hexdigest() for name in (b"a", b"b", b"c"))
PACK = sha256(b"pack").hexdigest()
FILES = (
    ManifestFile(b"index.html", A, 1, 1_700_000_000_123_456_789),
    ManifestFile(b"assets/app-B1c2D3e4.js", B, 1, 1_700_000_000_000_000_000, 1_800_000_000),
    ManifestFile(b"assets/caf\xc3\xa9 \xff.js", B, 1, 0),
    ManifestFile(b"empty", EMPTY, 0, 5),
    ManifestFile(b"large.bin", C, 5 << 40, 5),
)
MANIFEST = make_manifest(1_700_000_000, None, FILES, {A: Place(PACK, 0), B: Place(PACK, 1), EMPTY: Place(PACK, 0)})
TEXT = json.loads(zlib.decompress(MANIFEST.to_bytes()))


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert parse_manifest(MANIFEST.to_bytes()) == MANIFEST
    assert is_release_id(MANIFEST.id)
    assert MANIFEST.id.startswith("20231114T221320Z-")


def test_the_order_of_the_files_and_other_places_make_no_difference() -> None:
    places = {A: Place(PACK, 0), B: Place(PACK, 1), sha256(b"other").hexdigest(): Place(PACK, 2)}
    assert make_manifest(1_700_000_000, None, FILES[::-1], places) == MANIFEST


def test_every_part_of_a_manifest_is_in_its_id() -> None:
    others = [
        make_manifest(1_700_000_000, MANIFEST.id, FILES, MANIFEST.places),
        make_manifest(1_700_000_001, None, FILES, MANIFEST.places),
        make_manifest(1_700_000_000, None, FILES[1:], MANIFEST.places),
        make_manifest(1_700_000_000, None, FILES, {}),
    ]
    assert len({MANIFEST.id, *(other.id for other in others)}) == 5


def with_path(path: str) -> Callable[[Any], None]:
    return lambda text: text["files"].append([path, 0, 0])


def with_paths(*paths: str) -> Callable[[Any], None]:
    return lambda text: text.update(files=[[path, 0, 0] for path in paths])


def setting(*keys: str | int, value: object) -> Callable[[Any], None]:
    def change(text: Any) -> None:
        for key in keys[:-1]:
            text = text[key]
        text[keys[-1]] = value

    return change


HOSTILE: dict[str, Callable[[Any], None]] = {
    "a parent": with_path("zz/../../etc/passwd"),
    "only a parent": with_path(".."),
    "a dot": with_path("zz/./a"),
    "absolute": with_path("/zz"),
    "a slash at the end": with_path("zz/"),
    "an empty segment": with_path("zz//a"),
    "empty": with_path(""),
    "NUL": with_path("zz\0"),
    "a long name": with_path("z" * 256),
    "a long path": with_path("/".join(["zz"] * 2000)),
    "no characters of UTF-8": with_path("zz\ud800"),
    "a second spelling": with_path("zz\udcc3\udca9"),
    "no text": setting("files", 0, 0, value=7),
    "repeated": with_paths("a", "a"),
    "out of order": with_paths("b", "a"),
    "a file and a folder": with_paths("a", "a/b"),
    "a file and a far folder": with_paths("a", "a-", "a/b/c/d"),
    "no such blob": setting("files", 0, 1, value=99),
    "a blob from the end": setting("files", 0, 1, value=-1),
    "a blob without a file": setting("files", value=[]),
    "a negative time": setting("files", 0, 2, value=-1),
    "a time after 9999": setting("files", 0, 2, value=253402300800 * 10**9),
    "a time with a fraction": setting("files", 0, 2, value=1.5),
    "true as a number": setting("files", 0, 2, value=True),
    "a carried page for ever": setting("files", 0, value=["a", 0, 0, 10**12]),
    "too long a row": setting("files", 0, value=["a", 0, 0, 0, 0]),
    "a digest in capitals": setting("blobs", 0, 0, value="A" * 64),
    "a short digest": setting("blobs", 0, 0, value="a" * 63),
    "a digest with a path": setting("blobs", 0, 0, value="../" + "a" * 61),
    "a negative size": setting("blobs", 0, 1, value=-1),
    "too large a size": setting("blobs", 0, 1, value=(5 << 40) + 1),
    "a size of the empty blob": setting("blobs", 0, 1, value=0),
    "an offset without a pack": setting("blobs", 0, value=[TEXT["blobs"][0][0], 1, 0]),
    "no such pack": setting("blobs", 0, value=[TEXT["blobs"][0][0], 1, 1, 0]),
    "a negative offset": setting("blobs", 0, value=[TEXT["blobs"][0][0], 1, 0, -1]),
    "an offset beyond every pack": setting("blobs", 0, value=[TEXT["blobs"][0][0], 1, 0, 1 << 30]),
    "a pack of no use": lambda text: text["packs"].append("f" * 64),
    "a wrong pack": setting("packs", 0, value="x"),
    "a wrong previous id": setting("previous", value="../current"),
    "a number as previous id": setting("previous", value=7),
    "another version": setting("format", value=2),
    "no version": lambda text: text.pop("format"),
    "another key": lambda text: text.update(more=1),
    "a date beyond time": setting("created", value=10**18),
    "no list of files": setting("files", value={"a": 1}),
    "no files": setting("files", value=None),
}


def compressed(text: object) -> bytes:
    return zlib.compress(json.dumps(text, separators=(",", ":")).encode())


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_manifest_is_refused(change: Callable[[Any], None]) -> None:
    text = json.loads(json.dumps(TEXT))
    change(text)
    with pytest.raises(ValueError, match=r"\S"):
        parse_manifest(compressed(text))


BODIES = {
    "nothing": b"",
    "not compressed": b"{}",
    "truncated": MANIFEST.to_bytes()[:-1],
    "more after it": MANIFEST.to_bytes() + b"x",
    "no JSON": zlib.compress(b"{"),
    "a list": zlib.compress(b"[]"),
    "deep": zlib.compress(b"[" * 100_000),
    "a number of many digits": zlib.compress(b'{"format":' + b"1" * 10_000 + b"}"),
    "other white space": zlib.compress(json.dumps(TEXT).encode()),
    "keys in another order": compressed(dict(reversed(TEXT.items()))),
    "a key twice": zlib.compress(zlib.decompress(MANIFEST.to_bytes()).replace(b'"created"', b'"created":0,"created"')),
    "not escaped": zlib.compress(zlib.decompress(MANIFEST.to_bytes()).replace(b"\\u00e9", "é".encode())),
    "many empty lists": zlib.compress(b"[" + b"[]," * 900_000 + b"[]]"),
    "many empty objects": zlib.compress(b"[" + b"{}," * 900_000 + b"{}]"),
    "many texts": zlib.compress(b"[" + b'"",' * 3_300_000 + b"7]"),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_other_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_manifest(body)


def test_a_decompression_bomb_is_refused_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TEXT", 1 << 16)
    with pytest.raises(ValueError, match="more than 65536 bytes"):
        parse_manifest(zlib.compress(b" " * (1 << 24)))


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 4)
    with pytest.raises(ValueError, match="more than 4"):
        parse_manifest(MANIFEST.to_bytes())


@pytest.mark.parametrize(
    ("limit", "value", "paths"),
    [
        ("MAX_FOLDERS", 3, [b"a/b/c/d/e"]),
        ("MAX_FOLDERS", 3, [b"a/1", b"b/1", b"c/1", b"d/1"]),
        ("MAX_TEXT", 1000, [b"a" * 200] * 10),
        ("MAX_FILES", 1, [b"a", b"b", b"[[[[[[["]),
    ],
)
def test_what_no_reader_takes_is_not_written(
    limit: str, value: int, paths: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [ManifestFile(path, "a" * 64, 1, 0) for path in paths]
    body = make_manifest(0, None, files, {}).to_bytes()
    monkeypatch.setattr(module, limit, value)
    with pytest.raises(ValueError, match="more"):
        parse_manifest(body)
    with pytest.raises(StartError, match="too large: its manifest has more"):
        make_manifest(0, None, files, {})


def test_mutated_manifests_are_refused_or_equal_what_they_say() -> None:
    good = zlib.decompress(MANIFEST.to_bytes())
    chance = random.Random(18)
    for _ in range(3000):
        text = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text))
            text[at : at + chance.randint(0, 2)] = bytes(chance.choices(b'0123456789abcdef",[]{}./\\u-', k=1))
        try:
            found = parse_manifest(zlib.compress(text))
        except ValueError:
            continue
        assert zlib.decompress(found.to_bytes()) == text


SEGMENT = st.binary(min_size=1, max_size=20).filter(
    lambda name: not set(name) & {0, 0x2F} and name not in (b".", b"..")
)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(SEGMENT, min_size=1, max_size=4).map(b"/".join), unique=True, max_size=20), st.data())
def test_every_tree_of_a_disk_is_read_as_it_was_written(paths: list[bytes], data: st.DataObject) -> None:
    kept = [path for path in paths if not any(other.startswith(path + b"/") for other in paths)]
    files = [ManifestFile(path, data.draw(st.sampled_from((A, B, C))), 1, 0) for path in kept]
    written = make_manifest(0, None, files, {A: Place(PACK, 3)})
    assert parse_manifest(written.to_bytes()) == written


def test_the_empty_blob_has_no_place() -> None:
    assert EMPTY not in MANIFEST.places
