"""Many patterns: a path tries none but those that it may match, in the order of the file."""

from __future__ import annotations

import sys

import pytest

from fastfile.rules.patterns.index import PatternIndex, encode_capture
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
    encoded = {name: encode_capture(value) for name, value in captures.items()}
    assert encoded == {"b": b"%C3%A9%3F", "splat": b"c%20d/e"}


@pytest.mark.parametrize(
    ("text", "any_slash", "matches", "others"),
    [
        (b"/a/:b", True, [b"/a/x", b"/a/x/"], [b"/a", b"/a/", b"/a/x/y", b"/a/x//", b"/a//"]),
        (b"/a/:b", False, [b"/a/x"], [b"/a/x/"]),
        (b"/a/:b/", True, [b"/a/x", b"/a/x/"], [b"/a/"]),
        (b"/a/:b/", False, [b"/a/x/"], [b"/a/x", b"/a//"]),
        (b"/:a/b", True, [b"/x/b", b"/x/b/"], [b"//b", b"/x/c", b"/b"]),
        (b"/a/*", True, [b"/a", b"/a/", b"/a/x", b"/a/x/y/", b"/a//"], [b"/ab", b"/"]),
        (b"/a/*", False, [b"/a/", b"/a/x"], [b"/a", b"/ab"]),
        (b"/:a/*", True, [b"/x", b"/x/", b"/x/y"], [b"/", b"//"]),
        (b"/*", True, [b"/", b"/x", b"//"], []),
        (b"/a%2Fb/:c", True, [b"/a/b/x"], [b"/a/b"]),
    ],
)
def test_segments_match_with_and_without_a_slash(
    text: bytes, any_slash: bool, matches: list[bytes], others: list[bytes]
) -> None:
    pattern = parse_pattern(text, "one", anywhere=False, any_slash=any_slash)
    assert pattern.segments is not None
    index = PatternIndex([(pattern, text)])
    assert [path for path in (*matches, *others) if index.find(path)] == matches


def test_500_rules_cost_a_path_that_none_is_for_no_more_than_5_do() -> None:
    def calls(index: PatternIndex[bytes]) -> int:
        """Return how many functions a lookup calls: each tried expression is one."""
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
