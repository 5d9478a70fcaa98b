"""The patterns of path-to-regexp, as vercel.json and serve.json write them: ``/blog/:slug``, ``/:path*``, ``/(\\d+)``.

Owns their compilation into the values of rule.py, and that of templates that name what they caught. Groups are numbered
from 1 in the order in which they stand. What is between parentheses is a regular expression of the file's author and
used as it stands, in Python's syntax, which is JavaScript's but for the names of groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fastfile.semantics.rule import Capture, Destination, Pattern, Template

# What a group without an expression catches: a segment, or a part of one.
_SEGMENT = "[^/]+?"
_NAME = re.compile(r":(\w+)")
_MODIFIERS = "*+?"
# The name of a group: :slug with the modifier or the braces that it has in the pattern, or $1.
_REFERENCE = re.compile(r"\{:(?P<braced>\w+)\}[*+?]?|:(?P<name>\w+)[*+?]?|\$(?P<number>[1-9]\d?)")
_ORIGIN = re.compile(r"https?://[^/?#]+", re.IGNORECASE)
# Bytes that may not stand in a URI (RFC 3986 §2); the percent sign of an escape stays.
_NOT_IN_URI = re.compile(rb"[^!#-;=?-Z\[\]_a-z~]")

# What a template may refer to, by its name or, as in $1, by its number, and the group that it is.
Names = Mapping[str, int | str]


class Group(NamedTuple):
    """A part of a pattern that catches, with what stands around it where it is there at all; ``name`` may be empty."""

    name: str
    expression: str
    before: str
    after: str
    modifier: str


def compile_pattern(source: str, ending: str = "") -> tuple[Pattern, dict[str, int | str]]:
    """Return what a source matches, and what a template may refer to; ``ending`` is an expression of what may follow.

    Raises ValueError, with the reason as a sentence.
    """
    tokens = list(_parse(source))
    if not ending and all(isinstance(token, str) for token in tokens):
        return Pattern(source, literals=("".join(map(str, tokens)).encode(),)), {}
    expression = "".join(map(_compile, tokens)) + ending
    catching = [token for token in tokens if isinstance(token, Group) and token.expression]
    if compile_expression(expression).groups != len(catching):
        raise ValueError("its expressions have groups that catch, which are not supported")
    names: dict[str, int | str] = {}
    for number, group in enumerate(catching, 1):
        names |= {str(number): number, **({group.name: number} if group.name else {})}
    return Pattern(source, expression=expression.encode(), segment=_first_segment(tokens)), names


def compile_expression(expression: str) -> re.Pattern[bytes]:
    """Compile an expression of JavaScript's to see that it can be. Raises ValueError."""
    try:
        return re.compile(expression.encode())
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression that is understood here: {error}") from None


def translate_expression(expression: str) -> str:
    """Return an expression of JavaScript's in Python's syntax, in which only named groups are written differently."""
    return re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", expression)


def make_template(text: str, names: Names, in_uri: bool = True) -> Template:
    """Return a text whose references to ``names``, and to groups by $ and a number, are captures."""
    parts: list[bytes | Capture] = []
    end = 0
    for found in _REFERENCE.finditer(text):
        name = found["braced"] or found["name"] or found["number"]
        if name in names:
            parts += (_literal(text[end : found.start()], in_uri), Capture(names[name]))
            end = found.end()
    parts.append(_literal(text[end:], in_uri))
    return tuple(part for part in parts if part)


def make_destination(text: str, names: Names) -> Destination:
    """Return where a rule leads: a path of this site, or an http URI. Raises ValueError."""
    origin = _ORIGIN.match(text)
    rest = text[origin.end() :] if origin else text
    if origin and _REFERENCE.search(re.sub(r":\d+$", "", origin[0]).partition("://")[2]):
        raise ValueError("a host that depends on what was caught is not supported")
    if not origin and (not text.startswith("/") or text.startswith("//")):
        raise ValueError("expected a path that begins with a slash, or an http URL")
    rest, _, fragment = rest.partition("#")
    path, mark, query = rest.partition("?")
    for found in _REFERENCE.finditer(path):
        name = found["braced"] or found["name"]
        if name and name not in names:
            raise ValueError(f"nothing in the source is called :{name}")
    return Destination(
        text,
        make_template(path or "/", names),
        make_template(query, names) if mark else None,
        _literal(fragment, True),
        _literal(origin[0], True) if origin else b"",
    )


