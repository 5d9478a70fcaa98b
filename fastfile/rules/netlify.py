"""Read ``netlify.toml`` as Netlify does: its redirects, which come after those of ``_redirects``, and its headers.

Owns its keys. Features that Netlify has to run (edge functions, functions, proxying) return 501, so that no later rule
serves a page in their place. Sections about building do not affect how files are served.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from fastfile.records import NamedTuple
from fastfile.rules.dialects import NETLIFY
from fastfile.rules.headers import parse_change
from fastfile.rules.json_config import hint
from fastfile.rules.patterns.expression import Budget
from fastfile.rules.patterns.pattern import parse_pattern
from fastfile.rules.redirects import RuleParts, make_rule
from fastfile.rules.rule import FieldChange, HeaderRule, Place, Problem, Rule, confine

FILE = "netlify.toml"
MAX_SIZE = 256 * 1024
MOST_ENTRIES = 2048  # entries of each kind
_MOST_HEADERS = 256  # headers of one entry
# The parser's time grows with the square of the number of parts of a dotted key, so it is bounded.
_MOST_DOTS, _MANY_DOTS, _MOST_LINES_OF_MANY = 256, 32, 32
_LISTS = ("redirects", "headers", "edge_functions")
_LINE_OF_ERROR = r"\(at line (\d+)"
_REDIRECT_KEYS = {
    *("from", "path", "origin", "to", "destination", "status", "force", "query", "params", "parameters"),
    *("conditions", "headers", "signed", "signing", "sign", "proxy"),
}


class Entry(NamedTuple):
    """One table of a list and its first line; ``name`` is as in ``redirects[2]``."""

    name: str
    value: dict[str, Any]
    place: Place


def read_netlify_config(content: bytes, file: str = FILE) -> tuple[list[Rule], list[HeaderRule], list[Problem]]:
    """Return the content of a netlify.toml: rules, header rules, and problems."""
    problems: list[Problem] = []
    rules: list[Rule] = []
    header_rules: list[HeaderRule] = []
    budget = Budget()
    with confine(Place(file, 0), problems):
        document = _load(content, file, problems)
        hints = {key: hint(key, _LISTS) for key in document if key not in _LISTS}
        problems += [
            Problem(_place_of(content, file, key), f"{key}: no such section{meant}")
            for key, meant in hints.items()
            if meant
        ]
        for entry in _entries(document, content, file, "edge_functions", problems):
            with confine(entry.place, problems, f"{entry.name}: "):
                rules.append(_read_edge_function(entry, problems, budget))
        for entry in _entries(document, content, file, "redirects", problems):
            with confine(entry.place, problems, f"{entry.name}: "):
                rules.append(_read_redirect(entry, problems, budget))
        for entry in _entries(document, content, file, "headers", problems):
            with confine(entry.place, problems, f"{entry.name}: "):
                header_rules += _read_headers(entry, problems, budget)
    problems.sort(key=lambda problem: problem.place.line)
    return rules, header_rules, problems


def _load(content: bytes, file: str, problems: list[Problem]) -> dict[str, Any]:
    if len(content) > MAX_SIZE:
        raise ValueError(f"the file is larger than {MAX_SIZE} bytes and is not read")
    dots = [line.count(b".") for line in content.splitlines()]
    if max(dots, default=0) > _MOST_DOTS or sum(count > _MANY_DOTS for count in dots) > _MOST_LINES_OF_MANY:
        raise ValueError(f"a line has more than {_MOST_DOTS} dots, or many lines have more than {_MANY_DOTS}")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except ValueError as error:
        line = re.search(_LINE_OF_ERROR, str(error))
        text = str(error).partition(" (at")[0]
        problems.append(Problem(Place(file, int(line[1]) if line else 0), f"not TOML: {text}"))
        return {}


def _place_of(content: bytes, file: str, key: str) -> Place:
    """Return the first place of a key."""
    found = re.search(rb"^[ \t]*\[*[ \t]*[\"']?%b\b" % re.escape(key).encode(), content, re.MULTILINE)
    return Place(file, content.count(b"\n", 0, found.start()) + 1 if found else 0)


def _entries(document: dict[str, Any], content: bytes, file: str, key: str, problems: list[Problem]) -> Iterator[Entry]:
    """Yield the tables of a list, MOST_ENTRIES of them."""
    entries = document.get(key, [])
    if not isinstance(entries, list):
        problems.append(Problem(_place_of(content, file, key), f"{key}: expected [[{key}]]"))
        return
    places = _places(content, file, key, len(entries))
    for number, (value, place) in enumerate(zip(entries[:MOST_ENTRIES], places, strict=False)):
        if isinstance(value, dict):
            yield Entry(f"{key}[{number}]", value, place)
        else:
            problems.append(Problem(place, f"{key}[{number}]: expected a table"))
    if len(entries) > MOST_ENTRIES:
        problems.append(Problem(Place(file, 0), f"{key}: no more than {MOST_ENTRIES} are read"))


def _places(content: bytes, file: str, key: str, count: int) -> Iterator[Place]:
    """Yield the place of each table of a list; the same place for inline tables."""
    pattern = rb"^[ \t]*\[\[[ \t]*[\"']?%b[\"']?[ \t]*\]\]" % re.escape(key).encode()
    line, counted = 1, 0
    last = _place_of(content, file, key)
    for found in re.finditer(pattern, content, re.MULTILINE):
        line += content.count(b"\n", counted, found.start())
        counted = found.start()
        last = Place(file, line)
        yield last
    for _ in range(count):
        yield last


def _read_redirect(entry: Entry, problems: list[Problem], budget: Budget) -> Rule:
    value = entry.value
    unknown = [key for key in value if key not in _REDIRECT_KEYS]
    problems += [Problem(entry.place, f"{entry.name}: {key}: no such key") for key in unknown]
    status = value.get("status", NETLIFY.default_status)
    forced = value.get("force", False)
    query = _first(value, "query", "params", "parameters") or {}
    conditions = value.get("conditions") or {}
    if not isinstance(query, dict) or not isinstance(conditions, dict) or not isinstance(forced, bool):
        raise ValueError("expected query and conditions as tables, force as true or false")  # noqa: TRY004
    parts = RuleParts(
        source=_text(entry, "from", _first(value, "from", "path", "origin")),
        queries=tuple([f"{name}={_one(item)}".encode() for name, item in query.items()]),
        destination=_maybe_text(entry, "to", _first(value, "to", "destination")),
        status=f"{status}".encode() + (b"!" if forced else b""),
        conditions=tuple([f"{name}={','.join(_many(item))}".encode() for name, item in conditions.items()]),
        is_signed=bool(_first(value, "signed", "signing", "sign")),
    )
    rule = make_rule(parts, entry.place, NETLIFY, budget)
    if rule.refusal:
        problems.append(Problem(entry.place, f"{entry.name}: {rule.refusal}; {rule.source.text} returns {rule.status}"))
    return rule


def _read_headers(entry: Entry, problems: list[Problem], budget: Budget) -> Iterator[HeaderRule]:
    path = _text(entry, "for", entry.value.get("for"))
    if not path.startswith(b"/"):
        raise ValueError("for: expected a path that begins with a slash")
    values = entry.value.get("values")
    if not isinstance(values, dict):
        raise ValueError("has no values")  # noqa: TRY004
    source = parse_pattern(path, "many", anywhere=False, any_slash=True, budget=budget)
    changes: list[FieldChange] = []
    for name, value in list(values.items())[:_MOST_HEADERS]:
        with confine(entry.place, problems, f"{entry.name}.values.{name}: "):
            lines = [line.strip() for item in _many(value) for line in item.splitlines() if line.strip()]
            changes.append(parse_change(f"{name}: {', '.join(lines)}".encode(), source, NETLIFY))
    if changes:
        yield HeaderRule(source, tuple(changes), entry.place)


def _read_edge_function(entry: Entry, problems: list[Problem], budget: Budget) -> Rule:
    path = _text(entry, "path", entry.value.get("path"))
    if path == b"/*":
        raise ValueError("edge functions are not run; this one is for all paths and is ignored")
    sentence = "edge functions are not run"
    pattern = parse_pattern(path, "many", anywhere=False, any_slash=True, budget=budget)
    problems.append(Problem(entry.place, f"{entry.name}: {sentence}; {pattern.text} returns 501"))
    return Rule(pattern, None, 501, entry.place, forced=True, refusal=sentence)


def _first(value: dict[str, Any], *keys: str) -> Any:
    return next((value[key] for key in keys if key in value), None)


def _text(entry: Entry, key: str, value: object) -> bytes:
    text = _maybe_text(entry, key, value)
    if text is None:
        raise ValueError(f"has no {key}")
    return text


def _maybe_text(entry: Entry, key: str, value: object) -> bytes | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{key}: expected a string")
    if value is not None and re.search(r"\s", value):
        raise ValueError(f"{key}: has white space")
    return None if value is None else value.encode()


def _one(value: object) -> str:
    """Return the value of a query parameter, which Netlify also takes as a list of one."""
    values = _many(value)
    if len(values) != 1:
        raise ValueError("query: expected one value for each parameter")
    return values[0]


def _many(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    texts = [item for item in values if isinstance(item, str)]
    if not texts or len(texts) < len(values):
        raise ValueError("expected a string, or a list of strings")
    return texts
