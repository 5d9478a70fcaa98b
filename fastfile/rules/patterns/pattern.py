"""The paths of ``_redirects`` and ``_headers``: patterns with placeholders and splats, and destinations.

Owns their syntax, in all dialects. Patterns are decoded here, since they are compared with decoded paths. Destinations
are encoded here, so that neither a file nor a captured value can break out of its place in a Location.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Collection
from typing import Literal

from fastfile.errors import HTTPError
from fastfile.http.authority import parse_host
from fastfile.rules.patterns.expression import Budget, compile_expression
from fastfile.rules.rule import Capture, Destination, Pattern, Segments, Template

# Expressions are compiled at first use, since most servers never need them.
# Both providers read a name as a letter and word characters (Cloudflare: pages-shared rulesEngine).
PLACEHOLDER = rb":([A-Za-z][A-Za-z0-9_]*)"
_ESCAPE = rb"%([0-9A-Fa-f]{2})"
_URL = rb"(?si)(https?)://([^/?#]*)(.*)"
# Characters that must be encoded in a path and in a query (RFC 3986 §3.3, §3.4); escapes are left alone.
_UNSAFE_IN_PATH = rb"%(?![0-9A-Fa-f]{2})|[^-._~0-9A-Za-z!$&'()*+,;=:@/%]"
_UNSAFE_IN_QUERY = rb"%(?![0-9A-Fa-f]{2})|[^-._~0-9A-Za-z!$&'()*+,;=:@/?%]"

LONGEST_PATTERN = 1000  # bytes, as at Cloudflare Pages
# Where a splat is allowed: at the end, anywhere once, or any number of times (then only the first one captures).
Splats = Literal["last", "one", "many"]


def show(text: bytes) -> str:
    """Return bytes of a file as text for a message."""
    return text.decode(errors="backslashreplace")


def decode_leniently(text: bytes) -> bytes:
    """Percent-decode; text that is not an escape stays unchanged."""
    return re.sub(_ESCAPE, lambda match: unhexlify(match[1]), text) if b"%" in text else text


def parse_pattern(
    text: bytes, splats: Splats, anywhere: bool, any_slash: bool, budget: Budget | None = None
) -> Pattern:
    """Parse a source path. ``anywhere``: a placeholder need not begin its segment. Raises ValueError: a sentence."""
    if not text.startswith(b"/"):
        raise ValueError(f"{show(text)} does not begin with a slash")
    if b"?" in text:
        raise ValueError(f"{show(text)} has a query, which a path never matches")
    path = re.sub(rb"/{2,}", b"/", text.partition(b"#")[0])  # as in a request; a client never sends a fragment
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
    names = [piece[1:] for piece in pieces[1::2] if piece != b"*"] + [b"splat"] * bool(stars)
    if len(set(names)) < len(names):
        raise ValueError(f"{show(text)} has two placeholders of one name")
    start = decode_leniently(pieces[0])
    end = start.find(b"/", 1)
    segment = start[:end] if end > 0 else b""
    segments = _maybe_segments(pieces, any_slash)
    if segments is not None:
        return Pattern(show(text), segment=segment, segments=segments)
    if budget is not None:
        budget.spend(len(path))
    expression = _make_expression(pieces, any_slash)
    compile_expression(expression)
    return Pattern(show(text), expression=expression, segment=segment)


def _split(path: bytes, anywhere: bool) -> list[bytes]:
    """Return literals and, between each two of them, a placeholder or a splat; the literals may be empty."""
    start = rb"" if anywhere else rb"(?<=/)"
    return re.split(rb"(\*|" + start + rb":[A-Za-z][A-Za-z0-9_]*)", path)


def _make_literal(text: str, path: bytes, any_slash: bool) -> Pattern:
    bare = path.rstrip(b"/")
    if not any_slash or not bare:
        return Pattern(text, (path,))
    return Pattern(text, (bare, bare + b"/"))


def _maybe_segments(pieces: list[bytes], any_slash: bool) -> Segments | None:
    """Return pieces as segments; None if a placeholder is a part of one, or a splat is not the end."""
    literals = [decode_leniently(piece) for piece in pieces[::2]]
    parts: list[bytes | str] = list(literals[0].split(b"/")[1:])
    for number, (captured, literal) in enumerate(zip(pieces[1::2], literals[1:], strict=True), 1):
        is_splat = captured == b"*"
        if parts[-1] != b"" or (literal and (is_splat or not literal.startswith(b"/"))):
            return None
        if is_splat:
            if 2 * number + 1 < len(pieces):
                return None
            return Segments(tuple(parts[:-1]), "rest" if any_slash else "splat")
        parts[-1] = captured[1:].decode()
        parts += literal.split(b"/")[1:]
    if any_slash and parts[-1] == b"":
        parts.pop()
    return Segments(tuple(parts), "slash" if any_slash else "exact")


def _make_expression(pieces: list[bytes], any_slash: bool) -> bytes:
    """Return the regular expression for pieces as _split gives them."""
    literals = [re.escape(decode_leniently(piece)) for piece in pieces[::2]]
    stars = pieces.count(b"*")
    parts: list[bytes] = []
    seen = 0
    for number in range(1, len(pieces), 2):
        if pieces[number] != b"*":
            lazy = b"?" if _is_lazy(pieces, number) else b""
            parts.append(rb"(?P<%b>[^/]+%b)" % (pieces[number][1:], lazy))
            continue
        # With several splats, the leftmost place for the text between them is as good as any other, and is found in
        # linear time.
        seen += 1
        runs = rb".*" if seen == stars else rb".*?"
        parts.append(rb"(?P<splat>%b)" % runs if seen == 1 else runs)
    last = pieces[-1]
    if any_slash and last.endswith(b"/"):
        literals[-1] = literals[-1][:-1]
    if any_slash and last:
        literals[-1] += b"/?"
    elif any_slash and pieces[-2] != b"*":
        parts[-1] += b"/?"
    elif any_slash and pieces[-3].endswith(b"/") and len(pieces) > 3:
        # /blog/* is for /blog too (Netlify: headers-parser for_regexp, "the whole part is optional").
        literals[-2] = literals[-2][:-1]
        parts[-1] = rb"(?=/|\Z)" + parts[-1] if stars > 1 else b"(?:/" + parts[-1] + b")?"
    return b"".join([text for pair in zip(literals, [*parts, b""], strict=True) for text in pair])


def _is_lazy(pieces: list[bytes], number: int) -> bool:
    """Tell whether a placeholder matches as little as possible: each except the last of three or more in one segment.

    If they matched as much as possible, the time would grow with a power of the segment's length.
    """
    before = number - 2
    while before > 0 and b"/" not in pieces[before + 1] and pieces[before] != b"*":
        before -= 2
    after = number + 2
    while after < len(pieces) and b"/" not in pieces[after - 1] and pieces[after] != b"*":
        after += 2
    return (after - before) // 2 - 1 > 2 and after > number + 2


def captures_of(pattern: Pattern) -> set[str]:
    """Return the names of the captures of a pattern."""
    if pattern.segments is not None:
        names = {part for part in pattern.segments.parts if isinstance(part, str)}
        return names | {"splat"} if pattern.segments.end in ("rest", "splat") else names
    return {name for name in compile_expression(pattern.expression).groups if name} if pattern.expression else set()


def parse_destination(text: bytes, names: Collection[str]) -> Destination:
    """Parse a path or an http URL; ``names`` are the available captures. Raises ValueError: a sentence."""
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
    """Return a text as a template; a name that is not captured is literal. ``unsafe`` None encodes nothing."""
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
    """Return the origin, which is literal: no request can change the host that a redirect leads to."""
    if re.search(PLACEHOLDER, authority) or b"*" in authority:
        raise ValueError(f"{show(text)} has a placeholder in its host")
    try:
        parse_host(authority)
    except HTTPError:
        raise ValueError(f"{show(text)} has no valid host") from None
    return scheme.lower() + b"://" + authority


def _encode(text: bytes, unsafe: bytes | None) -> bytes:
    return text if unsafe is None else re.sub(unsafe, lambda match: b"%%%02X" % match[0][0], text)
