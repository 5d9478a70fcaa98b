"""The files that a page needs: its scripts, style sheets and images, and the files that those load.

Reads bytes by patterns, quickly enough for a reload. A missed reference is only not waited for.
"""

from __future__ import annotations

import html
import re
from urllib.parse import quote, urljoin, urlsplit

LIMIT = 256 * 1024  # bytes of a file that are read: imports come first in a script
_ELEMENT = re.compile(rb"<(?:script|link|img|source|iframe|video|audio|embed|input)\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"""[\s"'](?:src|href)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_REL = re.compile(rb"""\brel\s*=\s*["']?([^"'>]*)""", re.IGNORECASE)
_LOADED = (b"stylesheet", b"icon", b"preload", b"modulepreload", b"manifest")
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_BASE = re.compile(rb"""<base\b[^>]*?\shref\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_IN_SCRIPT = re.compile(rb"""(?:\bfrom|\bimport)\s*\(?\s*["']([./][^"'\n]*)["']""")
_IN_SHEET = re.compile(rb"""url\(\s*["']?([^"')\s]+)|@import\s+["']([^"']+)""", re.IGNORECASE)

_AS_IT_IS = "".join(map(chr, range(0x21, 0x7F)))  # ASCII; what is escaped already stays


def find_references(content: bytes, kind: bytes, target: bytes) -> set[bytes]:
    """Return the targets on the same server that a file loads; ``kind`` is its media type, ``target`` its own URL."""
    content = content[:LIMIT]
    base = target
    if kind == b"text/html":
        content = _COMMENT.sub(b"", content)
        found_base = _BASE.search(content)
        if found_base:
            base = _join(target, found_base[1]) or target
        found = [reference for element in _ELEMENT.findall(content) for reference in _read_element(element)]
    elif kind == b"text/css":
        found = [first or second for first, second in _IN_SHEET.findall(content)]
    elif kind in (b"text/javascript", b"application/javascript"):
        found = _IN_SCRIPT.findall(content)
    else:
        return set()
    targets = {_join(base, reference) for reference in found}
    return {target for target in targets if target}


def _read_element(element: bytes) -> list[bytes]:
    if element[1:5].lower() == b"link":
        relation = _REL.search(element)
        if relation is None or not any(name in relation[1].lower() for name in _LOADED):
            return []
    found = _ATTRIBUTE.search(element)
    return [] if found is None else [found[1] or found[2] or found[3] or b""]


def _join(base: bytes, reference: bytes) -> bytes:
    """Return the target of a reference; empty if it is not a file of this server."""
    try:
        text = html.unescape(reference.decode().strip())
        if not text or text.startswith(("data:", "blob:", "javascript:", "mailto:", "#")):
            return b""
        joined = urlsplit(urljoin("http://here" + base.decode("ascii"), text))
    except ValueError:
        return b""
    if joined.scheme != "http" or joined.netloc != "here":
        return b""
    path = joined.path or "/"
    query = f"?{joined.query}" if joined.query else ""
    return quote(path + query, _AS_IT_IS).encode()
