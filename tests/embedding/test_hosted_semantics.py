"""The tables of the server's own semantics, asked of the ASGI and WSGI applications in process."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from support.hosted import AsgiHost, WsgiHost
from support.rawclient import Received, check_caching, check_ranges, check_status
from support.semantics import (
    ACCEPTS,
    CHANGES,
    CODINGS,
    DATA,
    FILES,
    IF_RANGES,
    METHODS,
    MTIME_NS,
    NOT_SERVED,
    PRECONDITIONS,
    PRECONDITIONS_WHERE,
    RANGES,
    REDIRECTS,
    TARGETS,
    VARIANTS,
    add_a_variant,
    fill,
    keep_its_mtime,
    received_ranges,
    remove,
)

import fastfile.asgi
import fastfile.wsgi

Host = AsgiHost | WsgiHost

# What a host makes impossible, row by row.
FORMS = "the host reads the form of the target (RFC 9112 §3.2)"
EMPTY_QUERY = "the host gives the query without its question mark, so that an empty one is none"
OUTSIDE = "dot segments lead out of the mount, to what is not ours: 404"
# PEP 3333 has the path decoded, and no standard variable for it as it came.
DECODED = "without REQUEST_URI an encoded slash is a slash, and a bad escape is text"
FRAGMENT = "without REQUEST_URI a number sign is part of the name, as its escape would be"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hosted") / "site"
    root.mkdir()
    fill(root)
    (root.parent / "secret.txt").write_bytes(b"outside the root")
    return root


@pytest.fixture(scope="module", params=["asgi", "asgi below a mount", "wsgi", "wsgi below a mount", "wsgi, decoded"])
def host(request: pytest.FixtureRequest, root: Path) -> Iterator[Host]:
    mount = "/mnt" if "mount" in request.param else ""
    if request.param.startswith("asgi"):
        host: Host = AsgiHost(fastfile.asgi.StaticFiles(root, listing=True), mount)
    else:
        raw_name = "" if "decoded" in request.param else "REQUEST_URI"
        host = WsgiHost(fastfile.wsgi.StaticFiles(root, listing=True), mount, raw_name)
    yield host
    host.close()


def ask(host: Host, target: str, *fields: str, method: str = "GET") -> Received:
    """Ask twice by GET, and by HEAD; return the response that they agree on."""
    target = host.mount + target
    response = host.request(target, method, *fields)
    again = host.request(target, method, *fields)
    assert (again.status, again.lasting()) == (response.status, response.lasting())
    for check in (check_caching, check_ranges, check_status):
        check(response, method)
    if method == "GET":
        unranged = [line for line in fields if not line.startswith(("Range:", "If-Range:"))]
        whole = host.request(target, "GET", *unranged)
        head = host.request(target, "HEAD", *fields)
        left_out = {"content-length", "etag"} - head.fields.keys() if target.endswith("/list/") else set()
        assert head.status == whole.status
        assert head.lasting() == {name: value for name, value in whole.lasting().items() if name not in left_out}
    return response


def why_impossible(host: Host, target: str) -> str | None:
    """Return why no application can answer a row right at a host; None where it can."""
    is_decoded = isinstance(host, WsgiHost) and not host.raw_name
    path = target.partition("?")[0]
    if not target.startswith("/"):
        return FORMS
    if target.endswith("?"):
        return EMPTY_QUERY
    if host.mount and not (os.path.normpath("/mnt" + unquote(path)) + "/").startswith("/mnt/"):
        return OUTSIDE
    if is_decoded and ("%2f" in path.lower() or re.search("%(?![0-9A-Fa-f]{2})", path)):
        return DECODED
    if is_decoded and "#" in target:
        return FRAGMENT
    return None


def check_rows(table: Sequence[Any], check: Callable[..., None]) -> None:
    """Check every row of a table, and fail with all rows that are wrong: a test for each would take a minute."""
    wrong = []
    for row in table:
        try:
            check(*row.values)
        except AssertionError as error:
            wrong.append(f"{row.id}: {error}")
    assert not wrong, "\n".join(wrong)


def test_methods(host: Host) -> None:
    def check(method: str, target: str, status: int) -> None:
        if not why_impossible(host, target):
            response = ask(host, target, method=method)
            assert response.status == status
            assert response.fields.get("allow") == ("GET, HEAD, OPTIONS" if status in (204, 405, 501) else None)

    check_rows(METHODS, check)


def test_targets_that_lead_to_a_file(host: Host) -> None:
    def check(target: str, name: bytes) -> None:
        if why_impossible(host, target) in (None, EMPTY_QUERY):
            response = ask(host, target)
            assert (response.status, response.body) == (200, FILES[name])

    check_rows(TARGETS, check)


def test_targets_that_are_not_served(host: Host) -> None:
    def check(target: str, status: int) -> None:
        if not why_impossible(host, target):
            response = ask(host, target)
            assert response.status == status
            assert b"outside the root" not in response.body

    check_rows(NOT_SERVED, check)


def test_redirects_of_folders(host: Host) -> None:
    def check(target: str, location: str) -> None:
        if not why_impossible(host, target):
            response = ask(host, target)
            assert (response.status, response.fields["location"]) == (301, host.mount + location)

    check_rows(REDIRECTS, check)


def test_preconditions(host: Host) -> None:
    def check(fields: list[str], status: int) -> None:
        for target in ("/data.bin", "/big.bin"):
            tag = ask(host, target).fields["etag"]
            lines = [field.replace("{tag}", tag).replace("{bare}", tag.strip('"')) for field in fields]
            response = ask(host, target, *lines)
            assert response.status == status
            assert status != 200 or response.body == FILES[target[1:].encode()]

    check_rows(PRECONDITIONS, check)


def test_where_preconditions_count(host: Host) -> None:
    def check(method: str, target: str, field: str, status: int) -> None:
        assert ask(host, target, field, method=method).status == status

    check_rows(PRECONDITIONS_WHERE, check)


def test_ranges(host: Host) -> None:
    def check(value: str, expected: list[tuple[int, int]] | None) -> None:
        response = ask(host, "/data.bin", f"Range: {value}")
        if expected is None:
            assert (response.status, response.body) == (200, DATA)
        elif not expected:
            assert (response.status, response.fields["content-range"]) == (416, "bytes */1000")
        else:
            assert response.status == 206
            assert received_ranges(response) == [
                (f"bytes {start}-{stop - 1}/1000", DATA[start:stop]) for start, stop in expected
            ]

    check_rows(RANGES, check)


def test_ranges_of_a_large_file(host: Host) -> None:
    big = FILES[b"big.bin"]
    response = ask(host, "/big.bin", "Range: bytes=1-200000,250000-250001")
    assert [content for _, content in response.parts()] == [big[1:200001], big[250000:250002]]
    beyond = host.request(f"{host.mount}/huge.bin", "GET", f"Range: bytes={4 << 30}-{(4 << 30) + 5}")
    assert beyond.body == b"beyond"


def test_if_range_of_a_host_program(host: Host) -> None:
    tag = ask(host, "/data.bin").fields["etag"]

    def check(condition: str, status: int) -> None:
        response = ask(host, "/data.bin", "If-Range: " + condition.replace("{tag}", tag), "Range: bytes=0-4")
        assert (response.status, response.body) == (status, DATA if status == 200 else DATA[:5])

    check_rows(IF_RANGES, check)


def test_content_codings(host: Host) -> None:
    def check(value: str | None, coding: str | None) -> None:
        response = ask(host, "/app.js", *[f"Accept-Encoding: {value}"] * (value is not None))
        assert response.status == 200
        assert response.fields.get("content-encoding") == coding
        assert response.body == FILES[VARIANTS[coding]]
        assert response.fields["vary"] == "Accept-Encoding"

    check_rows(CODINGS, check)


def test_own_pages_in_a_host_program(host: Host) -> None:
    def check(value: str | None, media_type: str) -> None:
        for target in ("/missing", "/list/", "/sub"):
            response = ask(host, target, *[f"Accept: {value}"] * (value is not None))
            assert response.fields["content-type"].partition(";")[0] == media_type
            assert response.fields["vary"] == "Accept"
            if media_type == "application/json":
                json.loads(response.body)

    check_rows(ACCEPTS, check)


def test_the_next_request_sees_what_has_changed(host: Host, root: Path) -> None:
    path, target = root / "changing", host.mount + "/changing"

    def check(change: Callable[[Path], None], status: int, content: bytes | None) -> None:
        path.write_bytes(b"original")
        os.utime(path, ns=(MTIME_NS, MTIME_NS))
        time.sleep(0.03)  # the cache trusts no change time younger than a clock tick, and nobody can set one back
        try:
            for _ in range(2):
                before = host.request(target, "GET", "Accept-Encoding: gzip")
                assert before.body == b"original"
            change(path)
            after = host.request(target, "GET", "Accept-Encoding: gzip")
            assert after.status == status
            assert content is None or after.body == content
            if content is not None:
                revalidated = host.request(target, "GET", f"If-None-Match: {before.fields['etag']}")
                assert (revalidated.status == 200) == (change is not keep_its_mtime and change is not add_a_variant)
        finally:
            remove(path)
            path.with_name("changing.gz").unlink(missing_ok=True)

    check_rows(CHANGES, check)
