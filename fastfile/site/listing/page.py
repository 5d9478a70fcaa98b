"""The listing of a folder, as HTML, text or JSON.

Makes bytes from values: no I/O but the style and the script, which are read at import; no clock, no negotiation. A name
comes from outside: it is escaped for its context, and a link to it is percent-encoded bytes, so that no name can be a
scheme or a host.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from fastfile.http.target import UNRESERVED, encode_path
from fastfile.records import NamedTuple
from fastfile.site.listing.kinds import kind_of_extension
from fastfile.site.listing.readme import render_markdown, render_text
from fastfile.site.pages import (
    C1_CONTROLS,
    HTML,
    LINES_AND_DIRECTIONS,
    STYLE,
    TEXT,
    escape_html,
    escape_json,
    make_html_head,
    read_asset,
    readable_size,
    source_hash,
)
from fastfile.storage.directory import COLUMNS, DirectoryEntry, Order


class Readme(NamedTuple):
    """The README of a folder; ``is_cut`` if only its beginning is shown."""

    name: bytes
    text: str
    is_cut: bool


class Listing(NamedTuple):
    """The content of a listing. ``path`` is decoded and has a slash at either end; ``entries`` are in order.

    ``total`` is the number of entries in the folder; more than there are in ``entries`` if the listing is cut. ``top``
    counts the names of the path where nothing is listed above, such as that of --base.
    """

    path: bytes
    entries: Sequence[DirectoryEntry]
    order: Order = Order()
    readme: Readme | None = None
    has_archive: bool = False
    total: int = 0
    top: int = 0


_STYLE = STYLE + read_asset("fastfile.site.listing", "style.css")
_SCRIPT = read_asset("fastfile.site.listing", "script.js")

# The page loads nothing, and runs only its style sheet and its script, identified by their hashes. A name that became
# markup in spite of the escapes could do nothing, and the script cannot make markup (Trusted Types). Forms lead only to
# this server. There is no frame-ancestors: editors show pages in a frame, and the page has no action to abuse.
LISTING_POLICY = (
    b"default-src 'none'; style-src %b; script-src %b; base-uri 'none'; form-action 'self'; "
    b"require-trusted-types-for 'script'"
) % (source_hash(_STYLE), source_hash(_SCRIPT))

_TEXT_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 0x7F, *C1_CONTROLS)} | {ord("\\"): "\\\\"}
_TEXT_ESCAPES |= {code: f"\\u{code:04x}" for code in LINES_AND_DIRECTIONS}

# Sorting and the zip are forms, not links: `wget -r` and robots follow links, and some clients take each link for a
# file. Forms work without script.
_ARCHIVE_FORM = "<form><button name=archive value=zip>Download as zip</button></form>"

# The heading links the root and at most this many of the nearest folders above.
MAX_CRUMBS = 6

ROWS = 256  # entries in a part: 30 KiB, made in a third of a millisecond

# RFC 3339 has years 0001 to 9999; other times are shown as unknown.
_FIRST_SECOND = -62135596800
_END_SECOND = 253402300800
_TWO = tuple(f"{number:02d}" for number in range(100))  # a lookup costs a third of {:02d}: 20 ms in 20 000 entries


def make_listing(listing: Listing, media_type: bytes) -> Iterator[bytes]:
    """Make the listing of a folder, in parts; ``media_type`` is one of PAGE_TYPES.

    Making a part does not let other threads run, so a part has the rows of only a few entries.
    """
    if media_type == HTML:
        return _html_listing(listing)
    if media_type == TEXT:
        return _text_listing(listing)
    return _json_listing(listing)


def _runs(entries: Sequence[DirectoryEntry]) -> Iterator[Sequence[DirectoryEntry]]:
    return (entries[start : start + ROWS] for start in range(0, len(entries), ROWS))


def _utc(mtime_s: int) -> tuple[str, str] | None:
    """Return date and time of day in UTC, or None outside of the years 0001 to 9999."""
    if not _FIRST_SECOND <= mtime_s < _END_SECOND:
        return None
    year, month, day, hour, minute, second = time.gmtime(mtime_s)[:6]
    date = f"{_TWO[year // 100]}{_TWO[year % 100]}-{_TWO[month]}-{_TWO[day]}"
    return date, f"{_TWO[hour]}:{_TWO[minute]}:{_TWO[second]}"


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _link_and_text(name: bytes) -> tuple[str, str]:
    """Return the reference to an entry, percent-encoded, and its name as HTML."""
    if not name.translate(None, UNRESERVED):  # most names need no escapes at all
        text = name.decode("ascii")
        return text, text
    # A colon is encoded too, so "javascript:x" is no scheme (RFC 3986 §4.2). Links have no "./" in front: fsspec,
    # httpdirfs and Kodi do not understand it.
    return encode_path(name).decode("ascii"), escape_html(_shown(name))


def _html_listing(listing: Listing) -> Iterator[bytes]:
    path = listing.path
    up = "" if path.count(b"/") == listing.top + 1 else '<tr><td><a href="../" class=u>../</a><td><td>\n'
    yield (
        f"{make_html_head(_title(path), _STYLE)}<main><h1>{_breadcrumbs(path, listing.top)}</h1>\n"
        f"<div class=bar><span>{_summary(listing)}</span>{_ARCHIVE_FORM if listing.has_archive else ''}</div>\n"
        f"<table>\n<thead><tr>{_column_heads(listing.order)}\n<tbody>\n{up}"
    ).encode()
    # A build has few different extensions and minutes, so their texts are made once.
    kinds: dict[bytes, str] = {}
    minutes: dict[int, str] = {}
    for entries in _runs(listing.entries):
        yield "".join(_rows(entries, kinds, minutes)).encode()
    readme = "" if listing.readme is None else _readme(listing.readme)
    yield f"</table>\n{readme}</main>\n<script>{_SCRIPT}</script>\n".encode()


def _title(path: bytes) -> str:
    """Return the title. The folder's name comes first, because a browser tab cuts off the end."""
    name = escape_html(_shown(path[:-1].rpartition(b"/")[2]))
    return f"{name} - index of {escape_html(_shown(path))}" if name else "Index of /"


