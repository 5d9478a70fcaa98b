"""Read ``_redirects``: a line ``/from [name=value]... /to [status[!]] [Condition=value]...`` is a rule.

A line that cannot be used becomes a Problem; the others apply. Netlify's grammar is that of its redirect-parser
(netlify/build), Cloudflare's that of pages-shared (cloudflare/workers-sdk), which has no conditions.
"""

from __future__ import annotations

import re

from fastfile.records import NamedTuple
from fastfile.rules.patterns.expression import Budget, compile_expression
from fastfile.rules.patterns.pattern import (
    PLACEHOLDER,
    Splats,
    captures_of,
    decode_leniently,
    parse_destination,
    parse_pattern,
    show,
)
from fastfile.rules.rule import (
    Condition,
    Destination,
    Dialect,
    Pattern,
    Place,
    Problem,
    QueryMatch,
    Rule,
    check_size,
    confine,
)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_URL_START = (b"http://", b"https://")


def split_lines(content: bytes) -> list[bytes]:
    """Return the lines of a file: trimmed, with any line ends, without a byte order mark."""
    return [line.strip() for line in re.split(rb"\r\n|\r|\n", content.removeprefix(_BYTE_ORDER_MARK))]


def parse_redirects(content: bytes, file: str, dialect: Dialect) -> tuple[list[Rule], list[Problem]]:
    """Return the rules of a ``_redirects`` file in their order, and its problems."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    counts = _Counts(dialect)
    budget = Budget()
    for number, line in enumerate(split_lines(content), 1):
        if not line or line.startswith(b"#"):
            continue
        place = Place(file, number)
        try:
            check_size(len(rules), len(problems))
        except ValueError as problem:
            problems.append(Problem(place, str(problem)))
            break
        with confine(place, problems):
            if dialect.max_line and len(line) > dialect.max_line:
                raise ValueError(f"the line is longer than the {dialect.max_line} bytes that {dialect.name} reads")
            rule = _parse_line(line, place, dialect, budget)
            counts.add(rule.source)
            rules.append(rule)
            if rule.refusal:
                problems.append(Problem(place, f"{rule.refusal}; {rule.source.text} returns {rule.status}"))
    return rules, problems


class RuleParts(NamedTuple):
    """The parts of a rule as written; ``status`` is empty if it has none."""

    source: bytes
    queries: tuple[bytes, ...]
    destination: bytes | None
    status: bytes
    conditions: tuple[bytes, ...]
    is_signed: bool = False


class _Counts:
    """The numbers of rules. Cloudflare counts every rule after the first dynamic one as dynamic."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._static = 0
        self._dynamic = 0

    def add(self, source: Pattern) -> None:
        """Count one more rule. Raises ValueError: a sentence, if the dialect reads no more of its kind."""
        limit, kind = self._dialect.max_dynamic, "dynamic"
        # If both have a limit, a static rule below a dynamic one counts as dynamic.
        if source.literals and not (self._dynamic and self._dialect.max_static):
            limit, kind = self._dialect.max_static, "static"
            self._static += 1
            count = self._static
        else:
            self._dynamic += 1
            count = self._dynamic
        if limit and count > limit:
            raise ValueError(f"no more than {limit} {kind} rules are read ({self._dialect.name})")


def _parse_line(line: bytes, place: Place, dialect: Dialect, budget: Budget) -> Rule:
    tokens = line.split()
    if dialect.conditions:
        # Only Netlify has comments at the end of a line.
        tokens = tokens[: next((i for i, token in enumerate(tokens) if token.startswith(b"#")), len(tokens))]
    elif len(tokens) > 3:
        raise ValueError(f"{dialect.name} reads no more than a path, a destination and a status")
    if not tokens[0].startswith(b"/") and not tokens[0].lower().startswith(_URL_START):
        raise ValueError(f"{show(tokens[0])} does not begin with a slash")
    queries, destination, rest = _split_tokens(tokens[1:])
    parts = RuleParts(tokens[0], tuple(queries), destination, rest[0] if rest else b"", tuple(rest[1:]))
    return make_rule(parts, place, dialect, budget)


