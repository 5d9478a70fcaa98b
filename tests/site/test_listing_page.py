"""Listings, parsed by other projects' parsers."""

import json
import re
import time
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest
from support.pagereader import FOREIGN, Page, hashes_of

from fastfile.site.listing.page import LISTING_POLICY, MAX_CRUMBS, ROWS, Listing, Readme, make_listing
from fastfile.site.pages import HTML, JSON, TEXT, read_asset
from fastfile.storage.directory import DirectoryEntry, Order

MOMENT = 1_700_000_000  # 2023-11-14 22:13:20 UTC


def make_page(listing: Listing, media_type: bytes) -> bytes:
    return b"".join(make_listing(listing, media_type))


def page_of(*entries: DirectoryEntry, path: bytes = b"/a/b/", media_type: bytes = HTML) -> bytes:
    return make_page(Listing(path, entries), media_type)


def listing(*entries: DirectoryEntry, path: bytes = b"/a/b/") -> Page:
    return Page(page_of(*entries, path=path))


def rows_of(page: Page) -> list[tuple[str, str]]:
    """Return reference and text of the links below the column heads."""
    return page.links[page.links_above_table :]


def file(name: bytes, size: int = 0, mtime_s: int = MOMENT) -> DirectoryEntry:
    return DirectoryEntry(name, False, size, mtime_s)


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
    _, link = rows_of(listing(file(name)))
    assert re.fullmatch(r"(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})+", link[0])
    resolved = urlsplit(urljoin("http://origin.example/a/b/", link[0]))
    assert resolved.netloc == "origin.example"
    assert unquote_to_bytes(resolved.path) == b"/a/b/" + name


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_name_is_text_whatever_it_holds(name: bytes) -> None:
    page = listing(file(name))
    pictures = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421, 0x202E: 0xFFFD, 0x2028: 0xFFFD}
    _, link = rows_of(page)
    assert link[1] == name.decode("utf-8", "replace").translate(pictures)
    assert set(page.tags) == set(listing(file(b"a")).tags)
    assert len(page.links) == len(listing(file(b"a")).links)


def test_a_directory_is_shown_and_linked_with_a_slash() -> None:
    assert listing(DirectoryEntry(b"sub dir", True, 0, MOMENT)).links[-1] == ("sub%20dir/", "sub dir/")


def test_a_row_says_size_and_time_of_change_in_utc() -> None:
    page = page_of(file(b"app.js", 12_345), DirectoryEntry(b"sub", True, 0, MOMENT), path=b"/", media_type=HTML)
    assert b'<a href="app.js" class=c>app.js</a><td>12 KiB<td><time>2023-11-14 22:13Z</time>\n' in page
    assert b'<a href="sub/" class=d>sub/</a><td><td><time>2023-11-14 22:13Z</time>\n' in page


@pytest.mark.parametrize(
    ("path", "title"),
    [
        (b"/", "Index of /"),
        (b"/docs/", "docs - index of /docs/"),
        (b"/<a>/b&\xff/", "b&\N{REPLACEMENT CHARACTER} - index of /<a>/b&\N{REPLACEMENT CHARACTER}/"),
    ],
)
def test_the_title_names_the_folder_and_then_the_path(path: bytes, title: str) -> None:
    assert listing(path=path).text["title"] == title


def test_the_way_up_is_linked_relative_to_the_page() -> None:
    page = listing(path=b"/a/b c/d/")
    links = page.links[:3]
    assert links == [("../../../", "Home"), ("../../", "a"), ("../", "b c")]
    assert rows_of(page) == [("../", "../")]
    assert [urljoin("http://origin.example/prefix/a/b/d/", href) for href, _ in links[:2]] == [
        "http://origin.example/prefix/",
        "http://origin.example/prefix/a/",
    ]


def test_of_a_deep_path_the_nearest_folders_are_linked() -> None:
    """The length of the page grows with the depth, not with its square."""
    page = listing(path=b"/a" * 2000 + b"/")
    links = page.links[:-1]
    assert links == [("../" * 2000, "Home"), *(("../" * up, "a") for up in range(MAX_CRUMBS, 0, -1))]
    assert "\u2026" in page.text["h1"]
    assert len(page_of(path=b"/a" * 2000 + b"/")) - len(page_of(path=b"/a/")) < 15_000


def test_the_root_has_no_way_up() -> None:
    page = listing(path=b"/")
    assert rows_of(page) == page.links == []
    assert page.text["h1"] == "Index of /"


