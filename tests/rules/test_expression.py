"""Expressions of a site's files: they match as ``re`` does, and one that could keep it busy is refused at load."""

from __future__ import annotations

import re
import sys
import time
import warnings

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.backtracking import Backtracking

from fastfile.errors import HTTPError
from fastfile.rules.patterns.cost import LENGTHS, measure
from fastfile.rules.patterns.expression import CHEAP, Expression, check_expression
from fastfile.rules.patterns.syntax import parse_expression

_ATOMS = st.sampled_from(
    ["a", "b", "/", ".", "A", "[^/]", "[ab]", "[^a]", "[a-c/]", r"\w", r"\d", r"\S", r"\b", r"\Z", "^", "$", "é"]
)
# Not of what may be empty: how often that is repeated is seen in nothing but groups, where JavaScript differs as well.
_REPEATS = ["*", "+", "?", "*?", "+?", "??", "{1,3}", "{2}", "{0,2}?", "{1,}"]


def _extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("(?:{0[0]}|{0[1]})".format),
        inner.map("({})".format),
        st.tuples(st.sampled_from(["a", "b", "[^/]", "([^/]+?)", "(a|ab)"]), st.sampled_from(_REPEATS)).map("".join),
        st.tuples(inner, st.sampled_from(_REPEATS)).map("(?:{0[0]}/){0[1]}".format),
        inner.map("(?={})".format),
        inner.map("(?!{})".format),
        inner.map("(?i:{})".format),
    )


@settings(max_examples=200)
@example("[^/]+?a[^/]*", "xaya")
@example("(?:(a)|b)*", "ab")
@given(st.recursive(_ATOMS, _extend, max_leaves=8), st.text("aabA/_é", max_size=10))
def test_an_expression_finds_what_re_finds(source: str, text: str) -> None:
    try:
        expected = re.compile(source.replace("$", r"\Z").encode(), re.DOTALL).fullmatch(text.encode())
        expression = Expression(source.encode())
    except (re.error, ValueError):
        return
    found = expression.match(text.encode())
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert [found[number] for number in range(1, len(expression.groups) + 1)] == list(expected.groups(b""))


@settings(max_examples=200)
@example("/(?:(?:[^/]+)/)*([^/.]+)", "/a/a/a/a/.")
@example("(?:[^/]+/)*(?:[^/]+/)*b", "a/a/a/a/a/a")
@given(st.recursive(_ATOMS, _extend, max_leaves=8), st.text("aabA/", max_size=12))
def test_no_text_takes_more_steps_than_were_measured(source: str, text: str) -> None:
    try:
        tree, groups = parse_expression(source.encode())
    except ValueError:
        return
    limit = measure(tree)[1]
    if limit > CHEAP:
        return
    matcher = Backtracking(text.encode())
    matcher.matches(tree, len(groups))
    assert matcher.steps <= 8 * limit  # its own steps for sequences and groups counted in


USUAL = [
    pytest.param("/(.*)", id="a splat"),
    pytest.param("/([^/]+?)/([^/]+?)/([^/]+?)/([^/]+?)", id="placeholders"),
    pytest.param("/([^/]+?)-([^/]+?)-([^/]+?)", id="placeholders in one segment"),
    pytest.param("(?:/([^/]+?(?:/[^/]+?)*))?/edit", id="a placeholder for several segments"),
    pytest.param("/((?!api/).*)", id="all but a folder"),
    pytest.param(r"/((?!api|_next/static|.*\.png$).*)", id="as Next.js matches"),
    pytest.param(r"/(.*)\.(jpg|jpeg|png|webp)", id="by extension"),
    pytest.param(r"/(.*)\.([a-z0-9]+)\.js", id="with a hash"),
    pytest.param(r".*(iPhone|Android|iPad).*", id="a user agent"),
    pytest.param(r"(?i).*\bbot\b.*", id="in any case"),
    pytest.param(r"(?<first>[a-z0-9-]+)\.example\.com(:\d+)?", id="a host"),
    pytest.param(r"/(en|de|fr-[A-Z]{2})(/.*)?", id="a language"),
    pytest.param(r"/((?:[^/]+/)*[^/]+\.\w+)/", id="a file in any folder"),
]


@pytest.mark.parametrize("source", USUAL)
def test_what_sites_use_is_matched_at_any_length(source: str) -> None:
    assert check_expression(source).longest == LENGTHS[-1]


