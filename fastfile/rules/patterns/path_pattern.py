"""The patterns of path-to-regexp, which vercel.json and serve.json use: ``/blog/:slug``, ``/:path*``, ``/(\\d+)``.

Owns their compilation into the values of rule.py, and that of templates that refer to captures. Groups are numbered
from 1 in their order. Parentheses hold a regular expression (syntax.py has its grammar).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fastfile.records import NamedTuple
from fastfile.rules.patterns.expression import check_expression
from fastfile.rules.patterns.pattern import parse_destination, parse_template
from fastfile.rules.rule import Capture, Destination, Pattern, Template

# A group without an expression captures a segment, or a part of one.
_SEGMENT = "[^/]+?"
_NAME = re.compile(r":(\w+)")
_MODIFIERS = "*+?"
# The name of a group: :slug with the modifier or the braces of the pattern, or $1.
_REFERENCE = r"\{:(?P<braced>\w+)\}[*+?]?|:(?P<name>\w+)[*+?]?|\$(?P<number>[1-9]\d?)"
# The references that a template may use, by name or number ($1), and the group of each.
Names = Mapping[str, int | str]


class Group(NamedTuple):
    """A capturing part of a pattern, with the text that is optional together with it; ``name`` may be empty."""

    name: str
    expression: str
    before: str
    after: str
    modifier: str


def compile_pattern(source: str, ending: str = "") -> tuple[Pattern, dict[str, int | str]]:
    """Return a pattern, and the names that a template may use; ``ending`` is an expression for an optional end.

    Raises ValueError, with the reason as a sentence.
    """
    tokens = list(_parse(source))
    if not ending and all(isinstance(token, str) for token in tokens):
        return Pattern(source, literals=("".join(map(str, tokens)).encode(),)), {}
    expression = "".join(map(_compile, tokens)) + ending
    catching = [token for token in tokens if isinstance(token, Group) and token.expression]
    if len(check_expression(expression).groups) != len(catching):
        raise ValueError("capturing groups in its expressions are not supported")
    names: dict[str, int | str] = {}
    for number, group in enumerate(catching, 1):
        names |= {str(number): number, **({group.name: number} if group.name else {})}
    return Pattern(source, expression=expression.encode(), segment=_first_segment(tokens)), names


def make_template(text: str, names: Names) -> Template:
    """Return a path or a query whose references to ``names`` are captures."""
    return tuple([encoded for part in _split(text, names) for encoded in _encode(part)])


def make_value(text: str, names: Names) -> Template:
    """Return the value of a header whose references to ``names`` are captures."""
    return tuple([part.encode() if isinstance(part, str) else part for part in _split(text, names) if part])


def make_destination(text: str, names: Names) -> Destination:
    """Return the destination of a rule: a path of this site, or an http URL. Raises ValueError: a sentence."""
    destination = parse_destination(text.encode(), ())
    target = text.partition("#")[0][len(destination.origin) :]
    path, _, query = target.partition("?")
    for found in re.finditer(_REFERENCE, path):
        name = found["braced"] or found["name"]
        if name and name not in names:
            raise ValueError(f"the source has no parameter :{name}")
    return destination._replace(
        path=make_template(path or "/", names),
        query=make_template(query, names) if query else None,  # a modifier ends the path of /:id?
    )


def _split(text: str, names: Names) -> Iterator[str | Capture]:
    end = 0
    for found in re.finditer(_REFERENCE, text):
        name = found["braced"] or found["name"] or found["number"]
        if name in names:
            yield text[end : found.start()]
            yield Capture(names[name])
            end = found.end()
    yield text[end:]


def _encode(part: str | Capture) -> Template:
    return (part,) if isinstance(part, Capture) else parse_template(part.encode(), ())


def _parse(source: str) -> Iterator[str | Group]:
    """Yield the literals and the groups of a source."""
    literal = ""
    index = 0
    while index < len(source):
        character = source[index]
        if character in _MODIFIERS + "})":
            raise ValueError(f'"{character}" at column {index + 1} of the source has nothing before it to repeat')
        if character not in ":({":
            escaped = character == "\\"
            literal += source[index + escaped : index + escaped + 1]
            index += 1 + escaped
            continue
        group, index = _parse_braces(source, index) if character == "{" else _parse_group(source, index)
        if character != "{" and literal.endswith(("/", ".")):
            # The slash before an optional group is optional together with it.
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
            return Group(name[1] if name else "", source[index + 1 : end], "", "", ""), end + 1
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
    """Return the first segment if it is the same in every matching path."""
    start = tokens[0] if tokens and isinstance(tokens[0], str) else ""
    after = tokens[1] if len(tokens) > 1 else None
    if isinstance(after, Group):
        start += after.before[:1]
    segment, slash, _ = start[1:].partition("/")
    return f"/{segment}".encode() if start.startswith("/") and slash else b""
