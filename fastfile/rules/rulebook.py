"""The compiled rules of one site: find the rule for a request, and its destination.

The first rule whose path, query and conditions match applies. A rule that redirects a request to its own URL is
skipped, as Netlify does, so that no single rule makes a loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastfile.http.field_changes import NO_CHANGES, FieldChanges
from fastfile.http.target import encode_query
from fastfile.message import RequestHead
from fastfile.records import NamedTuple
from fastfile.rules.condition import Asked, check_conditions, match_queries, varies_by
from fastfile.rules.patterns.index import Captures, PatternIndex, encode_capture
from fastfile.rules.patterns.pattern import decode_leniently
from fastfile.rules.rule import Rule, Template


class Outcome(NamedTuple):
    """The rule for a request, and its encoded destination: b"" if the rule has none.

    A reference within this site is a path with exactly one slash before it, and possibly a query.
    """

    rule: Rule
    reference: bytes

    @property
    def is_redirect(self) -> bool:
        """Whether the client is sent elsewhere (RFC 9110 §15.4)."""
        return 300 <= self.rule.status < 400


class RuleMatch(NamedTuple):
    """The result of the rules for one request. ``changes`` are those of the response's headers at the path."""

    outcome: Outcome | None = None
    is_covered: bool = False  # a rule matches the path, whatever its query and conditions
    may_be_forced: bool = False  # a rule that wins over files matches the path
    vary: bytes = b""  # request fields that choose among the rules (RFC 9110 §12.5.5)
    changes: FieldChanges = NO_CHANGES
    is_hidden: bool = False  # the path is a rule file, which is never served


class Rulebook:
    """Rules in the order in which they are tried."""

    __slots__ = ("_has_forced", "_index", "refused")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._index = PatternIndex([(rule.source, rule) for rule in rules])
        self.refused = self._index.refused
        self._has_forced = any(rule.forced for rule in rules)

    def find(self, path: bytes, query: bytes | None, head: RequestHead) -> Outcome | None:
        """Return the outcome of a request for a decoded path, which begins with one slash."""
        return self._choose(self._index.find(path), path, query, head)

    def match(self, path: bytes, query: bytes | None, head: RequestHead | None) -> RuleMatch:
        """Return the result of all rules for a request for a decoded path, with one lookup.

        Without ``head`` it is for all requests for the path: there is no outcome.
        """
        found = self._index.find(path)
        if not found:
            return NO_MATCH
        outcome = None if head is None else self._choose(found, path, query, head)
        may_be_forced = self._has_forced and any(rule.forced for rule, _ in found)
        return RuleMatch(outcome, True, may_be_forced, b", ".join(_varies_by(found)))

    def _choose(
        self, found: list[tuple[Rule, Captures]], path: bytes, query: bytes | None, head: RequestHead
    ) -> Outcome | None:
        asked = Asked(query, head)
        for rule, captures in found:
            if rule.queries and not match_queries(rule.queries, asked, captures):
                continue
            if rule.conditions and not check_conditions(rule.conditions, asked, captures):
                continue
            outcome = Outcome(rule, make_reference(rule, query, captures))
            if outcome.is_redirect and _leads_to(outcome.reference, path, query):
                continue
            return outcome
        return None

    def forces(self, path: bytes) -> bool:
        """Tell whether a rule wins over the file at a path, for some requests or for all."""
        return self._has_forced and any(rule.forced for rule, _ in self._index.find(path))


NO_MATCH = RuleMatch()


def _varies_by(found: list[tuple[Rule, Captures]]) -> tuple[bytes, ...]:
    conditions = [condition for rule, _ in found for condition in rule.conditions]
    return tuple(dict.fromkeys([field for condition in conditions for field in varies_by(condition)]))


def make_reference(rule: Rule, query: bytes | None, captures: Captures) -> bytes:
    """Return the destination of a rule, with encoded captures. No path of this site begins with two slashes."""
    destination = rule.destination
    if destination is None:
        return b""
    path = fill(destination.path, captures)
    if not destination.origin:
        path = b"/" + path.lstrip(b"/")
    own = None if destination.query is None else fill(destination.query, captures)
    passed = encode_query(query) if query else None
    if rule.query == "merged" and own and passed:
        own = own + b"&" + passed
    elif rule.query != "dropped" and own is None:
        own = passed
    return destination.origin + path + (b"" if own is None else b"?" + own) + destination.fragment


def fill(template: Template, captures: Captures) -> bytes:
    """Return a template filled with captured values."""
    return b"".join(
        [part if isinstance(part, bytes) else encode_capture(captures.get(part.name, b"")) for part in template]
    )


def _leads_to(reference: bytes, path: bytes, query: bytes | None) -> bool:
    """Tell whether a reference is the path and query themselves, however they are encoded."""
    goal, _, own = reference.partition(b"#")[0].partition(b"?")
    return decode_leniently(goal) == path and own == encode_query(query or b"")
