"""The pages that fastfile writes itself: error answers and directory listings, as HTML, text or JSON.

Makes bytes from values: no I/O, no clock, no negotiation. A name on a page is data of a stranger: it is escaped for
what it stands in, and a link to it is ``./`` and percent-encoded bytes, so that no name can be a scheme or a host.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii

from fastfile.files.listing import Entry
from fastfile.semantics.target import encode_path
from fastfile.status import REASONS

HTML = b"text/html; charset=utf-8"
TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
# In the order in which they are offered: of equally wanted types the first is sent.
PAGE_TYPES = (HTML, TEXT, JSON)

_STYLE = (
    ":root{color-scheme:light dark;--line:#d8dde3;--dim:#5b6673;--link:#0b57d0;--back:#fff;--ink:#1a1d21}"
    "@media(prefers-color-scheme:dark){:root{--line:#343a41;--dim:#98a2ad;--link:#8ab4f8;--back:#15181b;--ink:#e6e8ea}}"
    "body{max-width:60rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif;"
    "background:var(--back);color:var(--ink)}"
    "h1{font-size:1.4rem;font-weight:600;overflow-wrap:anywhere}a{color:var(--link);text-decoration:none}"
    "a:hover,a:focus{text-decoration:underline}table{width:100%;border-collapse:collapse}"
    "th,td{padding:.3rem .5rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap;"
    "color:var(--dim);font-weight:400;font-variant-numeric:tabular-nums}"
    "th:first-child,td:first-child{width:100%;padding-left:0;text-align:left;white-space:normal}"
    # A name is shown as it is: runs of spaces kept, broken anywhere, and its direction marks end with it.
    "td a{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}"
    "@media(max-width:36rem){body{margin:1rem auto}th:last-child,td:last-child{display:none}"
    "td{padding-top:.5rem;padding-bottom:.5rem}}"
)

# Content-Security-Policy of these pages: nothing is loaded or run, and the one style is known by its hash (a test
# computes it). No frame-ancestors: editors show pages in a frame, and there is nothing on them to be tricked into.
LISTING_POLICY = (
    b"default-src 'none'; style-src 'sha256-gauaeLHcgZ+viPLMFSqwKM2EhP1KABvgkLodrwv972c='; "
    b"base-uri 'none'; form-action 'none'"
)

_HEAD = (
    '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    f"<title>%s</title>\n<style>{_STYLE.replace('%', '%%')}</style>\n"
)

# Controls are shown by their pictures (U+2400 and on), so that a line feed in a name is seen and breaks nothing; and
# direction overrides as unreadable, so that "gnp.exe" behind one is not read as "exe.png".
_C1_CONTROLS = range(0x80, 0xA0)
_LINES_AND_DIRECTIONS = (*range(0x2028, 0x202F), *range(0x2066, 0x206A))
_PICTURES = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}
_PICTURES |= dict.fromkeys((*_C1_CONTROLS, *_LINES_AND_DIRECTIONS), 0xFFFD)
_TEXT_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 0x7F, *_C1_CONTROLS)} | {ord("\\"): "\\\\"}
_TEXT_ESCAPES |= {code: f"\\u{code:04x}" for code in _LINES_AND_DIRECTIONS}

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"  # RFC 3986 §2.3

# RFC 3339 has years 0001 to 9999: a time outside is shown as unknown.
_FIRST_SECOND = -62135596800
_END_SECOND = 253402300800
_TWO = tuple(f"{number:02d}" for number in range(100))  # a look-up costs a third of a {:02d}: 20 ms in 20 000 entries


def make_error_page(status: int, detail: str, media_type: bytes) -> bytes:
    """Make the body of an error answer; ``media_type`` is one of PAGE_TYPES, ``status`` one of REASONS.

    JSON has the members of RFC 9457 §3.1 that apply: status, title, detail.
    """
    reason = REASONS[status]
    if media_type == HTML:
        title = f"{status} {reason}"
        page = f"{_HEAD % title}<h1>{title}</h1>\n<p>{_html(detail)}</p>\n"
    elif media_type == TEXT:
        page = f"{status} {reason}\n\n{detail.translate(_PICTURES)}\n"
    else:
        page = f'{{"status": {status}, "title": {_json(reason)}, "detail": {_json(detail)}}}\n'
    # A detail may quote what came in through surrogateescape: it must not become an error of ours.
    return page.encode("utf-8", "replace")


def make_listing_page(path: bytes, entries: Sequence[Entry], media_type: bytes) -> bytes:
    """Make the listing of a directory, its entries in the order given; ``media_type`` is one of PAGE_TYPES.

    ``path`` is the decoded path from the root, with a slash at either end.
    """
    if media_type == HTML:
        return _html_listing(path, entries)
    if media_type == TEXT:
        return _text_listing(entries)
    return _json_listing(entries)


def readable_size(size: int) -> str:
    """Write a size as people read it: in powers of 1024, never more than three digits before a unit larger than B."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        amount /= 1024
        if amount < 999.5:
            # One decimal below 10, where it still says something.
            return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
    return f"{amount / 1024:.1f} EiB"


