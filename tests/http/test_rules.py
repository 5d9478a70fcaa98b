"""The rules of http_rules.py, for their corpus and hypothesis's inputs; the fuzzer continues from there."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.http_rules import CORPUS, RULES, corpus, naive_ranges

LARGE = 1 << 18  # more than fits into a head
LIMIT_S = 2.0  # of processor time for LARGE: linear needs a tenth, quadratic needs minutes


def spliced(inputs: list[bytes]) -> st.SearchStrategy[bytes]:
    """Return pieces of the corpus combined again, with foreign bytes between them."""
    whole = st.sampled_from(inputs)
    cut = st.builds(lambda text, start, stop: text[start : start + stop], whole, st.integers(0, 40), st.integers(0, 40))
    odd = st.sampled_from([bytes([byte]) for byte in range(256)]) | st.sampled_from(
        [b"..", b"%2e", b", ", b";q=", b"::"]
    )
    return st.builds(lambda first, rest: first + b"".join(rest), whole | st.just(b""), st.lists(cut | odd, max_size=6))


@pytest.mark.parametrize("name", RULES)
def test_a_rule_holds_for_its_corpus(name: str) -> None:
    for data in corpus(name):
        RULES[name](data)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_holds_for_whatever_is_made_of_its_corpus(name: str) -> None:
    @settings(max_examples=200)
    @given(spliced(corpus(name)) | st.binary(max_size=60))
    def holds(data: bytes) -> None:
        RULES[name](data)

    holds()


@pytest.mark.parametrize("name", RULES)
def test_the_time_is_linear_in_the_input(name: str) -> None:
    for data in {data[start : start + size] for data in corpus(name) for start in (0, 1, 6) for size in (1, 2, 7, 99)}:
        if data:
            begun = time.process_time()
            RULES[name]((data * (LARGE // len(data) + 1))[:LARGE])
            assert time.process_time() - begun < LIMIT_S, data


def test_every_rule_has_a_corpus() -> None:
    assert {path.stem for path in CORPUS.glob("*.txt")} == {*RULES, "parser"}


def test_the_naive_ranges_are_those_of_the_rfc() -> None:
    # The examples of RFC 9110 §14.1.2, for a representation of 10000 bytes.
    assert naive_ranges(b"bytes=0-499", 10000) == ((0, 500),)
    assert naive_ranges(b"bytes=-500", 10000) == ((9500, 10000),)
    assert naive_ranges(b"bytes=9500-", 10000) == ((9500, 10000),)
    assert naive_ranges(b"bytes=0-0,-1", 10000) == ((0, 1), (9999, 10000))
    assert naive_ranges(b"bytes=500-600,601-999", 10000) == ((500, 1000),)
