"""Expressions of a site's files: they match as ``re`` does, and no text keeps them for long, whatever they are."""

from __future__ import annotations

import re
from contextlib import suppress
from re import _parser  # type: ignore[attr-defined]

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastfile.errors import HTTPError
from fastfile.rules.patterns.expression import MOST_STEPS, Allowance, Expression, check_expression
from fastfile.rules.patterns.program import Program, TooMuchWork

_ATOMS = st.sampled_from(
    ["a", "b", "/", ".", "A", "[^/]", "[ab]", "[^a]", "[a-c/]", r"\w", r"\d", r"\S", r"\b", r"\B", r"\Z", "^", "$", "é"]
)
# Not of what may be empty: how often that is repeated is seen in nothing but groups, where hosts differ as well.
_REPEATS = ["*", "+", "?", "*?", "+?", "??", "{1,3}", "{2}", "{0,2}?", "*+", "?+"]


def _extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("(?:{0[0]}|{0[1]})".format),
        inner.map("({})".format),
        st.tuples(st.sampled_from(["a", "b", "[^/]", "(a|ab)"]), st.sampled_from(_REPEATS)).map("".join),
        st.tuples(inner, st.sampled_from(_REPEATS)).map("(?:{0[0]}/){0[1]}".format),
        inner.map("(?={})".format),
        inner.map("(?!{})".format),
        inner.map("(?>{})".format),
        inner.map("(?i:{})".format),
        st.sampled_from(["(?<=a)", "(?<!b/)", "(?<=[ab])"]),
    )


@example(r"\B", "")
@given(st.recursive(_ATOMS, _extend, max_leaves=8), st.text("aabA/_é", max_size=10))
def test_a_program_finds_what_re_finds(source: str, text: str) -> None:
    try:
        expected = re.compile(source.encode(), re.DOTALL).fullmatch(text.encode())
        program = Program(_parser.parse(source.encode(), re.DOTALL))
    except (re.error, ValueError):
        return
    saves, left = program.match(text.encode(), MOST_STEPS)
    assert left < MOST_STEPS
    assert (saves is None) == (expected is None)
    if saves is not None and expected is not None:
        spans = [expected.span(number) for number in range(1, len(expected.groups()) + 1)]
        assert list(zip(saves[2::2], saves[3::2], strict=True)) == spans


ENDLESS = [
    pytest.param("/(?:a+)+b", b"/" + b"a" * 4000, id="a repeat of repeats"),
    pytest.param("/(?:a|a)*b", b"/" + b"a" * 4000, id="two ways for each letter"),
    pytest.param("/(?:a?){60}a{60}b", b"/" + b"a" * 90, id="many that may be there"),
    pytest.param("/(?:a|ab|b)*c", b"/" + b"ab" * 2000, id="branches that overlap"),
    pytest.param("/([^/]+)-([^/]+)-([^/]+)-([^/]+)!", b"/" + b"-" * 250, id="placeholders in one segment"),
    pytest.param("/(.*)(.*)(.*)(.*)(.*)b", b"/" + b"a" * 4000, id="splats after each other"),
    pytest.param("/(?:[^/]+/)*(?:[^/]+/)*(?:[^/]+/)*b", b"/" + b"a/" * 2000, id="repeated segments"),
    pytest.param("/(?=(?:a+)+b)a*", b"/" + b"a" * 4000, id="behind a look"),
    pytest.param("/(?:(?=.*.*b)a)*", b"/" + b"a" * 4000, id="a look at each letter"),
    pytest.param("(?i:/(?:A+)+b)", b"/" + b"a" * 4000, id="in either case"),
]


@pytest.mark.parametrize(("source", "text"), ENDLESS)
def test_no_expression_is_busy_for_ever(source: str, text: bytes) -> None:
    check_expression(source)
    with suppress(HTTPError):
        assert Expression(source.encode()).match(text, Allowance()) is None


def test_the_expressions_of_one_look_up_share_what_they_may_take() -> None:
    allowance = Allowance()
    expression = Expression(b"/(?:a+)+b")
    text = b"/" + b"a" * 1000
    before = allowance.steps
    expression.match(text, allowance)
    taken = before - allowance.steps
    for _ in range(MOST_STEPS // taken - 1):
        expression.match(text, allowance)
    with pytest.raises(HTTPError) as refused:
        expression.match(text, allowance)
    assert refused.value.status == 500


def test_a_program_takes_no_more_steps_than_it_is_given() -> None:
    program = Program(_parser.parse(b"(?:a|b)*"))
    _, left = program.match(b"ab", 100)
    assert program.match(b"ab", 100 - left) == ((-1, -1), 0)
    with pytest.raises(TooMuchWork):
        program.match(b"ab", 100 - left - 1)


USUAL = [
    pytest.param("/(.*)", b"/" + b"a" * 4000, id="a splat"),
    pytest.param("/([^/]+?)/([^/]+?)/([^/]+?)/([^/]+?)", b"/" + b"a" * 255 + b"/b/c/d", id="placeholders"),
    pytest.param("(?:/([^/]+?(?:/[^/]+?)*))?", b"/a/b" * 200, id="a placeholder for several segments"),
    pytest.param("/((?!api/).*)", b"/" + b"a" * 4000, id="all but a folder"),
    pytest.param(r"/(.*)\.(jpg|png|webp)", b"/a.b" * 900 + b".jpg", id="by extension"),
    pytest.param(r"/(.*)\.([a-z0-9]+)\.js", b"/assets/app.1a2b3c4d.js", id="with a hash"),
]


@pytest.mark.parametrize(("source", "text"), USUAL)
def test_what_sites_use_is_matched_by_re_itself(source: str, text: bytes) -> None:
    expression = Expression(source.encode())
    assert expression.match(text, Allowance()) is not None
    assert expression._program is None


REFUSED = [
    pytest.param("(a", "not a regular expression that is understood here", id="not closed"),
    pytest.param(r"(a)\1", "not possible in an expression here: groupref", id="what was caught before"),
    pytest.param("(?:a{100}){100}", "too long", id="counted repeats of counted repeats"),
    pytest.param("(?:" * 5000 + "a" + ")" * 5000, "not a regular expression", id="nested too deeply"),
]


@pytest.mark.parametrize(("source", "sentence"), REFUSED)
def test_what_is_not_possible_is_said(source: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_expression(source)
