"""The error pages that fastfile makes, as HTML, text or JSON, and functions that they share with listings.

Text from outside, such as a file's name, is escaped for its context. Makes bytes from values: no I/O except for the
styles, which are read at import; no clock.
"""

from __future__ import annotations

import hashlib
import pkgutil
from base64 import b64encode
from json.encoder import encode_basestring_ascii

from fastfile.http.status import REASONS

HTML = b"text/html; charset=utf-8"
TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
# In the order of preference, for clients that accept several equally.
PAGE_TYPES = (HTML, TEXT, JSON)


def read_asset(package: str, name: str) -> str:
    """Return a style sheet or a script from beside the modules of a package, without its comments and indentation.

    Call it at import: the sandbox of a worker hides the package. importlib.resources takes 10 ms to import.
    """
    data = pkgutil.get_data(package, name)
    assert data is not None
    text = data.decode()
    if name.endswith(".css"):
        # Without regular expressions: to compile two for this took more than the rest of the module.
        first, *others = text.split("/*")
        text = first + "".join(other.partition("*/")[2] for other in others)
        text = "".join(line.strip() for line in text.splitlines())
        for mark in "{,:":
            text = text.replace(f" {mark} ", mark).replace(f"{mark} ", mark)
        return text.replace(" {", "{").replace(";}", "}")
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("//"))


STYLE = read_asset("fastfile.site", "style.css")
MESSAGE_STYLE = STYLE + read_asset("fastfile.site", "message.css")
_LINKED_HOME = (403, 404, 410)  # statuses for which another page of the site may help

_HEAD = (
    '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>'
)

# Control characters appear as their symbols (U+2400 and on), so a line feed in a name is visible and breaks nothing.
# Direction overrides appear as U+FFFD, so that "gnp.exe" after one is not read as "exe.png".
C1_CONTROLS = range(0x80, 0xA0)
LINES_AND_DIRECTIONS = (*range(0x2028, 0x202F), *range(0x2066, 0x206A))
_PICTURES = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}
_PICTURES |= dict.fromkeys((*C1_CONTROLS, *LINES_AND_DIRECTIONS), 0xFFFD)


def make_error_page(
    status: int, detail: str, media_type: bytes, hint: str = "", link: str = "", home: str = "/"
) -> bytes:
    """Make the body of an error response; ``media_type`` is one of PAGE_TYPES, ``status`` one of REASONS.

    ``hint`` says what would help; it may have several lines. ``link`` is a URL that would work, ``home`` that of the
    home page. JSON has the members of RFC 9457 §3.1 that apply: status, title, detail; and hint and link, if there are
    any (§3.2).
    """
    reason = REASONS[status]
    if media_type == HTML:
        links = ""
        if status in _LINKED_HOME:
            links = f'<p><a href="{escape_html(home)}" class=go>Go to the home page</a></p>\n'
        if link:
            links += f'<p><a href="{escape_html(link)}" class=go>{escape_html(link)}</a></p>\n'
        page = (
            f"{make_html_head(f'{status} {reason}', MESSAGE_STYLE)}<main><h1><b>{status}</b> {reason}</h1>\n"
            f"<p>{escape_html(detail)}</p>\n{_html_hint(hint) if hint else ''}{links}</main>\n"
        )
    elif media_type == TEXT:
        page = f"{status} {reason}\n\n{detail.translate(_PICTURES)}\n"
        if hint:
            page += "\n" + "\n".join(line.translate(_PICTURES) for line in hint.split("\n")) + "\n"
        if link:
            page += f"\n{link.translate(_PICTURES)}\n"
    else:
        more = f', "hint": {escape_json(hint)}' if hint else ""
        more += f', "link": {escape_json(link)}' if link else ""
        page = f'{{"status": {status}, "title": {escape_json(reason)}, "detail": {escape_json(detail)}{more}}}\n'
    # A detail may quote text with lone surrogates (surrogateescape), which strict encoding would reject.
    return page.encode("utf-8", "replace")


def _html_hint(hint: str) -> str:
    lines = "\n".join(escape_html(line) for line in hint.split("\n"))
    return f"<p class=hint>{lines}</p>\n"


def make_html_head(title: str, style: str) -> str:
    """Return the beginning of a page, up to its style; ``title`` is HTML."""
    return f"{_HEAD}{title}</title>\n<style>{style}</style>\n"


def source_hash(content: str) -> bytes:
    """Return the source expression of an element's content (CSP Level 3 §2.3.1)."""
    return b"'sha256-%b'" % b64encode(hashlib.sha256(content.encode()).digest())


def escape_html(text: str) -> str:
    """Return ``text`` escaped for an element or a quoted attribute."""
    # Five replacements cost a quarter of one translate() with a dict, and few names contain control characters.
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = text.replace('"', "&quot;").replace("'", "&#39;")
    return text if text.isprintable() else text.translate(_PICTURES)


def escape_json(text: str) -> str:
    """Return ``text`` as a JSON string, in ASCII."""
    return encode_basestring_ascii(text)


def readable_size(size: int) -> str:
    """Format a size in powers of 1024, with at most three digits before a unit larger than B."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        amount /= 1024
        if amount < 999.5:
            # One decimal place below 10, if it is significant.
            return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
    return f"{amount / 1024:.1f} EiB"