def _breadcrumbs(path: bytes, top: int) -> str:
    """Return the path with the folders above as links, relative, so that they work behind a proxy's prefix too.

    Their references are not in quotes: clients that find entries by a pattern (fsspec, Kodi) skip them.
    """
    *above, here = path[:-1].split(b"/")[top:]
    if not above:
        return f"Index of {escape_html(_shown(path))}"
    crumbs = [f"<a href={'../' * len(above)}>Home</a>"]
    nearest = above[1:][-MAX_CRUMBS:]
    if len(nearest) < len(above) - 1:
        crumbs.append("\u2026")
    for up, name in zip(range(len(nearest), 0, -1), nearest, strict=True):
        crumbs.append(f"<a href={'../' * up}>{escape_html(_shown(name))}</a>")
    crumbs.append(f"<b>{escape_html(_shown(here))}</b>")
    return "<i>/</i>".join(crumbs)


def _summary(listing: Listing) -> str:
    entries = listing.entries
    if listing.total > len(entries):
        return f"{listing.total:,} entries, of which the first {len(entries):,} are shown"
    folders = files = size = 0
    for entry in entries:
        folders += entry.is_directory
        files += not entry.is_directory
        size += entry.size
    counts = ((folders, "folder"), (files, "file"))
    counted = [f"{count} {noun}" if count == 1 else f"{count} {noun}s" for count, noun in counts if count]
    if files:
        counted.append(readable_size(size))
    return ", ".join(counted) or "empty"


