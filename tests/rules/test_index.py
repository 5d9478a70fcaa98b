"""Many patterns: a path tries none but those that it may match, in the order of the file."""

from __future__ import annotations

import sys

from fastfile.rules.patterns.index import PatternIndex
from fastfile.rules.patterns.pattern import parse_pattern

TEXTS = [
    *(b"/old-%d" % number for number in range(250)),
    *(b"/section-%d/:id/*" % number for number in range(250)),
]


def make_index(texts: list[bytes]) -> PatternIndex[bytes]:
    return PatternIndex([(parse_pattern(text, "one", anywhere=False, any_slash=True), text) for text in texts])


def test_each_path_finds_its_patterns_in_the_order_of_the_file() -> None:
    index = make_index([b"/:a", b"/b", b"/b/*", b"/*", b"/c/:d"])
    found = {path: [text for text, _ in index.find(path)] for path in (b"/", b"/b", b"/b/c", b"/c/x", b"/d/e/f")}
    assert found == {
        b"/": [b"/*"],
        b"/b": [b"/:a", b"/b", b"/b/*", b"/*"],
        b"/b/c": [b"/b/*", b"/*"],
        b"/c/x": [b"/*", b"/c/:d"],
        b"/d/e/f": [b"/*"],
    }


def test_what_is_caught_is_encoded() -> None:
    [(_, captures)] = make_index([b"/a/:b/*"]).find("/a/é?/c d/e".encode())
    assert captures == {1: b"%C3%A9%3F", "b": b"%C3%A9%3F", 2: b"c%20d/e", "splat": b"c%20d/e"}


def test_500_rules_cost_a_path_that_none_is_for_no_more_than_5_do() -> None:
    def calls(index: PatternIndex[bytes]) -> int:
        """Return how many functions a look-up calls: each expression that is tried is one."""
        seen: list[str] = []
        sys.setprofile(lambda frame, event, argument: seen.append(event))
        try:
            assert index.find(b"/assets/app.js") == []
        finally:
            sys.setprofile(None)
        return seen.count("call") + seen.count("c_call")

    few, many = make_index(TEXTS[:3] + TEXTS[-2:]), make_index(TEXTS)
    assert calls(many) == calls(few)
    assert len(many.find(b"/section-7/x/y")) == 1
