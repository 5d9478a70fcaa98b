"""The tables of the server's semantics over HTTP/2: each response is that of HTTP/1.1, which its own tests check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from support.http2peer import Peer
from support.inprocess import InProcess, serve_files
from support.semantics import (
    ACCEPTS,
    CODINGS,
    IF_RANGES,
    METHODS,
    NOT_SERVED,
    PRECONDITIONS,
    PRECONDITIONS_WHERE,
    RANGES,
    REDIRECTS,
    TARGETS,
    fill,
)

Request = tuple[str, str, Sequence[str]]


def rows(table: Any) -> list[Any]:
    return [row.values for row in table]


TABLES: dict[str, list[Request]] = {
    "methods": [(method, target, ()) for method, target, *_ in rows(METHODS)],
    "targets": [("GET", target, ()) for target, *_ in rows(TARGETS)],
    "not served": [("GET", target, ()) for target, *_ in rows(NOT_SERVED)],
    "redirects": [("GET", target, ()) for target, *_ in rows(REDIRECTS)],
    "preconditions": [("GET", "/data.bin", fields) for fields, *_ in rows(PRECONDITIONS)],
    "where preconditions hold": [(method, target, (field,)) for method, target, field, *_ in rows(PRECONDITIONS_WHERE)],
    "ranges": [("GET", "/data.bin", (f"Range: {field}",)) for field, *_ in rows(RANGES)],
    "ranges of a large file": [("GET", "/big.bin", (f"Range: {field}",)) for field, *_ in rows(RANGES)],
    "If-Range": [("GET", "/data.bin", ("Range: bytes=0-9", f"If-Range: {field}")) for field, *_ in rows(IF_RANGES)],
    "codings": [
        ("GET", "/app.js", () if field is None else (f"Accept-Encoding: {field}",)) for field, *_ in rows(CODINGS)
    ],
    "Expect": [
        ("GET", "/data.bin", (f"Expect: {value}",)) for value in ("100-continue", "miracles", "100-Continue, x")
    ],
    "types": [("GET", "/missing", () if field is None else (f"Accept: {field}",)) for field, *_ in rows(ACCEPTS)],
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    root = tmp_path_factory.mktemp("semantics") / "site"
    root.mkdir()
    fill(root)
    (root.parent / "secret.txt").write_bytes(b"outside the root")
    server = InProcess(tmp_path_factory.mktemp("run"), "asyncio", lambda clock, log: serve_files(root, clock, log))
    yield server
    server.stop()
    assert not server.failures


def comparable(fields: dict[str, str]) -> dict[str, str]:
    """Return what must be the same: all but what is of the moment, or of the protocol."""
    left = {name: value for name, value in fields.items() if name not in (":status", "date", "connection")}
    if left.get("content-type", "").startswith("multipart/"):
        left["content-type"] = "multipart/byteranges"
    return left


@pytest.mark.parametrize("requests", TABLES.values(), ids=TABLES)
def test_a_response_is_that_of_http_1(served: InProcess, requests: list[Request]) -> None:
    with served.connect() as client, Peer(served.connect().connection) as peer:
        etag = client.request("/data.bin").fields["etag"]
        stream_id = 1
        for method, target, lines in requests:
            if not target.startswith("/") or any(byte <= 32 or byte > 126 for byte in target.encode()):
                continue  # malformed in HTTP/2: test_conformance.py
            filled = [line.format(tag=etag, bare=etag.strip('"')) if "{" in line else line for line in lines]
            pairs = [line.split(":", 1) for line in filled]
            fields = [(name.lower().encode(), value.strip().encode("latin-1")) for name, value in pairs]
            expected = client.request(target, method, *filled)
            found = peer.get(stream_id, target.encode(), *fields, method=method.encode())
            stream_id += 2
            shown = (method, target, lines)
            assert found.status == expected.status, shown
            assert comparable(found.fields) == comparable(expected.fields), shown
            if "multipart/" in expected.fields.get("content-type", ""):
                assert len(found.body) == len(expected.body), shown
            else:
                assert found.body == expected.body, shown
            if expected.fields.get("connection") == "close":
                client = served.connect()


def test_a_thousand_ranges_are_one_multipart_response(served: InProcess) -> None:
    ranges = "bytes=" + ",".join(f"{start}-{start}" for start in range(0, 2000, 2))
    with served.connect() as client, Peer(served.connect().connection) as peer:
        expected = client.request("/big.bin", "GET", f"Range: {ranges}")
        found = peer.get(1, b"/big.bin", (b"range", ranges.encode()))
        assert (found.status, len(found.body)) == (206, len(expected.body))
        assert found.fields["content-type"].startswith("multipart/byteranges")