def test_the_top_of_a_site_below_a_path_has_no_way_up() -> None:
    top = Page(make_page(Listing(b"/a/b/", [], top=2), HTML))
    assert rows_of(top) == top.links == []
    assert top.text["h1"] == "Index of /a/b/"
    below = Page(make_page(Listing(b"/a/b/c/d/", [], top=2), HTML))
    assert below.links == [("../../", "Home"), ("../", "c"), ("../", "../")]


@pytest.mark.parametrize(
    ("order", "state", "queries"),
    [
        (Order("name", False), "ascending", ["name&order=desc", "size&order=desc", "modified&order=desc"]),
        (Order("name", True), "descending", ["name&order=asc", "size&order=desc", "modified&order=desc"]),
        (Order("size", True), "descending", ["name&order=asc", "size&order=asc", "modified&order=desc"]),
        (Order("modified", False), "ascending", ["name&order=asc", "size&order=desc", "modified&order=desc"]),
    ],
)
def test_a_column_head_sorts_by_its_column_or_turns_it_round(order: Order, state: str, queries: list[str]) -> None:
    content = make_page(Listing(b"/", [], order), HTML)
    page = Page(content)
    assert page.queries == [f"?sort={query}" for query in queries]
    heads = re.findall(rb"<th scope=col( aria-sort=\w+)?><form><button name=sort value=(\w+)", content)
    assert [column for sort, column in heads if sort] == [order.column.encode()]
    assert dict(page.attributes)["aria-sort"] == state


def test_the_policy_admits_the_style_and_the_script_by_their_hashes_and_nothing_else() -> None:
    readme = Readme(b"README.md", "<script>alert(1)</script><style>*{}</style>", False)
    content = make_page(Listing(b"/", [file(b"a")], Order(), readme, True), HTML)
    ((style,), (script,)) = (hashes_of(content, tag) for tag in ("style", "script"))
    assert LISTING_POLICY.decode().split("; ") == [
        "default-src 'none'", f"style-src {style}", f"script-src {script}", "base-uri 'none'", "form-action 'self'",
        "require-trusted-types-for 'script'",
    ]  # fmt: skip
    page = Page(content)
    assert not FOREIGN & set(page.tags)
    assert not [name for name, _ in page.attributes if name == "style" or name.startswith("on")]


def test_a_listing_is_small() -> None:
    """Style, script and all: less than one segment window of a new connection (RFC 6928)."""
    assert len(page_of(file(b"a"))) < 10 * 1460


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (b"a.PNG", "i"), (b"a.svg", "i"), (b"a.mp4", "v"), (b"a.ts", "c"), (b"a.mp3", "a"), (b"a.woff2", "f"),
        (b"a.tar.gz", "z"), (b"a.html", "c"), (b"a.md", "t"), (b"a.pdf", "t"), (b"a.bin", None), (b"a", None),
    ],
)  # fmt: skip
def test_an_icon_shows_what_kind_of_file_it_is(name: bytes, kind: str | None) -> None:
    classes = [value for attribute, value in listing(file(name)).attributes if attribute == "class"]
    assert classes == ["bar", "u", *([kind] if kind else [])]
    assert kind is None or re.search(
        rf"\.{kind}::before{{[^}}]*clip-path:", read_asset("fastfile.site.listing", "style.css")
    )


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([], "empty"),
        ([file(b"a", 5)], "1 file, 5 B"),
        ([DirectoryEntry(b"a", True, 0, 0), file(b"b", 1023), file(b"c", 1025)], "1 folder, 2 files, 2.0 KiB"),
        ([DirectoryEntry(b"a", True, 0, 0), DirectoryEntry(b"b", True, 0, 0)], "2 folders"),
    ],
)
def test_a_listing_says_how_much_is_there(entries: list[DirectoryEntry], text: str) -> None:
    assert f"<div class=bar><span>{text}</span>".encode() in page_of(*entries)


def test_an_archive_is_offered_where_there_is_one() -> None:
    page = Page(make_page(Listing(b"/", [], has_archive=True), HTML))
    assert "?archive=zip" in page.queries
    assert b"archive" not in page_of(path=b"/")


def test_a_readme_is_shown_below_the_entries_and_cut_where_it_is_long() -> None:
    for name, tag in ((b"README", "pre"), (b"read me.MD", "p")):
        for is_cut, shown in ((False, "a"), (True, "a\n\u2026")):
            page = Page(make_page(Listing(b"/", [], Order(), Readme(name, "a", is_cut)), HTML))
            assert page.text["h2"] == name.decode()
            assert page.text[tag].removeprefix("\n").rstrip("\n") == shown


