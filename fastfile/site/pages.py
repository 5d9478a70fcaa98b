"""The error pages that fastfile writes itself, as HTML, text or JSON, and what all pages of ours have in common.

A stranger's text, a file's name say, is escaped for what it stands in. Bytes from values: no I/O, no clock.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii

from fastfile.http.status import REASONS

HTML = b"text/html; charset=utf-8"
TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
# In the order in which they are offered: of equally wanted types the first is sent.
PAGE_TYPES = (HTML, TEXT, JSON)

_STYLE = (
    ":root{color-scheme:light dark;--back:#fff;--ink:#1a1d21}"
    "@media(prefers-color-scheme:dark){:root{--back:#15181b;--ink:#e6e8ea}}"
    "body{max-width:60rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif;"
    "background:var(--back);color:var(--ink)}"
    "h1{font-size:1.4rem;font-weight:600;overflow-wrap:anywhere}"
)

_HEAD = (
    '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>'
)

# Controls are shown by their pictures (U+2400 and on), so that a line feed in a name is seen and breaks nothing; and
# direction overrides as unreadable, so that "gnp.exe" behind one is not read as "exe.png".
C1_CONTROLS = range(0x80, 0xA0)
LINES_AND_DIRECTIONS = (*range(0x2028, 0x202F), *range(0x2066, 0x206A))
_PICTURES = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}
_PICTURES |= dict.fromkeys((*C1_CONTROLS, *LINES_AND_DIRECTIONS), 0xFFFD)


def make_error_page(status: int, detail: str, media_type: bytes) -> bytes:
    """Make the body of an error answer; ``media_type`` is one of PAGE_TYPES, ``status`` one of REASONS.

    JSON has the members of RFC 9457 §3.1 that apply: status, title, detail.
    """
    reason = REASONS[status]
    if media_type == HTML:
        title = f"{status} {reason}"
        page = f"{make_html_head(title, _STYLE)}<h1>{title}</h1>\n<p>{escape_html(detail)}</p>\n"
    elif media_type == TEXT:
        page = f"{status} {reason}\n\n{detail.translate(_PICTURES)}\n"
    else:
        page = f'{{"status": {status}, "title": {escape_json(reason)}, "detail": {escape_json(detail)}}}\n'
    # A detail may quote what came in through surrogateescape: it must not become an error of ours.
    return page.encode("utf-8", "replace")


def make_html_head(title: str, style: str) -> str:
    """Return how each page of ours begins; ``title`` is HTML."""
    return f"{_HEAD}{title}</title>\n<style>{style}</style>\n"


def escape_html(text: str) -> str:
    """Return ``text`` as it is to stand in an element or between the quotes of an attribute."""
    # Five replacements cost a quarter of one translate() through a dict, and few names have controls.
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = text.replace('"', "&quot;").replace("'", "&#39;")
    return text if text.isprintable() else text.translate(_PICTURES)


def escape_json(text: str) -> str:
    """Return ``text`` as a JSON string, in ASCII."""
    return encode_basestring_ascii(text)


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