def _column_heads(order: Order) -> str:
    """Return the head of each column: a button that sorts by it, or reverses the order if it is sorted by it."""
    heads = []
    for column in COLUMNS:
        is_chosen = column == order.column
        # The first click on another column shows the largest or newest entries first.
        descending = not order.descending if is_chosen else column != "name"
        state = f" aria-sort={'descending' if order.descending else 'ascending'}" if is_chosen else ""
        zone = "<span> (UTC)</span>" if column == "modified" else ""
        heads.append(
            f"<th scope=col{state}><form><button name=sort value={column}>{column.capitalize()}{zone}</button>"
            f"<input type=hidden name=order value={'desc' if descending else 'asc'}></form>"
        )
    return "".join(heads)


def _rows(entries: Sequence[DirectoryEntry], kinds: dict[bytes, str], minutes: dict[int, str]) -> list[str]:
    """Return a row for each entry; ``kinds`` and ``minutes`` cache texts across calls."""
    rows = []
    for name, is_directory, size, mtime_s in entries:
        link, text = _link_and_text(name)
        modified = minutes.get(mtime_s // 60)
        if modified is None:
            utc = _utc(mtime_s)
            # HTML §4.5.14: a global date and time needs no attribute to be read.
            modified = minutes[mtime_s // 60] = f"<time>{utc[0]} {utc[1][:5]}Z</time>" if utc else ""
        if is_directory:
            rows.append(f'<tr><td><a href="{link}/" class=d>{text}/</a><td><td>{modified}\n')
            continue
        extension = name.rpartition(b".")[2]
        kind = kinds.get(extension)
        if kind is None:
            kind = kind_of_extension(extension)
            kind = kinds[extension] = f" class={kind}" if kind else ""
        rows.append(f'<tr><td><a href="{link}"{kind}>{text}</a><td>{readable_size(size)}<td>{modified}\n')
    return rows


def _readme(readme: Readme) -> str:
    text = readme.text + "\n\u2026" if readme.is_cut else readme.text
    if readme.name.lower().endswith(b".md"):
        content = f"<article>{render_markdown(text)}</article>"
    else:
        content = render_text(text)
    return f"<section><h2>{escape_html(_shown(readme.name))}</h2>{content}</section>\n"


def _text_listing(listing: Listing) -> Iterator[bytes]:
    """Make a line per name. Control characters are \\xHH or \\uHHHH, a backslash is doubled, invalid UTF-8 is U+FFFD.

    If not all entries are shown, a last line says so; it begins with a backslash and a space, as no name does.
    """
    for entries in _runs(listing.entries):
        names = [
            _shown(entry.name).translate(_TEXT_ESCAPES) + ("/\n" if entry.is_directory else "\n") for entry in entries
        ]
        yield "".join(names).encode()
    if listing.total > len(listing.entries):
        yield b"\\ truncated: %d of %d entries\n" % (len(listing.entries), listing.total)


def _json_listing(listing: Listing) -> Iterator[bytes]:
    """Make an array of {name, type, size, mtime}; size of a directory, and mtime outside RFC 3339, are null.

    In a name that is not UTF-8, U+FFFD stands for the invalid bytes; such an object has one more member, ``href``, a
    reference whose percent-encoded bytes are the true name. If not all entries are shown, the last object has the type
    "truncated", and ``total`` is the number of entries.
    """
    before = "["
    for entries in _runs(listing.entries):
        yield (before + ",\n".join(map(_json_object, entries))).encode()
        before = ",\n"
    if listing.total > len(listing.entries):
        yield f'{before}{{"name": null, "type": "truncated", "total": {listing.total}}}'.encode()
    yield b"]\n" if listing.entries else b"[]\n"


def _json_object(entry: DirectoryEntry) -> str:
    name, is_directory, size, mtime_s = entry
    utc = _utc(mtime_s)
    mtime = f'"{utc[0]}T{utc[1]}Z"' if utc else "null"
    kind, amount = ("directory", "null") if is_directory else ("file", str(size))
    href = ""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = _shown(name)
        href = f', "href": "{encode_path(name).decode("ascii")}"'
    return f'{{"name": {escape_json(text)}, "type": "{kind}", "size": {amount}, "mtime": {mtime}{href}}}'
