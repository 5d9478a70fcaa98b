"""No rule file, whatever its bytes, stops the server: a property of all readers, with a fixed seed."""

from __future__ import annotations

import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.rule_inputs import READERS, WORDS, hold, read

from fastfile.rules.patterns.cost import LENGTHS
from fastfile.rules.patterns.expression import CHEAP, compile_expression
from fastfile.rules.readers import RuleSet
from fastfile.rules.rule import MOST_PROBLEMS

# The limits of function calls, per byte of a file and in total: about five times the measured numbers.
CALLS_PER_BYTE, CALLS = 600, 60_000


def count_calls(number: int, content: bytes) -> tuple[int, RuleSet]:
    calls = 0

    def see(*_: object) -> None:
        nonlocal calls
        calls += 1

    compile_expression.cache_clear()
    sys.setprofile(see)
    try:
        found = read(number, content)
    finally:
        sys.setprofile(None)
    return calls, found


def contents(number: int) -> st.SearchStrategy[bytes]:
    return st.one_of(
        st.lists(st.sampled_from(WORDS[READERS[number][0]]), max_size=40).map(b"".join), st.binary(max_size=60)
    )


NUMBERS = [pytest.param(number, id=f"{name} of {provider.name}") for number, (name, provider) in enumerate(READERS)]


@pytest.mark.parametrize("number", NUMBERS)
def test_any_bytes_in_a_file_are_read_or_reported_and_match_any_path(number: int) -> None:
    @settings(max_examples=150)
    @example(b"/en/*/assets/*\n X-A: 1")
    @example(b'{"rewrites": [{"source": "' + b"*(" * 40 + b"a" + b")" * 40 + b'", "destination": "/"}]}')
    @example(b'{"rewrites": [{"source": "/[[a]", "destination": "/"}]}')
    @example(b"[" * 100_000)
    @given(contents(number))
    def holds(content: bytes) -> None:
        rule_set = hold(number, content)
        for rule in (*rule_set.rules, *rule_set.header_rules):
            if rule.source.expression:
                expression = compile_expression(rule.source.expression)
                assert all(expression.cost(size) <= CHEAP for size in LENGTHS if size <= expression.longest)

    holds()


@pytest.mark.parametrize("number", NUMBERS)
def test_reading_takes_steps_that_grow_with_the_size_of_a_file(number: int) -> None:
    @settings(max_examples=40)
    @given(contents(number))
    def holds(content: bytes) -> None:
        assert count_calls(number, content)[0] <= CALLS + CALLS_PER_BYTE * len(content)

    holds()


LARGE = {
    "_redirects": [b"/a /b\n", b"x\n", b"/:a /b\n", b"/*a/:b-:c /x\n", b"/a a=b /b Cookie=a\n"],
    "_headers": [b"/a\n", b"a:b\n", b"/*/x/*\n a: b\n", b"x\n"],
    "netlify.toml": [b'[[redirects]]\nfrom = "/a"\nto = "/b"\n', b"[[headers]]\n", b"a.b = 1\n"],
    "vercel.json": [b"[", b'{"redirects":[' + b"{}," * 2000],
    "serve.json": [b"[", b'{"redirects":[' + b"{}," * 2000],
}
ROWS = [
    pytest.param(number, piece, id=f"{name} of {provider.name}: {piece[:20]!r}")
    for number, (name, provider) in enumerate(READERS)
    for piece in LARGE[name]
]


@pytest.mark.parametrize(("number", "piece"), ROWS)
def test_a_file_of_the_largest_size_has_a_bounded_cost(number: int, piece: bytes) -> None:
    content = piece * ((1 << 20) // len(piece))
    calls, found = count_calls(number, content)
    assert calls <= 6_000_000
    assert len(found.problems) <= 3 * MOST_PROBLEMS
