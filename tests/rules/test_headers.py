"""_headers: how its lines are parsed, and their changes to the fields of a path. Sources: docs/rules.md."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfile.http.field_changes import Field
from fastfile.rules.dialects import CLOUDFLARE, EITHER, NETLIFY
from fastfile.rules.headers import PROTECTED, FieldBook, parse_headers
from fastfile.rules.patterns.cost import LENGTHS
from fastfile.rules.patterns.expression import compile_expression
from fastfile.rules.rule import Dialect

OURS: tuple[Field, ...] = ((b"Cache-Control", b"no-cache"), (b"Vary", b"Accept-Encoding"))


def fields_at(path: bytes, text: bytes, dialect: Dialect) -> dict[bytes, bytes]:
    """Return what becomes of OURS at a path."""
    rules, problems = parse_headers(text, "_headers", dialect)
    assert not problems
    return dict(FieldBook(rules, dialect.joins_fields).changes(path).apply(OURS))


KEPT = dict(OURS)
# dialect, file, path, the fields that differ from the default (None: removed), the sentence
CHANGES: list[tuple[Dialect, bytes, bytes, dict[bytes, bytes | None], str]] = [
    (EITHER, b"/*\n  X-A: 1", b"/", {b"X-A": b"1"}, "a splat is for all"),
    (EITHER, b"/a\n  X-A: 1", b"/b", {}, "a path is for itself alone"),
    (NETLIFY, b"/a\n  X-A: 1", b"/a/", {b"X-A": b"1"}, "Netlify: with and without a slash"),
    (CLOUDFLARE, b"/a\n  X-A: 1", b"/a/", {}, "Cloudflare: as it is written"),
    (NETLIFY, b"/a/*\n X-A: 1", b"/a", {b"X-A": b"1"}, "Netlify: a splat is for the folder itself"),
    (NETLIFY, b"/*/img/*.png\nX-A: 1", b"/b/c/img/d.png", {b"X-A": b"1"}, "Netlify: a splat anywhere, indented or not"),
    (EITHER, b"/t/:id\n X-A: 1", b"/t/4", {b"X-A": b"1"}, "a placeholder is a segment"),
    (EITHER, b"/t/:id\n X-A: 1", b"/t/4/5", {}, "one segment"),
    (
        CLOUDFLARE,
        b"/m/:t\n X-T: up :t, :t",
        b"/m/a b",
        {b"X-T": b"up a%20b, a%20b"},
        "Cloudflare: it goes into the value",
    ),
    (CLOUDFLARE, b"/m/*\n X-T: <:splat>", b"/m/\r\nX: y", {b"X-T": b"<%0D%0AX%3A%20y>"}, "encoded: it breaks no line"),
    (NETLIFY, b"/m/:t\n X-T: :t", b"/m/a", {b"X-T": b":t"}, "Netlify: values are as they are written"),
    (
        EITHER,
        b"/*\n cache-control: max-age=9",
        b"/",
        {b"Cache-Control": None, b"cache-control": b"max-age=9"},
        "ours is replaced",
    ),
    (EITHER, b"/*\n X-A: 1\n X-A: 2", b"/", {b"X-A": b"1, 2"}, "within a block values are joined"),
    (CLOUDFLARE, b"/*\n X-A: 1\n/a\n x-a: 2", b"/a", {b"X-A": b"1, 2"}, "Cloudflare: across blocks too"),
    (NETLIFY, b"/*\n X-A: 1\n/a\n X-A: 2", b"/a", {b"X-A": b"2"}, "Netlify: the last block counts"),
    (EITHER, b"/*\n X-A: 1\n/a\n X-B: 2", b"/a", {b"X-A": b"1", b"X-B": b"2"}, "all blocks that match count"),
    (CLOUDFLARE, b"/*\n X-A: 1\n/a\n ! X-A", b"/a", {}, "Cloudflare: ! takes away what a block above set"),
    (CLOUDFLARE, b"/a\n ! X-A\n/*\n X-A: 1", b"/a", {b"X-A": b"1"}, "not what one below sets"),
    (CLOUDFLARE, b"/a\n ! Cache-Control", b"/a", {b"Cache-Control": None}, "and ours"),
    (CLOUDFLARE, b"/a\n ! X-A\n X-A: 2\n/*\n X-A: 1", b"/a", {b"X-A": b"2, 1"}, "what is set goes after what is taken"),
    (EITHER, b"/*\n Vary: Cookie", b"/", {b"Vary": b"Accept-Encoding, Cookie"}, "Vary is added to ours"),
    (
        EITHER,
        b"\xef\xbb\xbf# c\r\n/*\r\n\r\n  # d\r\n  X-A: 1\r\n",
        b"/",
        {b"X-A": b"1"},
        "comments, Windows line ends, mark",
    ),
    (
        EITHER,
        b"/*\n  Link: <https://a.example/>; rel=x",
        b"/",
        {b"Link": b"<https://a.example/>; rel=x"},
        "colons in values",
    ),
    (EITHER, b"/*\n  X-A: \xff", b"/", {b"X-A": b"\xff"}, "bytes beyond ASCII are sent as they are"),
    (EITHER, b"/c%C3%A9\n X-A: 1", "/cé".encode(), {b"X-A": b"1"}, "paths are compared decoded"),
]


@pytest.mark.parametrize(("dialect", "text", "path", "expected", "sentence"), CHANGES, ids=[row[4] for row in CHANGES])
def test_fields(dialect: Dialect, text: bytes, path: bytes, expected: dict[bytes, bytes | None], sentence: str) -> None:
    wanted = {name: value for name, value in (KEPT | expected).items() if value is not None}
    assert fields_at(path, text, dialect) == wanted


def test_cookies_are_lines_of_their_own() -> None:
    rules, _ = parse_headers(b"/*\n Set-Cookie: a=1\n Set-Cookie: b=2", "_headers", EITHER)
    assert FieldBook(rules, True).changes(b"/").added == ((b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2"))


# dialect, lines, the line and the sentence
MISTAKES = [
    (EITHER, b"X-B: 1", 3, "there is no path above this line"),
    (EITHER, b"/a\n X-B", 4, "the line is not a header (Name: value)"),
    (EITHER, b"/a\n X-B:", 4, "the line is not a header (Name: value)"),
    (EITHER, b"/a\n X B: 1", 4, "X B is not a valid header name"),
    (EITHER, b"/a\n X-B: a\0b", 4, "the value of X-B has a control character"),
    (EITHER, b"/a\n ! Date", 4, "Date can only be set by the server"),
    (EITHER, b"/a\n ! Content-Type", 4, "Content-Type cannot be removed: browsers would guess it"),
    (NETLIFY, b"/a\n ! X-B", 4, "the line is not a header (Name: value)"),
    (
        EITHER,
        b"/a\n Basic-Auth: u:p",
        4,
        "Basic-Auth is a Netlify service; it protects nothing here",
    ),
    (
        EITHER,
        b"/a\n Content-Encoding: exi",
        4,
        "exi is not a coding of stored files; expected one of gzip, br, zstd, deflate",
    ),
    (
        EITHER,
        b"https://h.example/*\n X-B: 1",
        3,
        "https://h.example/* is for one host, but rules here apply to all hosts",
    ),
    (CLOUDFLARE, b"/*/*\n X-B: 1", 3, "/*/* has more than one splat"),
    (CLOUDFLARE, b"/a\n X-B: " + b"b" * 2000, 4, "the line is longer than the 2000 bytes that Cloudflare Pages reads"),
]


@pytest.mark.parametrize(("dialect", "lines", "number", "text"), MISTAKES, ids=[row[3] for row in MISTAKES])
def test_a_mistake_is_reported_with_its_line_and_the_other_rules_apply(
    dialect: Dialect, lines: bytes, number: int, text: str
) -> None:
    content = b"# a file\n\n" + lines + b"\n/*\n X-A: 1"
    rules, problems = parse_headers(content, "_headers", dialect)
    assert [str(problem) for problem in problems] == [f"_headers:{number}: {text}"]
    assert FieldBook(rules, True).changes(b"/a").added == ((b"X-A", b"1"),)


def test_a_block_without_fields_is_reported() -> None:
    rules, problems = parse_headers(b"/a\n/b\n X-A: 1", "_headers", EITHER)
    assert ([rule.source.text for rule in rules], [str(problem) for problem in problems]) == (
        ["/b"],
        ["_headers:1: the block has no headers"],
    )


def test_cloudflare_reads_100_blocks() -> None:
    text = b"".join([b"/%d\n X-A: 1\n" % number for number in range(102)])
    rules, problems = parse_headers(text, "_headers", CLOUDFLARE)
    assert len(rules) == 100
    assert [problem.place.line for problem in problems] == [201, 203]


@pytest.mark.parametrize("name", sorted(PROTECTED))
def test_what_frames_or_describes_a_message_is_the_servers_alone(name: bytes) -> None:
    rules, problems = parse_headers(b"/*\n %b: 1\n ! %b" % (name.title(), name), "_headers", EITHER)
    assert (rules, len(problems)) == ([], 2)


# pattern, paths that it matches, paths that it does not
GLOBS = [
    (b"/*a*b", [b"/ab", b"/xaxb", b"/aab", b"/abb", b"/abab/b"], [b"/ba", b"/a", b"/b"]),
    (b"/*/img/*.png", [b"/x/img/y.png", b"/x/img/img/y.png", b"/x/img/a/b.png"], [b"/img/y.png", b"/x/img/y.jpg"]),
    (b"/**", [b"/", b"/a/b"], []),
    (b"/*.*/*/", [b"/a.b/c", b"/a.b.c/d/"], [b"/a.b"]),
]


@pytest.mark.parametrize(("pattern", "inside", "outside"), GLOBS, ids=[row[0].decode() for row in GLOBS])
def test_several_splats(pattern: bytes, inside: list[bytes], outside: list[bytes]) -> None:
    rules, problems = parse_headers(pattern + b"\n X-A: 1", "_headers", NETLIFY)
    assert not problems
    book = FieldBook(rules, False)
    assert [bool(book.changes(path).added) for path in (*inside, *outside)] == [True] * len(inside) + [False] * len(
        outside
    )


@pytest.mark.parametrize(
    "pattern",
    [b"/en/*/assets/*", b"/*/assets/*", b"/*/x/*/y/*", b"/*/", b"/*/*", b"/**", b"/*/:a/*", b"/:a/*/b/*", b"/*a*/*"],
)
def test_every_pattern_with_splats_can_be_used_beside_another(pattern: bytes) -> None:
    for dialect in (EITHER, NETLIFY):
        rules, problems = parse_headers(pattern + b"\n X-A: 1\n/b\n X-B: 1", "_headers", dialect)
        assert not problems
        book = FieldBook(rules, False)
        assert book.changes(b"/b").value(b"x-b") == b"1"
        assert book.changes(pattern.replace(b"*", b"z").replace(b":a", b"z")).value(b"x-a") == b"1"


@pytest.mark.parametrize(
    ("path", "matches"),
    [(b"/en/a/assets/b", True), (b"/en/a/b/assets", True), (b"/en/a/assetsb/assets/c", True), (b"/en/assets/b", False)],
)
def test_a_splat_at_the_end_is_optional_after_others(path: bytes, matches: bool) -> None:
    rules, _ = parse_headers(b"/en/*/assets/*\n X-A: 1", "_headers", EITHER)
    assert bool(FieldBook(rules, False).changes(path).added) is matches


@pytest.mark.parametrize("pattern", [b"/*a*a*a*a*a*a*a*b", b"/:a-:b-:c/x", b"/*a/:b/:c/x"])
def test_a_long_path_costs_steps_that_grow_with_its_length(pattern: bytes) -> None:
    dialect = NETLIFY if pattern.count(b"*") > 1 else CLOUDFLARE
    rules, problems = parse_headers(pattern + b"\n X-A: 1", "_headers", dialect)
    assert not problems
    costs = compile_expression(rules[0].source.expression).costs
    assert costs[-1] < 40 * LENGTHS[-1]
    book = FieldBook(rules, False)
    for path in (b"/" + b"a" * 4000, b"/" + b"a-" * 127 + b"/y", b"/" + b"a/" * 2000):
        assert not book.changes(path).added


@given(
    st.lists(st.sampled_from([b"/", b"*", b":a", b"! ", b"\n", b"X: ", b":", b"%41", b"%", b"\xff", b" ", b"#"])).map(
        b"".join
    )
)
def test_any_bytes_in_the_file_are_read_or_reported(content: bytes) -> None:
    for dialect in (EITHER, NETLIFY, CLOUDFLARE):
        rules, _ = parse_headers(content, "_headers", dialect)
        FieldBook(rules, dialect.joins_fields).changes(b"/a/b")
