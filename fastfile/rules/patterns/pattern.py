"""The paths that deploy files write: patterns with placeholders and splats, and the destinations that they lead to.

Owns their syntax, in all dialects. A pattern is compared with decoded paths, so it is decoded here; a destination is
encoded here, so that nothing that stands in a file, or is caught from a request, can leave its place in a Location.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Collection
from typing import Literal

from fastfile.errors import HTTPError
from fastfile.http.authority import parse_host
from fastfile.rules.rule import Capture, Destination, Pattern, Template

# Expressions are compiled at their first use: most servers that could use them never do, and start sooner.
# Both hosts read a name as a letter and word characters (Cloudflare: pages-shared rulesEngine).
PLACEHOLDER = rb":([A-Za-z][A-Za-z0-9_]*)"
_ESCAPE = rb"%([0-9A-Fa-f]{2})"
_URL = rb"(?si)(https?)://([^/?#]*)(.*)"
# What may stand in a path and in a query as it is (RFC 3986 §3.3, §3.4), the percent sign of an escape aside.
_UNSAFE_IN_PATH = rb"%(?![0-9A-Fa-f]{2})|[^-._~0-9A-Za-z!$&'()*+,;=:@/%]"
_UNSAFE_IN_QUERY = rb"%(?![0-9A-Fa-f]{2})|[^-._~0-9A-Za-z!$&'()*+,;=:@/?%]"

LONGEST_PATTERN = 1000  # bytes: it is compiled, and its program has some steps for each of them
# Where a splat may stand: last, anywhere but once, or as often as one likes (only the first is a capture then).
Splats = Literal["last", "one", "many"]


def show(text: bytes) -> str:
    """Return text of a file for a message."""
    return text.decode(errors="backslashreplace")


def decode_leniently(text: bytes) -> bytes:
    """Percent-decode; what is not an escape stands for itself."""
    return re.sub(_ESCAPE, lambda match: unhexlify(match[1]), text) if b"%" in text else text


def parse_pattern(text: bytes, splats: Splats, anywhere: bool, any_slash: bool) -> Pattern:
    """Parse a source path. ``anywhere``: a placeholder need not begin its segment. Raises ValueError: a sentence."""
    if not text.startswith(b"/"):
        raise ValueError(f"{show(text)} does not begin with a slash")
    if b"?" in text:
        raise ValueError(f"{show(text)} has a query, which a path never matches")
    path = re.sub(rb"/{2,}", b"/", text.partition(b"#")[0])  # as in a request; a fragment never comes to a server
    pieces = _split(path, anywhere)
    if len(pieces) == 1:
        return _make_literal(show(text), decode_leniently(path), any_slash)
    if len(path) > LONGEST_PATTERN:
        raise ValueError(f"{show(text[:80])}... is longer than the {LONGEST_PATTERN} bytes that a pattern may have")
    stars = pieces.count(b"*")
    if splats == "last" and stars and (stars > 1 or not path.endswith(b"*")):
        raise ValueError(f"{show(text)} has a splat that is not its end")
    if splats == "one" and stars > 1:
        raise ValueError(f"{show(text)} has more than one splat")
    if (stars > 1 and len(pieces) > 2 * stars + 1) or max(map(_count_placeholders, path.split(b"/"))) > 3:
        # Each of them multiplies the ways in which a long path can be taken apart.
        raise ValueError(f"{show(text)} has too many splats and placeholders")
    names = [piece[1:] for piece in pieces[1::2] if piece != b"*"] + [b"splat"] * bool(stars)
    if len(set(names)) < len(names):
        raise ValueError(f"{show(text)} has two placeholders of one name")
    start = decode_leniently(pieces[0])
    end = start.find(b"/", 1)
    return Pattern(show(text), (), _make_expression(pieces, any_slash), start[:end] if end > 0 else b"")


def _split(path: bytes, anywhere: bool) -> list[bytes]:
    """Return literals and, between each two of them, a placeholder or a splat; the literals may be empty."""
    start = rb"" if anywhere else rb"(?<=/)"
    return re.split(rb"(\*|" + start + rb":[A-Za-z][A-Za-z0-9_]*)", path)


def _count_placeholders(segment: bytes) -> int:
    return len(re.findall(PLACEHOLDER, segment))


def _make_literal(text: str, path: bytes, any_slash: bool) -> Pattern:
    bare = path.rstrip(b"/")
    if not any_slash or not bare:
        return Pattern(text, (path,))
    return Pattern(text, (bare, bare + b"/"))


def _make_expression(pieces: list[bytes], any_slash: bool) -> bytes:
    """Return the regular expression for pieces as _split gives them."""
    literals = [re.escape(decode_leniently(piece)) for piece in pieces[::2]]
    parts = [rb"(?P<splat>.*)" if piece == b"*" else rb"(?P<%b>[^/]+)" % piece[1:] for piece in pieces[1::2]]
    if pieces.count(b"*") > 1:
        # The leftmost place for what stands between two splats is as good as any other: none is tried again, or a long
        # path would cost its length to the power of their number.
        parts = [rb"(?>(?P<splat>.*?)", *[rb"(?>.*?"] * (len(parts) - 2), rb".*"]
        literals = [literals[0], *[literal + b")" for literal in literals[1:-1]], literals[-1]]
    last = pieces[-1]
    if any_slash and last.endswith(b"/"):
        literals[-1] = literals[-1][:-1]
    if any_slash and last:
        literals[-1] += b"/?"
    elif any_slash and pieces[-2] != b"*":
        parts[-1] += b"/?"
    elif any_slash and pieces[-3].endswith(b"/") and pieces != [b"/", b"*", b""]:
        # /blog/* is for /blog too (Netlify: headers-parser for_regexp, "the whole part is optional").
        literals[-2] = literals[-2][:-1]
        parts[-1] = b"(?:/" + parts[-1] + b")?"
    return b"".join([text for pair in zip(literals, [*parts, b""], strict=True) for text in pair])


def captures_of(pattern: Pattern) -> set[str]:
    """Return the names that a pattern catches."""
    # Not by compiling it: there may be many thousands, of which only so many are used.
    return {name.decode() for name in re.findall(rb"\(\?P<(\w+)>", pattern.expression)}


def parse_destination(text: bytes, names: Collection[str]) -> Destination:
    """Parse a path or an http URL; ``names`` are the captures that there are. Raises ValueError: a sentence."""
    rest, mark, fragment = text.partition(b"#")
    origin = b""
    url = re.fullmatch(_URL, rest)
    if url is not None:
        origin = _make_origin(url[1], url[2], text)
        rest = url[3] if url[3].startswith(b"/") else b"/" + url[3]
    elif not rest.startswith(b"/") or rest.startswith((b"//", b"/\\")):
        # Two slashes would name another host (RFC 3986 §4.2), and browsers read a backslash as a slash.
        raise ValueError(f"{show(text)} is neither a path that begins with one slash nor an http URL")
    path, question, query = rest.partition(b"?")
    return Destination(
        show(text),
        parse_template(path, names, _UNSAFE_IN_PATH),
        parse_template(query, names, _UNSAFE_IN_QUERY) if question else None,
        b"#" + _encode(fragment, _UNSAFE_IN_QUERY) if mark else b"",
        origin,
    )


def parse_template(text: bytes, names: Collection[str], unsafe: bytes | None = _UNSAFE_IN_PATH) -> Template:
    """Return the text with its placeholders; a name that nothing catches is text. ``unsafe`` None leaves text alone."""
    if b":" not in text:
        return (_encode(text, unsafe),) if text else ()
    template: list[bytes | Capture] = []
    pieces = re.split(PLACEHOLDER, text)
    literal = pieces[0]
    for name, after in zip(pieces[1::2], pieces[2::2], strict=True):
        if name.decode() in names:
            template += [literal, Capture(name.decode())]
            literal = after
        else:
            literal += b":" + name + after
    template.append(literal)
    return tuple([_encode(part, unsafe) if isinstance(part, bytes) else part for part in template if part != b""])


def _make_origin(scheme: bytes, authority: bytes, text: bytes) -> bytes:
    """Return the origin, which is literal: no request has a say in which host it is sent to."""
    if re.search(PLACEHOLDER, authority) or b"*" in authority:
        raise ValueError(f"{show(text)} has a placeholder in its host")
    try:
        parse_host(authority)
    except HTTPError:
        raise ValueError(f"{show(text)} has no valid host") from None
    return scheme.lower() + b"://" + authority


def _encode(text: bytes, unsafe: bytes | None) -> bytes:
    return text if unsafe is None else re.sub(unsafe, lambda match: b"%%%02X" % match[0][0], text)