def make_rule(parts: RuleParts, place: Place, dialect: Dialect, budget: Budget) -> Rule:
    """Return the rule of a line, or of an equivalent entry. Raises ValueError: a sentence."""
    source = _parse_source(parts.source, dialect, budget)
    if parts.queries and not dialect.conditions:
        raise ValueError(f"{dialect.name} does not match queries")
    matches = tuple([_parse_query_match(token) for token in parts.queries])
    status, forced = _parse_status(parts.status, dialect) if parts.status else (dialect.default_status, False)
    names = captures_of(source) | {match.capture for match in matches if match.capture}
    conditions = tuple([_parse_condition(token) for token in parts.conditions])
    destination = _parse_to(parts.destination, parts.source, status, names)
    refusal = _refuse(destination, status, parts.is_signed)
    rule = Rule(source, destination, status, place, matches, conditions, forced or dialect.forced)
    return rule._replace(destination=None, status=501, refusal=refusal) if refusal else rule


def _refuse(destination: Destination, status: int, is_signed: bool) -> str:
    """Return why a rule cannot be followed here; an empty string if it can."""
    if is_signed:
        return f"{destination.text} needs signed requests, and fastfile signs none"
    if destination.origin and not 300 <= status < 400:
        return f"{destination.text} is on another server, and only --proxy forwards requests"
    if destination.text.startswith("/.netlify/"):
        return f"{destination.text} is a Netlify service, which fastfile does not have"
    return ""


def _parse_source(text: bytes, dialect: Dialect, budget: Budget) -> Pattern:
    if text.lower().startswith(_URL_START):
        raise ValueError(f"{show(text)} is for one host, but rules here apply to all hosts")
    splats: Splats = "one" if dialect.splat_anywhere else "last"
    return parse_pattern(text, splats, dialect.placeholders_anywhere, dialect.any_slash, budget)


def _split_tokens(tokens: list[bytes]) -> tuple[list[bytes], bytes | None, list[bytes]]:
    """Return the query matches, the destination and what follows it; a rule that only forwards has no destination."""
    if not tokens:
        raise ValueError("there is no destination")
    if tokens[0].rstrip(b"!").isdigit():
        return [], None, tokens
    for index, token in enumerate(tokens):
        if token.startswith(b"/") or token.lower().startswith(_URL_START):
            return tokens[:index], token, tokens[index + 1 :]
    raise ValueError("there is no destination: a path that begins with a slash, or an http URL")


def _parse_query_match(token: bytes) -> QueryMatch:
    name, equals, value = token.partition(b"=")
    if not equals or not name:
        raise ValueError(f"{show(token)} is not a query match, name=value or name=:placeholder")
    name = decode_leniently(name)
    if re.fullmatch(PLACEHOLDER, value):
        return QueryMatch(name, None, value[1:].decode())
    return QueryMatch(name, decode_leniently(value))


def _parse_status(token: bytes, dialect: Dialect) -> tuple[int, bool]:
    forced = token.endswith(b"!")
    digits = token[:-1] if forced else token
    status = int(digits) if digits.isdigit() and len(digits) == 3 else 0
    if status not in dialect.statuses:
        raise ValueError(f"{show(token)} is not a status that {dialect.name} can answer with")
    if forced and not dialect.conditions:
        raise ValueError(f"{dialect.name} knows no {show(token)}: its rules always override files")
    return status, forced


def _parse_to(text: bytes | None, source: bytes, status: int, names: set[str]) -> Destination:
    if text is None:
        # Netlify: a rule for a folder without a destination leaves it unchanged, so that no later rule applies.
        if status != 200 or not source.endswith(b"/*"):
            raise ValueError("there is no destination")
        text = source.removesuffix(b"*") + b":splat"
    return parse_destination(text, names)


def _parse_condition(token: bytes) -> Condition:
    name, equals, value = token.partition(b"=")
    names = tuple([part for part in value.split(b",") if part])
    if not equals or not names:
        raise ValueError(f"{show(token)} is not a condition, Name=value")
    match name.lower():
        case b"language":
            return Condition("language", tuple([part.lower() for part in names]))
        case b"cookie":
            return Condition("cookie", names)
        case b"country":
            # fastfile does not know where a client is; at Netlify this cookie overrides the country too.
            countries = b"(?i:%b)" % b"|".join([re.escape(part) for part in names])
            compile_expression(countries)
            return Condition("cookie", (b"nf_country",), countries)
    raise ValueError(f"{show(name)} is not known here")
