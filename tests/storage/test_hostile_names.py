"""Hostile names and fields: markup, log lines, headers, terminal commands.

Every name here is a real file, reached by following the links of listings; no input of a client and no file name may
break the page, the message or the line that contains it.
"""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest
from support.pagereader import hashes_of
from support.rawclient import RawClient
from support.serverprocess import ServerProcess

NAMES = [
    b"<script>alert(1)<", b"<img src=x onerror=alert(1)>", b'"><svg onload=alert(1)>', b"' onmouseover='alert(1)",
    b"&lt;b&gt;&amp;", b"javascript:alert(1)", b"data:text,x", b"http:", b"a%2fb", b"%00", b"%zz", b"a?b=c", b"a#b",
    b"a;b", b"a b ", b" lead", b"\\", b"a\\b", b"\\evil.example", b"new\nline", b"cr\r\nSet-Cookie: a=b", b"tab\t",
    b"\x1b[2J\x1b]0;owned\x07", b"bell\x07", b"del\x7f", b"\x9b31m", "\u0085\u2028\u202egnp.exe".encode(),
    b"\xff\xfe", b"latin\xe9", b"\xed\xa0\x80", "é\u0301中🎉".encode(), b"x" * 255, b"*", b"~", b"a:b", b"a@b",
    b"{}", b"${HOME}", b"`id`", b"--help", b"a\"b", b"<title>", b"]]>", b"<!--", b"'", b"=1+1",
]  # fmt: skip


def content_of(name: bytes) -> bytes:
    return b"content of " + name.hex().encode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("hostile")
    for folder in (b"files", *(b"folders/" + name for name in NAMES)):
        os.makedirs(os.path.join(os.fsencode(site), folder))
    for name in NAMES:
        for path in (b"files/" + name, b"folders/" + name + b"/inner.txt"):
            with open(os.path.join(os.fsencode(site), path), "wb") as file:
                file.write(content_of(name))
    return site


