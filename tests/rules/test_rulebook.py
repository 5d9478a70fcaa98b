"""One lookup returns the whole result of the rules for a request."""

from __future__ import annotations

from fastfile.message import RequestHead
from fastfile.rules.dialects import EITHER
from fastfile.rules.redirects import parse_redirects
from fastfile.rules.rulebook import NO_MATCH, Rulebook, RuleMatch

RULES = b"""\
/*        /beta  302! Cookie=beta
/a/:b     /c/:b  302
/docs/*   /d     302  Language=de
"""


def match(target: bytes, fields: bytes = b"") -> RuleMatch:
    rules, problems = parse_redirects(RULES, "_redirects", EITHER)
    assert not problems
    return Rulebook(rules).match(target, None, RequestHead(b"GET", target, 1, 0, fields))


def test_a_match_names_the_rule_and_what_else_could_match() -> None:
    plain = match(b"/a/x")
    assert plain.outcome is not None
    assert (plain.outcome.reference, plain.is_covered, plain.may_be_forced) == (b"/c/x", True, True)
    assert plain.vary == b"Cookie"
    forced = match(b"/a/x", b"Cookie: beta=1\r\n")
    assert forced.outcome is not None
    assert forced.outcome.reference == b"/beta"


def test_a_condition_that_does_not_hold_still_varies_the_response() -> None:
    found = match(b"/docs/x")
    assert found.outcome is None
    assert found.is_covered
    assert found.vary == b"Cookie, Accept-Language"


def test_a_path_without_rules_has_no_match() -> None:
    assert Rulebook(()).match(b"/x", None, RequestHead(b"GET", b"/x", 1, 0)) is NO_MATCH
