"""Find problems of a build's rules: lines that cannot be used, loops, and unreachable rules.

Each rule is tested with a request made for it: one segment for a placeholder; one, two and no segments for a splat; and
the query and headers that it needs. A pattern for which no such request can be made is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote_from_bytes

from fastfile.commands.check.findings import Finding, Wrong
from fastfile.commands.check.links import ORIGIN
from fastfile.commands.explain import NAVIGATION, Exchange, Explainer
from fastfile.errors import HTTPError
from fastfile.http.target import encode_path
from fastfile.message import RequestHead
from fastfile.rules.patterns.index import PatternIndex
from fastfile.rules.patterns.pattern import PLACEHOLDER
from fastfile.rules.reload import SiteRules
from fastfile.rules.rule import Capture, Rule
from fastfile.rules.rulebook import Rulebook

# A segment that equals no literal, and that only a general expression matches: it has letters, a digit and marks.
_SEGMENT = b"Zq7~x.y-z"
_SPLATS = (_SEGMENT, _SEGMENT + b"/" + _SEGMENT, b"")
# One path cannot show whether an expression with a lookahead matches everything below it.
_LOOKAROUND = re.compile(rb"\(\?<?[=!]")


def check_rules(explainer: Explainer, rules: SiteRules, prefix: bytes, shown: str) -> Iterator[Finding]:
    """Yield the problems of a site's rules.

    ``prefix`` is the path of its mount, with a slash at both ends unless it is the root.
    """
    for problem in rules.problems:
        yield Finding(shown + problem.place.file, problem.place.line, "error", "rule-problem", problem.text)
    shadows = _find_shadows(rules.rules)
    seen: set[str] = set()  # places of rules whose loop is already reported
    for number, rule in enumerate(rules.rules):
        if number in shadows:
            text = f"{rule.source.text} is unreachable: shadowed by the rule at {shadows[number].place}"
            yield Finding(shown + rule.place.file, rule.place.line, "warning", "shadowed-rule", text)
            continue
        problem_found = _try(explainer, rule, prefix, seen)
        if problem_found is not None:
            yield Finding(shown + rule.place.file, rule.place.line, *problem_found)


def _try(explainer: Explainer, rule: Rule, prefix: bytes, seen: set[str]) -> Wrong | None:
    """Return the problem of a single rule; None if it has none."""
    fields = _make_fields(rule)
    for path in _make_paths(rule):
        url = ORIGIN + encode_path(prefix + path).decode() + _make_query(rule)
        exchanges = explainer.follow(url, fields)
        steps = exchanges[0].notes
        if ("rule", str(rule.place)) not in steps:
            found = next((subject for step, subject in steps if step in ("file", "redirect")), None)
            if rule.source.literals and found is not None and not rule.forced and not _has_rule(steps):
                text = f"{rule.source.text} is unreachable: the file {found} is served"
                return Wrong("warning", "dead-rule", text)
            continue
        last = exchanges[-1]
        if "LOOP" in dict(last.notes):
            return _tell_loop(rule, exchanges, seen)
        if rule.status not in (404, 410) and last.response.status >= 400 and _is_concrete(rule):
            destination = rule.destination.text if rule.destination is not None else ""
            return Wrong("error", "broken-rule", f"{destination} returns {last.response.status}")
        return None
    return None


def _tell_loop(rule: Rule, exchanges: Sequence[Exchange], seen: set[str]) -> Wrong | None:
    places = {subject for exchange in exchanges for step, subject in exchange.notes if step == "rule"}
    known = not places.isdisjoint(seen)
    seen |= places
    if known:
        return None
    targets = [exchange.request.partition(" ")[2] for exchange in exchanges[:4]]
    way = " to ".join(targets) + (" and on" if len(exchanges) > len(targets) else "")
    return Wrong("error", "redirect-loop", f"{rule.source.text} redirects in a loop: from {way}")


def _find_shadows(rules: Sequence[Rule]) -> dict[int, Rule]:
    """Return unreachable rules by number, each with the earlier rule that shadows it.

    The destination of a rule does not depend on the disk, except for whether the rule wins over files or applies after
    them.
    """
    anyones = [(number, rule) for number, rule in enumerate(rules) if not rule.queries and not rule.conditions]
    everywhere = _Takers(anyones)
    general = _Takers([(n, rule) for n, rule in anyones if not _LOOKAROUND.search(rule.source.expression)])
    shadows = {}
    for number, rule in enumerate(rules):
        takers = everywhere if rule.source.literals else general
        found = [takers.first(path) for path in _make_paths(rule)]
        if found and all(taker is not None and taker[0] < number for taker in found) and found[0] is not None:
            shadows[number] = found[0][1]
    return shadows


class _Takers:
    """Rules without queries and conditions."""

    def __init__(self, rules: Sequence[tuple[int, Rule]]) -> None:
        self._numbers = {id(rule): number for number, rule in rules}
        self._book = Rulebook([rule for _, rule in rules])
        self._head = RequestHead(b"GET", b"/", 1, 0)

    def first(self, path: bytes) -> tuple[int, Rule] | None:
        """Return the first rule for a path, with its number; None if there is none for it."""
        try:
            outcome = self._book.find(path, None, self._head)
        except HTTPError:  # the path is too long for the rules
            return None
        return None if outcome is None else (self._numbers[id(outcome.rule)], outcome.rule)


def _make_paths(rule: Rule) -> list[bytes]:
    """Return paths that the rule matches; none if they cannot be derived from it."""
    if rule.source.literals:
        return list(rule.source.literals)
    index: PatternIndex[Rule] = PatternIndex([(rule.source, rule)])
    text = rule.source.text.encode(errors="surrogateescape").partition(b"#")[0]
    text = re.sub(PLACEHOLDER, lambda _: _SEGMENT, text)
    paths = dict.fromkeys(text.replace(b"*", splat) for splat in (_SPLATS if b"*" in text else (b"",)))
    return [path for path in paths if path.startswith(b"/") and _matches(index, path)]


def _matches(index: PatternIndex[Rule], path: bytes) -> bool:
    try:
        return bool(index.find(path))
    except HTTPError:  # the path is too long for the pattern
        return False


def _make_query(rule: Rule) -> str:
    pairs = [(match.name, b"x" if match.value is None else match.value) for match in rule.queries]
    pairs += [(c.names[0], b"x") for c in rule.conditions if c.subject == "query" and c.names and not c.absent]
    query = "&".join(f"{quote_from_bytes(name, '')}={quote_from_bytes(value, '')}" for name, value in pairs)
    return f"?{query}" if query else ""


def _make_fields(rule: Rule) -> dict[str, str]:
    fields = dict(NAVIGATION)
    for condition in rule.conditions:
        name = condition.names[0].decode("latin-1") if condition.names else ""
        if condition.absent or not name:
            continue
        if condition.subject == "language":
            fields["Accept-Language"] = name
        elif condition.subject == "cookie":
            fields["Cookie"] = f"{name}=x"
        elif condition.subject == "header":
            fields[name] = "x"
    return fields


def _has_rule(steps: Sequence[tuple[str, str]]) -> bool:
    return any(step == "rule" for step, _ in steps)


def _is_concrete(rule: Rule) -> bool:
    destination = rule.destination
    return destination is not None and not any(isinstance(part, Capture) for part in destination.path)