class Page(HTMLParser):
    """The links, the tags and the attributes of a page, as a browser would find them."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]


def follow(base: str, link: str) -> str:
    """Return the target that a browser asks for, having resolved a link on the page of ``base``."""
    found = urlsplit(urljoin(f"http://localhost{base}", link))
    assert (found.scheme, found.netloc, found.query, found.fragment) == ("http", "localhost", "", "")
    return found.path


def test_the_links_of_an_html_listing_lead_to_the_files(client: RawClient) -> None:
    response = client.request("/files/", "GET", "Accept: text/html")
    page = Page(response.body)
    tables = {"table", "thead", "tbody", "tr", "th", "td"}
    controls = {"main", "form", "button", "input", "div", "b", "i"}
    assert page.tags <= {"html", "meta", "title", "style", "h1", "p", "span", "a", "time", "script"} | tables | controls
    assert page.attributes <= {
        "lang",
        "charset",
        "name",
        "content",
        "href",
        "scope",
        "class",
        "aria-sort",
        "rel",
        "download",
        "type",
        "value",
    }
    targets = {follow("/files/", link) for link in page.links if not link.startswith("?")}
    found = {client.request(target).body for target in targets if not target.endswith("/")}
    assert found == {content_of(name) for name in NAMES}


def test_the_links_of_folders_lead_into_them_and_their_own_lead_back(client: RawClient) -> None:
    response = client.request("/folders/", "GET", "Accept: text/html")
    links = [link for link in Page(response.body).links if not link.startswith("?")]
    entered = {follow("/folders/", link) for link in links} - {"/", "/folders/"}
    assert len(entered) == len(NAMES)
    for target in entered:
        page = Page(client.request(target, "GET", "Accept: text/html").body)
        links = [follow(target, link) for link in page.links if not link.startswith("?")]
        assert {"/", "/folders/"} <= set(links)
        (inner,) = [link for link in links if link.endswith("/inner.txt")]
        assert client.request(inner).body == content_of(unquote_to_bytes(target)[len(b"/folders/") : -1])


def test_a_json_listing_names_the_files(client: RawClient) -> None:
    body = client.request("/files/", "GET", "Accept: application/json").body
    assert body.isascii()
    found = set()
    for entry in json.loads(body):
        link = entry.get("href") or "./" + "".join(f"%{byte:02X}" for byte in entry["name"].encode())
        found.add(client.request(follow("/files/", link)).body)
    assert found == {content_of(name) for name in NAMES}


def test_a_text_listing_has_a_line_for_each_name_and_no_control_byte(client: RawClient) -> None:
    body = client.request("/files/", "GET", "Accept: text/plain").body
    assert body.count(b"\n") == len(NAMES)
    assert all(character == "\n" or character.isprintable() or character == "\u0301" for character in body.decode())


def test_pages_may_run_and_load_nothing_but_the_script_that_they_come_with(client: RawClient) -> None:
    for target in ("/files/", "/folders/"):
        response = client.request(target, "GET", "Accept: text/html")
        fields = response.fields
        policy = fields["content-security-policy"].split("; ")
        (script,) = hashes_of(response.body, "script")  # a second one would be a name that is markup
        assert policy[0] == "default-src 'none'"
        assert [rule for rule in policy if rule.startswith("script")] == [f"script-src {script}"]
        assert (fields["x-content-type-options"], fields["content-type"]) == ("nosniff", "text/html; charset=utf-8")


def test_a_redirect_of_any_folder_is_a_path_of_this_server(client: RawClient) -> None:
    for name in NAMES:
        target = "/folders/" + "".join(f"%{byte:02x}" for byte in name)
        response = client.request(target + "?a=%0d%0aX:1")
        assert response.status == 301
        location = response.fields["location"]
        assert location.startswith("/folders/")
        assert location.isascii()
        assert location.isprintable()
        assert not set(location) & set(' "<>\\')
        assert client.request(location, "GET", "Accept: application/json").status == 200


SCHEMELESS = ["//evil.example", "///evil.example", "/\\evil.example", "/%5cevil.example", "//evil.example/%2e%2e"]


@pytest.mark.parametrize("start", SCHEMELESS)
def test_a_redirect_never_leads_to_another_authority(client: RawClient, site: Path, start: str) -> None:
    for name in ("evil.example", "\\evil.example"):
        (site / name).mkdir(exist_ok=True)
    response = client.request(start)
    if "location" in response.fields:
        assert urlsplit(urljoin("http://localhost/", response.fields["location"])).netloc == "localhost"
        assert response.fields["location"][:2] in ("/e", "/%")
    for name in ("evil.example", "\\evil.example"):
        (site / name).rmdir()


HOSTILE_TARGETS = [
    "/<script>alert(1)</script>", '/"onload=', "/%3Cscript%3E", "/%0d%0aSet-Cookie:a=b", "/%1b[2J", "/%00", "/%ff%fe",
    "/\x7f", "/\xff\xfe", "/\xc2\x9b31m", "/'-->", "/..%0d%0a",
]  # fmt: skip


@pytest.mark.parametrize("accept", ["text/html", "text/plain", "application/json", "*/*", "<script>"])
@pytest.mark.parametrize("target", HOSTILE_TARGETS)
def test_an_error_page_repeats_nothing_of_the_request(server: ServerProcess, target: str, accept: str) -> None:
    with RawClient(server.connect()) as client:
        response = client.request(target, "GET", f"Accept: {accept}", "Referer: <script>", "Cookie: a=<script>")
    assert response.status in (400, 404)
    assert not {b"<script", b"alert", b"\x1b", b"onload", b"Set-Cookie"} & set(split_words(response.body))
    assert "set-cookie" not in response.fields
    assert response.fields["x-content-type-options"] == "nosniff"
    assert all(value.isprintable() for value in response.fields.values())
    readable = target.isascii() and target.isprintable()
    if accept == "text/plain" and readable:
        assert response.fields["content-type"] == "text/plain; charset=utf-8"
    if accept == "application/json" and readable:  # no field of an unreadable head is used
        assert json.loads(response.body)["status"] == response.status


def split_words(body: bytes) -> list[bytes]:
    return body.replace(b">", b" ").replace(b"(", b" ").replace(b"=", b" ").replace(b":", b" ").split()


FORGED = b'127.0.0.1 - - [01/Jan/2000:00:00:00 +0000] "GET /forged HTTP/1.1" 200 1'
HOSTILE_REQUESTS = [
    b"GET /%0a" + FORGED.replace(b" ", b"%20") + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b'GET /"%ff%e9%9b31m HTTP/1.1\r\nHost: localhost\r\nUser-Agent: "\\\xff\xc2\x9b\t' + FORGED + b"\r\n\r\n",
    b'GET /\\" HTTP/1.1\r\nHost: localhost\r\nReferer: \\" ' + FORGED + b'"\r\n\r\n',
    b"GET /" + b'"' * 7000 + b" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + b'"' * 7000 + b"\r\n\r\n",
    b"HEAD /%1b%5b2J HTTP/1.1\r\nHost: localhost\r\nReferer: a\r\nReferer: b\r\nUser-Agent:\r\n\r\n",
    b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    # An unreadable request is the last one of a connection.
    b"GET /\x1b[2J HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \x1b]0;owned\x07\r\n\r\n",
]


@pytest.mark.parametrize("format", ["pretty", "common", "combined", "json"])
def test_each_request_is_one_line_of_the_log_without_a_raw_control_byte(
    site: Path, tmp_path: Path, format: str
) -> None:
    log = tmp_path / "access.log"
    server = ServerProcess(["--log-format", format, "--log-file", str(log), str(site)])
    with server, server.connect() as connection:
        connection.sendall(b"".join(HOSTILE_REQUESTS))
        while connection.recv(1 << 16):
            pass
    content = log.read_bytes()
    lines = content.splitlines()
    assert content.count(b"\n") == len(lines) == len(HOSTILE_REQUESTS)
    assert all(0x20 <= byte < 0x7F for line in lines for byte in line)
    assert all(len(line) < 4096 for line in lines)
    if format == "json":
        entries = [json.loads(line) for line in lines]
        assert [entry["method"] for entry in entries] == ["GET"] * 4 + ["HEAD", "BREW", None]
    elif format == "combined":
        for line in lines:
            plain = line.replace(b'\\"', b"").replace(b"\\\\", b"")
            assert plain.count(b'"') == 6, line


def test_no_request_or_name_reaches_the_standard_error(server: ServerProcess) -> None:
    assert server.stderr == ""
