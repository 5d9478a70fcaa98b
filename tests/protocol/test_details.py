"""Details of RFC 9110 that are in no other table, tested with raw bytes."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.rawclient import RawClient, Received, make_request
from support.serverprocess import TIMEOUT_S, ServerProcess

LETTERS = b"abcdefghijklmnopqrstuvwxyz"
MTIME_S = 1_700_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("site")
    (root / "letters.txt").write_bytes(LETTERS)
    (root / "list").mkdir()
    (root / "list/a.txt").write_bytes(b"a")
    for path in (root / "letters.txt", root / "list/a.txt"):
        os.utime(path, (MTIME_S, MTIME_S))
    with ServerProcess([str(root)]) as running:
        yield running


def essence(response: Received) -> tuple[int, dict[str, str], bytes]:
    return response.status, response.lasting(), response.body


@pytest.mark.parametrize("target", ["/letters.txt", "/list/", "/list", "/missing"])
@pytest.mark.parametrize(
    "field",
    [
        pytest.param("Max-Forwards: 0", id="§7.6.2 it is for who forwards"),
        pytest.param("TE: trailers, deflate;q=0.5", id="§10.1.4 trailers are never sent"),
        pytest.param("Upgrade: h2c, websocket", id="§7.8 nothing to upgrade to"),
        pytest.param("Connection: x-thing, date", id="§7.6.1 fields of one hop"),
        pytest.param("Cache-Control: only-if-cached, max-stale", id="RFC 9111 §5.2.1 it is for caches"),
        pytest.param("Cache-Control: no-cache", id="RFC 9111 §5.2.1.4 nothing is ever stale"),
        pytest.param("Pragma: no-cache", id="RFC 9111 §5.4 likewise"),
        pytest.param("Content-Encoding: unknown", id="§8.4 of no content"),
        pytest.param("Content-Range: bytes 0-1/2", id="§14.4 it has no meaning in a request"),
        pytest.param("Content-Type: text/html", id="§8.3 of no content"),
        pytest.param("Date: yesterday", id="§6.6.1 a request's Date is not looked at"),
        pytest.param("Accept-Language: de", id="§12.5.4 there is one language"),
        pytest.param("Accept-Charset: utf-16", id="§12.5.2 it is deprecated"),
        pytest.param("From: a@example.com", id="§10.1.2 who asks does not matter"),
        pytest.param("Referer: http://evil.example/", id="§10.1.3 nor from where"),
        pytest.param("Authorization: Basic YTpi", id="§11.6.2 nothing is protected"),
        pytest.param("X-HTTP-Method-Override: DELETE", id="the method is that of the request-line"),
        pytest.param("X-Forwarded-Host: evil.example", id="no proxy is believed"),
        pytest.param("X-Original-URL: /letters.txt", id="the target is that of the request-line"),
        pytest.param('If-Range: "x"', id="§13.1.5 MUST be ignored without Range"),
    ],
)
def test_fields_of_others_change_nothing(client: RawClient, field: str, target: str) -> None:
    assert essence(client.request(target, "GET", field)) == essence(client.request(target))


@pytest.mark.parametrize("target", ["/list", "/missing", "/%zz"])
@pytest.mark.parametrize("value", ["bytes=0-1", "bytes=0-0,2-2", "bytes=99999-", "bytes=x"])
def test_only_files_have_ranges(client: RawClient, target: str, value: str) -> None:
    """RFC 9110 §14.2: Range is ignored where the answer is no 200, and MAY be where it is."""
    assert essence(client.request(target, "GET", f"Range: {value}")) == essence(client.request(target))


def test_a_range_has_the_fields_of_the_whole(client: RawClient) -> None:
    whole = client.request("/letters.txt").lasting()
    for condition in ([], [f"If-Range: {whole['etag']}"], [f"If-Range: {whole['last-modified']}"]):
        part = client.request("/letters.txt", "GET", "Range: bytes=1-3", *condition)
        assert part.status == 206
        assert part.lasting() == whole | {"content-range": "bytes 1-3/26", "content-length": "3"}


@pytest.mark.parametrize("accept", ["application/json", "text/plain", "text/html", "*/*;q=0"])
@pytest.mark.parametrize("target", ["/list", "/missing", "/%zz"])
def test_fastfiles_own_pages_are_the_same_for_head(client: RawClient, target: str, accept: str) -> None:
    get = client.request(target, "GET", f"Accept: {accept}")
    head = client.request(target, "HEAD", f"Accept: {accept}")
    assert (head.status, head.lasting()) == (get.status, get.lasting())
    assert get.fields["vary"] == "Accept"
    assert head.body == b""


@pytest.mark.parametrize("accept", ["application/json", "text/plain", "text/html"])
def test_head_of_a_listing_is_what_get_says(client: RawClient, accept: str) -> None:
    get = client.request("/list/", "GET", f"Accept: {accept}")
    head = client.request("/list/", "HEAD", f"Accept: {accept}")
    assert (head.status, head.lasting(), head.body) == (200, get.lasting(), b"")
    assert {"content-length", "etag"} <= head.fields.keys()


def test_each_form_of_a_listing_has_its_own_tag(client: RawClient) -> None:
    tags = {}
    for accept in ("application/json", "text/plain", "text/html"):
        tags[accept] = client.request("/list/", "GET", f"Accept: {accept}").fields["etag"]
    assert len(set(tags.values())) == 3
    for accept, tag in tags.items():
        fields = (f"Accept: {accept}", f"If-None-Match: {tag}")
        assert client.request("/list/", "GET", *fields).status == 304
        assert client.request("/list/", "HEAD", *fields).status == 304
    assert json.loads(client.request("/list/", "GET", "Accept: application/json").body)[0]["name"] == "a.txt"


@pytest.mark.parametrize(
    ("field", "status"),
    [
        pytest.param("If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", 200, id="§13.1.3 no date of our own"),
        pytest.param("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200, id="§13.1.4 no date of our own"),
        pytest.param("If-None-Match:", 200, id="§13.1.2 an empty list matches nothing"),
        pytest.param('If-None-Match: ""', 200, id="§8.8.3 an empty tag is another one"),
        pytest.param("If-Match:", 412, id="§13.1.1 an empty list matches nothing"),
        pytest.param("If-Match: *", 200, id="§13.1.1 there is a listing"),
    ],
)
def test_precondition_of_a_listing(client: RawClient, field: str, status: int) -> None:
    assert client.request("/list/", "GET", field).status == status
    assert client.request("/list/", "HEAD", field).status == status


def test_options_reads_its_content_and_says_what_is_allowed(client: RawClient) -> None:
    """RFC 9110 §9.3.7: content of OPTIONS is allowed, and has no use here."""
    content = "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y"
    for target in ("/letters.txt", "*", "/missing", "http://localhost"):
        response = client.request(target, "OPTIONS", content)
        assert (response.status, response.fields["allow"], response.body) == (204, "GET, HEAD, OPTIONS", b"")
    assert client.request("/letters.txt").body == LETTERS


def test_a_client_that_takes_nothing_more_is_cut_off(tmp_path: Path) -> None:
    """By a reset: what it has must not look whole (RFC 9112 §8)."""
    size = 64 << 20
    with (tmp_path / "large.bin").open("wb") as file:
        file.truncate(size)
    with ServerProcess(["--write-timeout", "0.2", str(tmp_path)]) as server, server.connect() as connection:
        connection.sendall(make_request("/large.bin"))
        events = select.poll()
        events.register(connection, select.POLLHUP | select.POLLERR)
        assert events.poll(TIMEOUT_S * 1000), "the server waits for ever"
        with pytest.raises(ConnectionResetError):
            read_to_the_end(connection)


def read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(1 << 20):
        pass
