"""Error pages and listings, read back by parsers that are not ours."""

import base64
import hashlib
import json
import re
import time
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest

from fastfile.files.listing import Entry
from fastfile.pages import (
    HTML,
    JSON,
    LISTING_POLICY,
    PAGE_TYPES,
    TEXT,
    make_error_page,
    make_listing_page,
    readable_size,
)
from fastfile.status import REASONS

MOMENT = 1_700_000_000  # 2023-11-14 22:13:20 UTC


class Page(HTMLParser):
    """What a browser would find: links with their texts, cells, tags, attributes, text by tag."""

    def __init__(self, markup: bytes) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: dict[str, str] = {}
        self._within: list[str] = []
        self.feed(markup.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "html"):
            self._within.append(tag)
        if tag == "a":
            self.links.append((dict(attrs)["href"] or "", ""))

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        tag = self._within[-1] if self._within else ""
        self.text[tag] = self.text.get(tag, "") + data
        if tag == "a":
            href, text = self.links[-1]
            self.links[-1] = (href, text + data)


def listing(*entries: Entry, path: bytes = b"/a/b/") -> Page:
    return Page(make_listing_page(path, entries, HTML))


def file(name: bytes, size: int = 0, mtime_s: int = MOMENT) -> Entry:
    return Entry(name, False, size, mtime_s)


# Error pages


def test_types_are_offered_html_first() -> None:
    assert PAGE_TYPES == (b"text/html; charset=utf-8", b"text/plain; charset=utf-8", b"application/json")
    assert PAGE_TYPES == PAGE_TYPES


@pytest.mark.parametrize("status", [status for status in REASONS if status >= 400])
def test_an_error_page_names_status_reason_and_detail(status: int) -> None:
    reason = REASONS[status]
    page = Page(make_error_page(status, "One sentence.", HTML))
    assert page.text["title"] == page.text["h1"] == f"{status} {reason}"
    assert page.text["p"] == "One sentence."
    assert make_error_page(status, "One sentence.", TEXT) == f"{status} {reason}\n\nOne sentence.\n".encode()
    assert json.loads(make_error_page(status, "One sentence.", JSON)) == {
        "status": status,
        "title": reason,
        "detail": "One sentence.",
    }


def test_a_detail_is_text_whatever_it_holds() -> None:
    detail = "</p><script>alert(\"1\")</script> & 'é' \N{SNOWMAN}"
    page = Page(make_error_page(400, detail, HTML))
    assert page.text["p"] == detail
    assert "script" not in page.tags
    assert json.loads(make_error_page(400, detail, JSON))["detail"] == detail


@pytest.mark.parametrize("media_type", PAGE_TYPES)
def test_a_detail_with_controls_or_lone_surrogates_makes_a_page(media_type: bytes) -> None:
    page = make_error_page(400, "a\x1b[2J\r\n\udcff\x9b", media_type)
    page.decode("utf-8")
    assert b"\x1b" not in page
    assert b"\r" not in page


def test_an_error_page_is_small() -> None:
    assert len(make_error_page(404, "Nothing is here.", HTML)) < 1536


# Both pages