ENDLESS = [
    pytest.param("/(?:a+)+b", id="a repeat of repeats"),
    pytest.param("/(?:a|a)*b", id="two ways for each letter"),
    pytest.param("/(?:a?){60}a{60}b", id="many that may be there"),
    pytest.param("/(?:a|ab|b)*c", id="branches that overlap"),
    pytest.param("/([^/]+)-([^/]+)-([^/]+)-([^/]+)!", id="greedy placeholders in one segment"),
    pytest.param("/(.*)(.*)(.*)(.*)(.*)b", id="splats after each other"),
    pytest.param("/(?:[^/]+/)*(?:[^/]+/)*(?:[^/]+/)*b", id="repeated segments"),
    pytest.param("/(?=(?:a+)+b)a*", id="behind a look"),
    pytest.param("/(?:(?=.*.*b)a)*", id="a look at each letter"),
    pytest.param("(?i:/(?:A+)+b)", id="in either case"),
    pytest.param("(?:a*)*", id="a repeat of what may be empty"),
]


@pytest.mark.parametrize("source", ENDLESS)
def test_an_expression_that_could_keep_re_busy_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="it could take too long on a long path"):
        check_expression(source)


@pytest.mark.parametrize(
    ("source", "longest"), [("/([^/]+)-([^/]+)", 512), (r"/(.*)/(.*)\.(html?)", 256)], ids=["dashes", "an extension"]
)
def test_what_grows_with_the_square_is_matched_up_to_a_length(source: str, longest: int) -> None:
    expression = check_expression(source)
    assert expression.longest == longest
    assert expression.match(b"/a/b-c/d-e.html") is not None or expression.match(b"/a-b-c") == {1: b"a-b", 2: b"c"}
    with pytest.raises(HTTPError) as refused:
        expression.match(b"/" + b"-" * longest)
    assert refused.value.status == 414


REFUSED = [
    pytest.param("(a", "a parenthesis is not closed", id="not closed"),
    pytest.param("a)", r"a \) at byte 2 without a parenthesis that it closes", id="not opened"),
    pytest.param("[a", "a bracket is not closed", id="a bracket"),
    pytest.param("*a", r"nothing before the \*", id="nothing to repeat"),
    pytest.param("a**", "it repeats a repeat", id="a repeat of a repeat"),
    pytest.param("(?=a)*", "it repeats an expression that matches no character", id="a repeated look"),
    pytest.param("a{2,1}", "backwards", id="a count"),
    pytest.param("a{99999}", "more than 1000", id="a large count"),
    pytest.param("[b-a]", "before its start", id="a range"),
    pytest.param("[é]", "only ASCII", id="a set of more than ASCII"),
    pytest.param(r"(a)\1", "back-references are not supported", id="what was caught before"),
    pytest.param(r"(?<a>b)\k<a>", "back-references are not supported", id="by its name"),
    pytest.param("(?<a>b)(?<a>c)", "two groups that are called a", id="a name twice"),
    pytest.param("(?<=a)b", r"\(\?<= is not supported", id="a look behind"),
    pytest.param(r"\p{L}", r"\\p is not supported", id="a class of Unicode"),
    pytest.param("a\\", "ends with a backslash", id="half an escape"),
    pytest.param("(?:" * 5000 + "a" + ")" * 5000, "nested deeper than 20", id="nested too deeply"),
    pytest.param("*(" * 40 + "a" + ")" * 40, "nothing before", id="nested repeats"),
    pytest.param("(" * 19 + "a" + ")*" * 19, "could take too long", id="repeats of repeats of repeats"),
    pytest.param("a" * 2000, "more than 1000 parts", id="too long"),
]


@pytest.mark.parametrize(("source", "sentence"), REFUSED)
def test_what_is_not_possible_is_said(source: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_expression(source)


def calls(source: str) -> int:
    """Return how many functions parsing an expression calls."""
    count = 0

    def see(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(see)
    try:
        Expression(source.encode())
    except ValueError:
        pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda n: "(?:" * n + "a" + ")*" * n, id="nested repeats"),
        pytest.param(lambda n: "(?:(?!" * (n // 2) + "a" + ")b)*" * (n // 2), id="nested looks in repeats"),
        pytest.param(lambda n: "(?:a|" * n + "b" + ")+" * n, id="nested choices"),
    ],
)
def test_each_level_of_nesting_costs_the_check_no_more_than_the_one_before(make: object) -> None:
    few, many = calls(make(8)), calls(make(16))  # type: ignore[operator]
    assert many < 8 * few


def test_an_expression_gives_re_nothing_to_warn_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Expression(rb"[[a]--b]&&c||d~~").match(b"[-b]&&c") is None
        assert Expression(rb"/[[a]").match(b"/[") is not None


def test_the_worst_case_of_an_expression_takes_the_time_that_was_measured() -> None:
    expression = Expression(b"/([^/]+)-([^/]+)/x")
    started = time.thread_time()
    assert expression.match(b"/" + b"-" * (expression.longest - 2) + b"/") is None
    assert time.thread_time() - started < 1  # 2.4 ms in truth