@pytest.mark.parametrize("media_type", [TEXT, JSON])
def test_a_listing_for_programs_has_the_entries_alone(media_type: bytes) -> None:
    plain = page_of(file(b"a"), media_type=media_type)
    dressed = Listing(b"/", [file(b"a")], Order("size", True), Readme(b"README", "text", False), True)
    assert make_page(dressed, media_type) == plain


def test_a_listing_says_charset_and_phone_width_and_knows_light_and_dark() -> None:
    page = page_of()
    assert page.startswith(b"<!DOCTYPE html>")
    assert page.index(b'<meta charset="utf-8">') < 1024  # HTML §4.2.5.4: within the first 1024 bytes
    assert b"width=device-width" in page
    assert b"color-scheme:light dark" in page
    assert b"@media (prefers-color-scheme:dark)" in page


def test_a_json_listing_is_an_array_of_objects() -> None:
    entries = [DirectoryEntry(b"sub", True, 0, 0), file('"é\\\n'.encode(), 5)]
    assert json.loads(page_of(*entries, media_type=JSON)) == [
        {"name": "sub", "type": "directory", "size": None, "mtime": "1970-01-01T00:00:00Z"},
        {"name": '"é\\\n', "type": "file", "size": 5, "mtime": "2023-11-14T22:13:20Z"},
    ]


def test_an_empty_json_listing_is_an_empty_array() -> None:
    assert json.loads(page_of(path=b"/", media_type=JSON)) == []


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_json_name_is_the_name_and_one_that_is_not_utf_8_has_its_bytes_in_href(name: bytes) -> None:
    (entry,) = json.loads(page_of(file(name), path=b"/", media_type=JSON))
    assert entry["name"] == name.decode("utf-8", "replace")
    if "href" in entry:
        assert unquote_to_bytes(entry["href"]) == name
    else:
        assert entry["name"].encode() == name


def test_a_text_listing_is_a_line_per_name() -> None:
    entries = [
        DirectoryEntry(b"sub", True, 0, 0),
        file(b"a\r\n\x1b\x7f\\x"),
        file("\x9bé\u202e".encode()),
        file(b"\xff"),
    ]
    assert page_of(*entries, media_type=TEXT).decode().split("\n") == [
        "sub/",
        r"a\x0d\x0a\x1b\x7f\\x",
        r"\x9bé\u202e",
        "\N{REPLACEMENT CHARACTER}",
        "",
    ]


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_no_name_makes_two_lines_of_text(name: bytes) -> None:
    assert len(page_of(file(name), path=b"/", media_type=TEXT).decode().splitlines()) == 1


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
    (entry,) = json.loads(page_of(file(b"a", 0, mtime_s), path=b"/", media_type=JSON))
    assert entry["mtime"] == text
    shown = f"<time>{text[:16].replace('T', ' ')}Z</time>" if text else ""
    assert f"<td>{shown}\n".encode() in page_of(file(b"a", 0, mtime_s), path=b"/", media_type=HTML)


@pytest.mark.parametrize("count", [1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS])
def test_a_listing_in_parts_has_each_entry_once(count: int) -> None:
    entries = [file(b"%d" % number) for number in range(count)]
    expected = [str(number) for number in range(count)]
    assert [text for _, text in rows_of(listing(*entries))[1:]] == expected
    assert [entry["name"] for entry in json.loads(page_of(*entries, media_type=JSON))] == expected
    assert page_of(*entries, media_type=TEXT).decode().split() == expected


def test_a_listing_that_is_cut_says_so_in_each_form() -> None:
    cut = Listing(b"/", [file(b"a"), file(b"b")], total=512_345)
    page = make_page(cut, HTML)
    assert b"<span>512,345 entries, of which the first 2 are shown</span>" in page
    assert json.loads(make_page(cut, JSON))[2:] == [{"name": None, "type": "truncated", "total": 512_345}]
    assert make_page(cut, TEXT) == b"a\nb\n\\ truncated: 2 of 512345 entries\n"


def test_twenty_thousand_entries_cost_milliseconds() -> None:
    entries = [file(b"assets & more-%05d.js" % number, number * 977, MOMENT + number) for number in range(20_000)]
    # CPU time, and the best of three, because the machine is shared.
    costs = []
    for _ in range(3):
        start = time.thread_time()
        page_of(*entries, media_type=HTML)
        costs.append(time.thread_time() - start)
    assert min(costs) < 0.5  # 0.05 measured; ten thousand times slower is what a mistake would be