@pytest.mark.parametrize(
    "page", [make_error_page(404, "x", HTML), make_listing_page(b"/", [], HTML)], ids=["error", "listing"]
)
def test_the_policy_admits_the_inline_style_by_its_hash_and_nothing_else(page: bytes) -> None:
    style = re.search(rb"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1]).digest()).decode()
    assert LISTING_POLICY.decode().split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    read = Page(page)
    assert not {"script", "link", "img", "iframe", "form", "base", "object"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name == "style" or name.startswith("on")]


@pytest.mark.parametrize(
    "page", [make_error_page(404, "x", HTML), make_listing_page(b"/", [], HTML)], ids=["error", "listing"]
)
def test_pages_say_charset_and_phone_width_and_know_light_and_dark(page: bytes) -> None:
    assert page.startswith(b"<!DOCTYPE html>")
    assert page.index(b'<meta charset="utf-8">') < 1024  # HTML §4.2.5.4: within the first 1024 bytes
    assert b"width=device-width" in page
    assert b"color-scheme:light dark" in page
    assert b"@media(prefers-color-scheme:dark)" in page


# Listings


HOSTILE = {
    "a scheme": b"javascript:alert(1)",
    "a host": b"\\\\evil.example",
    "another host": b"@evil.example",
    "a tag": b"<script>alert(1)<",
    "an attribute's end": b"\"onmouseover='alert(1)'",
    "an entity": b"&lt;&amp;&#39;",
    "a query": b"a?b",
    "a fragment": b"a#b",
    "an escape": b"a%2e%2E%",
    "a space": b" a  b ",
    "line ends": b"a\r\nb\n",
    "a terminal escape": b"\x1b[2J",
    "UTF-8": "é\N{SNOWMAN}\U0001f600".encode(),
    "not UTF-8": b"caf\xe9\xff",
    "a surrogate in UTF-8": b"\xed\xa0\x80",
    "a direction override": "\u202egnp.exe".encode(),
    "a line separator": "a\u2028b".encode(),
    "a template": b"{name}%s%%",
    "every byte": bytes(set(range(1, 256)) - {0x2F}),
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_link_leads_to_the_true_bytes_of_the_name(name: bytes) -> None:
    (link,) = listing(file(name)).links[3:]
    assert re.fullmatch(r"\./(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})+", link[0])
    resolved = urlsplit(urljoin("http://origin.example/a/b/", link[0]))
    assert resolved.netloc == "origin.example"
    assert unquote_to_bytes(resolved.path) == b"/a/b/" + name


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_name_is_text_whatever_it_holds(name: bytes) -> None:
    page = listing(file(name))
    pictures = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421, 0x202E: 0xFFFD, 0x2028: 0xFFFD}
    assert page.links[3][1] == name.decode("utf-8", "replace").translate(pictures)
    assert set(page.tags) == set(listing().tags)
    assert len(page.links) == 4


def test_a_directory_is_shown_and_linked_with_a_slash() -> None:
    assert listing(Entry(b"sub dir", True, 0, MOMENT)).links[-1] == ("./sub%20dir/", "sub dir/")


def test_a_row_says_size_and_time_of_change_in_utc() -> None:
    page = make_listing_page(b"/", [file(b"app.js", 12_345), Entry(b"sub", True, 0, MOMENT)], HTML)
    assert b'<tr><td><a href="./app.js">app.js</a><td>12 KiB<td>2023-11-14 22:13\n' in page
    assert b'<tr><td><a href="./sub/">sub/</a><td><td>2023-11-14 22:13\n' in page


def test_the_title_names_the_path() -> None:
    page = listing(path=b"/<a>/b&\xff/")
    assert page.text["title"] == "Index of /<a>/b&\N{REPLACEMENT CHARACTER}/"


def test_the_way_up_is_linked_relative_to_the_page() -> None:
    links = listing(path=b"/a/b c/d/").links
    assert links == [("../../../", "/"), ("../../", "a/"), ("../", "b c/"), ("../", "../")]
    assert [urljoin("http://origin.example/prefix/a/b/d/", href) for href, _ in links[:2]] == [
        "http://origin.example/prefix/",
        "http://origin.example/prefix/a/",
    ]


def test_the_root_has_no_way_up() -> None:
    page = listing(path=b"/")
    assert page.links == []
    assert page.text["h1"] == "Index of /"


def test_a_json_listing_is_an_array_of_objects() -> None:
    entries = [Entry(b"sub", True, 0, 0), file('"é\\\n'.encode(), 5)]
    assert json.loads(make_listing_page(b"/", entries, JSON)) == [
        {"name": "sub", "type": "directory", "size": None, "mtime": "1970-01-01T00:00:00Z"},
        {"name": '"é\\\n', "type": "file", "size": 5, "mtime": "2023-11-14T22:13:20Z"},
    ]


def test_an_empty_json_listing_is_an_empty_array() -> None:
    assert json.loads(make_listing_page(b"/", [], JSON)) == []


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_json_name_is_the_name_and_one_that_is_not_utf_8_has_its_bytes_in_href(name: bytes) -> None:
    (entry,) = json.loads(make_listing_page(b"/", [file(name)], JSON))
    assert entry["name"] == name.decode("utf-8", "replace")
    if "href" in entry:
        assert entry["href"].startswith("./")
        assert unquote_to_bytes(entry["href"][2:]) == name
    else:
        assert entry["name"].encode() == name


def test_a_text_listing_is_a_line_per_name() -> None:
    entries = [Entry(b"sub", True, 0, 0), file(b"a\r\n\x1b\x7f\\x"), file("\x9bé\u202e".encode()), file(b"\xff")]
    assert make_listing_page(b"/", entries, TEXT).decode().split("\n") == [
        "sub/",
        r"a\x0d\x0a\x1b\x7f\\x",
        r"\x9bé\u202e",
        "\N{REPLACEMENT CHARACTER}",
        "",
    ]


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_no_name_makes_two_lines_of_text(name: bytes) -> None:
    assert len(make_listing_page(b"/", [file(name)], TEXT).decode().splitlines()) == 1


@pytest.mark.parametrize(
    ("mtime_s", "text"),
    [
        (-62135596800, "0001-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (951782400, "2000-02-29T00:00:00Z"),
        (253402300799, "9999-12-31T23:59:59Z"),
        (-62135596801, None),
        (253402300800, None),
        (2**63 - 1, None),
        (-(2**63), None),
    ],
)
def test_times_are_rfc_3339_or_unknown(mtime_s: int, text: str | None) -> None:
    (entry,) = json.loads(make_listing_page(b"/", [file(b"a", 0, mtime_s)], JSON))
    assert entry["mtime"] == text
    shown = text[:16].replace("T", " ") if text else ""
    assert f"<td>{shown}\n".encode() in make_listing_page(b"/", [file(b"a", 0, mtime_s)], HTML)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (10_188, "9.9 KiB"),
        (10_189, "10 KiB"),
        (1_023_487, "999 KiB"),
        (1_023_488, "1.0 MiB"),
        (1024**2, "1.0 MiB"),
        (5 * 1024**3 // 2, "2.5 GiB"),
        (2**63 - 1, "8.0 EiB"),
    ],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert readable_size(size) == text


def test_twenty_thousand_entries_cost_milliseconds() -> None:
    entries = [file(b"assets & more-%05d.js" % number, number * 977, MOMENT + number) for number in range(20_000)]
    # CPU time, and the best of three: the machine has other things to do.
    costs = []
    for _ in range(3):
        start = time.thread_time()
        make_listing_page(b"/", entries, HTML)
        costs.append(time.thread_time() - start)
    assert min(costs) < 0.5  # 0.07 measured; ten thousand times slower is what a mistake would be