def _parse(source: str) -> Iterator[str | Group]:
    """Yield the literals and the groups of a source."""
    literal = ""
    index = 0
    while index < len(source):
        character = source[index]
        if character in _MODIFIERS + "})":
            raise ValueError(f'"{character}" at column {index + 1} of the source has nothing before it that it is for')
        if character not in ":({":
            escaped = character == "\\"
            literal += source[index + escaped : index + escaped + 1]
            index += 1 + escaped
            continue
        group, index = _parse_braces(source, index) if character == "{" else _parse_group(source, index)
        if character != "{" and literal.endswith(("/", ".")):
            # The slash before an optional group is there only if the group is.
            literal, group = literal[:-1], group._replace(before=literal[-1])
        if literal:
            yield literal
        modifier = source[index : index + 1]
        if modifier and modifier in _MODIFIERS:
            group = group._replace(modifier=modifier)
            index += 1
        yield group
        literal = ""
    if literal:
        yield literal


def _parse_group(source: str, index: int) -> tuple[Group, int]:
    """Read ``:name``, ``:name(expression)`` or ``(expression)``; return it and where it ends."""
    name = _NAME.match(source, index)
    if name:
        index = name.end()
    elif source[index] == ":":
        raise ValueError(f"the colon at column {index + 1} of the source has no name after it")
    if source[index : index + 1] != "(":
        return Group(name[1] if name else "", _SEGMENT, "", "", ""), index
    depth = 0
    for end in range(index, len(source)):
        if source[end - 1] == "\\" and source[end - 2] != "\\":
            continue
        depth += (source[end] == "(") - (source[end] == ")")
        if depth == 0:
            return Group(name[1] if name else "", translate_expression(source[index + 1 : end]), "", "", ""), end + 1
    raise ValueError(f"the parenthesis at column {index + 1} of the source is not closed")


def _parse_braces(source: str, index: int) -> tuple[Group, int]:
    """Read ``{before:name(expression)after}``, in which any part may be missing; return it and where it ends."""
    end = source.find("}", index)
    inner = source[index + 1 : end]
    if end < 0:
        raise ValueError(f"the brace at column {index + 1} of the source is not closed")
    start = next((place for place, character in enumerate(inner) if character in ":("), None)
    if start is None:
        return Group("", "", inner, "", ""), end + 1
    group, group_end = _parse_group(inner, start)
    return group._replace(before=inner[:start], after=inner[group_end:]), end + 1


def _compile(token: str | Group) -> str:
    if isinstance(token, str):
        return re.escape(token)
    before, after = re.escape(token.before), re.escape(token.after)
    expression = token.expression
    if not expression:
        return f"(?:{before}{after}){token.modifier}"
    if token.modifier in ("*", "+"):
        optional = "?" if token.modifier == "*" else ""
        return f"(?:{before}((?:{expression})(?:{after}{before}(?:{expression}))*){after}){optional}"
    return f"(?:{before}({expression}){after}){token.modifier}"


def _first_segment(tokens: list[str | Group]) -> bytes:
    """Return the first segment where every path that matches has the same."""
    start = tokens[0] if tokens and isinstance(tokens[0], str) else ""
    after = tokens[1] if len(tokens) > 1 else None
    if isinstance(after, Group):
        start += after.before[:1]
    segment, slash, _ = start[1:].partition("/")
    return f"/{segment}".encode() if start.startswith("/") and slash else b""


def _literal(text: str, in_uri: bool) -> bytes:
    value = text.encode()
    return _NOT_IN_URI.sub(lambda found: b"%%%02X" % found[0][0], value) if in_uri else value