def _utc(mtime_s: int) -> tuple[str, str] | None:
    """Return date and time of day in UTC, or None outside the years that have four digits."""
    if not _FIRST_SECOND <= mtime_s < _END_SECOND:
        return None
    year, month, day, hour, minute, second = time.gmtime(mtime_s)[:6]
    date = f"{_TWO[year // 100]}{_TWO[year % 100]}-{_TWO[month]}-{_TWO[day]}"
    return date, f"{_TWO[hour]}:{_TWO[minute]}:{_TWO[second]}"


def _html(text: str) -> str:
    # Five replacements cost a quarter of one translate() through a dict, and few names have controls.
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = text.replace('"', "&quot;").replace("'", "&#39;")
    return text if text.isprintable() else text.translate(_PICTURES)


def _json(text: str) -> str:
    return encode_basestring_ascii(text)


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _link_and_text(name: bytes) -> tuple[str, str]:
    """Return the reference to an entry, percent-encoded, and its name as HTML."""
    if not name.translate(None, _UNRESERVED):  # most names: neither has anything to change
        text = name.decode("ascii")
        return "./" + text, text
    # "./" keeps "javascript:x" from being a scheme (RFC 3986 §4.2) and "//evil" from being a host.
    return "./" + encode_path(name).decode("ascii"), _html(_shown(name))


def _html_listing(path: bytes, entries: Sequence[Entry]) -> bytes:
    rows = []
    for name, is_directory, size, mtime_s in entries:
        link, text = _link_and_text(name)
        slash, amount = ("/", "") if is_directory else ("", readable_size(size))
        utc = _utc(mtime_s)
        modified = f"{utc[0]} {utc[1][:5]}" if utc else ""
        rows.append(f'<tr><td><a href="{link}{slash}">{text}{slash}</a><td>{amount}<td>{modified}\n')
    parent = "" if path == b"/" else '<tr><td><a href="../">../</a><td><td>\n'
    title = "Index of " + _html(_shown(path))
    page = (
        f"{_HEAD % title}<h1>Index of {_breadcrumbs(path)}</h1>\n"
        "<table>\n<thead><tr><th scope=col>Name<th scope=col>Size<th scope=col>Modified (UTC)\n"
        f"<tbody>\n{parent}{''.join(rows)}</table>\n"
    )
    return page.encode()


def _breadcrumbs(path: bytes) -> str:
    """Return the path with each directory above as a link, relative so that it holds behind a proxy's prefix too."""
    *above, here = path[:-1].split(b"/")
    links = []
    for up, name in zip(range(len(above), 0, -1), above, strict=True):
        links.append(f'<a href="{"../" * up}">{_html(_shown(name))}/</a>')
    return "".join(links) + _html(_shown(here)) + "/"


def _text_listing(entries: Sequence[Entry]) -> bytes:
    """Make a line per name, controls as \\xHH or \\uHHHH, so the backslash is doubled; what is not UTF-8 as U+FFFD."""
    lines = [_shown(entry.name).translate(_TEXT_ESCAPES) + ("/\n" if entry.is_directory else "\n") for entry in entries]
    return "".join(lines).encode()


def _json_listing(entries: Sequence[Entry]) -> bytes:
    """Make an array of {name, type, size, mtime}; size of a directory, and mtime outside RFC 3339, are null.

    A name that is not UTF-8 is written with U+FFFD for what cannot be read, and has one more member, ``href``: the
    reference to it, whose percent-encoded bytes are the true name.
    """
    objects = []
    for name, is_directory, size, mtime_s in entries:
        utc = _utc(mtime_s)
        mtime = f'"{utc[0]}T{utc[1]}Z"' if utc else "null"
        kind, amount = ("directory", "null") if is_directory else ("file", str(size))
        href = ""
        try:
            text = name.decode()
        except UnicodeDecodeError:
            text = _shown(name)
            href = f', "href": "./{encode_path(name).decode("ascii")}"'
        objects.append(f'{{"name": {_json(text)}, "type": "{kind}", "size": {amount}, "mtime": {mtime}{href}}}')
    return ("[" + ",\n".join(objects) + "]\n").encode()
