"""Byte ranges: RFC 9110 §14, a row per rule, and sets of byte positions as the oracle."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfile.http.ranges import (
    ALLOWANCE,
    PART_OVERHEAD,
    make_closing_delimiter,
    make_multipart_type,
    make_part_heads,
    make_unsatisfied_range,
    parse_range,
)

SIZE = 100

SATISFIABLE = [
    pytest.param(b"bytes=0-0", [(0, 1)], id="the first byte"),
    pytest.param(b"bytes=0-9", [(0, 10)], id="positions are inclusive"),
    pytest.param(b"bytes=99-99", [(99, 100)], id="the last byte"),
    pytest.param(b"bytes=10-", [(10, 100)], id="an open range goes to the end"),
    pytest.param(b"bytes=0-", [(0, 100)], id="the whole is a range as well"),
    pytest.param(b"bytes=-5", [(95, 100)], id="a suffix is counted from the end"),
    pytest.param(b"bytes=-100", [(0, 100)], id="a suffix of the whole"),
    pytest.param(b"bytes=-1000", [(0, 100)], id="a suffix that is longer than the whole is the whole"),
    pytest.param(b"bytes=90-1000", [(90, 100)], id="a last position beyond the end is the end"),
    pytest.param(b"BYTES=0-0", [(0, 1)], id="units are case-insensitive"),
    pytest.param(b"bytes=000-0009", [(0, 10)], id="zeros in front count for nothing"),
    pytest.param(b"bytes=0-" + b"9" * 900, [(0, 100)], id="a position of any length is read"),
    pytest.param(b"bytes=0-" + b"9" * 8000, [(0, 100)], id="a position of thousands of digits is read"),
    pytest.param(b"bytes=-" + b"9" * 900, [(0, 100)], id="a suffix of any length is read"),
    pytest.param(b"bytes=0-1,4-5", [(0, 2), (4, 6)], id="several ranges"),
    pytest.param(b"bytes=4-5 ,\t0-1", [(4, 6), (0, 2)], id="in the order asked, white space around commas"),
    pytest.param(b"bytes=,,0-1, ,4-5,", [(0, 2), (4, 6)], id="empty elements are allowed"),
    pytest.param(b"bytes=0-1,200-300", [(0, 2)], id="unsatisfiable ones are left out"),
    pytest.param(b"bytes=0-1,-0", [(0, 2)], id="so is a suffix of none"),
    pytest.param(b"bytes=0-9,5-14", [(0, 15)], id="overlapping ones are one"),
    pytest.param(b"bytes=0-9,10-19", [(0, 20)], id="adjacent ones are one"),
    pytest.param(b"bytes=0-9,11-19", [(0, 10), (11, 20)], id="a gap of one byte separates"),
    pytest.param(b"bytes=0-49,10-19", [(0, 50)], id="one within another is the other"),
    pytest.param(b"bytes=7-7,7-7", [(7, 8)], id="the same one twice is one"),
    pytest.param(b"bytes=50-59,0-9,60-69", [(50, 70), (0, 10)], id="merged ones stand where the first was asked"),
    pytest.param(b"bytes=60-69,0-9,50-59", [(50, 70), (0, 10)], id="also when the first asked is the later part"),
    pytest.param(b"bytes=0-9,10-19,20-29,30-39", [(0, 40)], id="any number of adjacent ones is harmless"),
    pytest.param(b"bytes=" + b",".join(b"%d-%d" % (i * 2, i * 2) for i in range(16)),
                 [(i * 2, i * 2 + 1) for i in range(16)], id="16 parts are at the limit"),
    pytest.param(b"bytes=" + b",".join(b"%d-%d" % (i, i) for i in range(17)), [(0, 17)], id="merged ones are one part"),
    pytest.param(b"bytes=" + b"," * 32 + b"0-1", [(0, 2)], id="twice as many elements as parts are at the limit"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), SATISFIABLE)
def test_satisfiable_ranges_are_sent(value: bytes, expected: list[tuple[int, int]]) -> None:
    assert parse_range(value, SIZE, 16) == tuple(expected)


UNSATISFIABLE = [
    pytest.param(b"bytes=100-", id="a start at the end"),
    pytest.param(b"bytes=100-200", id="a start beyond the end"),
    pytest.param(b"bytes=-0", id="a suffix of none"),
    pytest.param(b"bytes=100-,200-300,-0", id="several, none satisfiable"),
    pytest.param(b"bytes=" + b"9" * 900 + b"-", id="a start of any length"),
    pytest.param(b"bytes=" + b"9" * 8000 + b"-" + b"0" * 9 + b"9" * 8000, id="both ends of any length"),
]


@pytest.mark.parametrize("value", UNSATISFIABLE)
def test_unsatisfiable_ranges_are_a_416(value: bytes) -> None:
    assert parse_range(value, SIZE, 16) == ()


IGNORED = [
    pytest.param(b"", id="an empty value"),
    pytest.param(b"bytes", id="a unit alone"),
    pytest.param(b"bytes=", id="no range"),
    pytest.param(b"bytes=,", id="empty elements alone"),
    pytest.param(b"bytes=-", id="a dash alone"),
    pytest.param(b"bytes=5", id="no dash"),
    pytest.param(b"bytes=5-3", id="last before first"),
    pytest.param(b"bytes=0-1,5-3", id="one invalid range makes all invalid"),
    pytest.param(b"bytes=200-100", id="last before first beyond the end"),
    pytest.param(b"bytes=" + b"9" * 400 + b"-" + b"9" * 399, id="last before first in any length"),
    pytest.param(b"bytes=0-1,a-b", id="letters"),
    pytest.param(b"bytes=+0-1", id="a plus sign"),
    pytest.param(b"bytes=0--1", id="two dashes"),
    pytest.param(b"bytes=--1", id="a negative suffix"),
    pytest.param(b"bytes=0-1-2", id="three positions"),
    pytest.param(b"bytes=0x0-0x1", id="hexadecimal digits"),
    pytest.param(b"bytes=1_0-2_0", id="digits as Python groups them"),
    pytest.param(b"bytes=0-1;4-5", id="a semicolon"),
    pytest.param(b"bytes=0 - 1", id="white space inside a range"),
    pytest.param(b"bytes= 0-1", id="white space after the equals sign"),
    pytest.param(b"bytes =0-1", id="white space before the equals sign"),
    pytest.param(b"bytes:0-1", id="no equals sign"),
    pytest.param(b"bytes 0-1/100", id="a Content-Range"),
    pytest.param(b"items=0-1", id="another unit"),
    pytest.param(b"none", id="the unit none"),
    pytest.param(b"bytes=0-1, bytes=4-5", id="two fields joined"),
    pytest.param(b'bytes="0-1"', id="a quoted range"),
    pytest.param("bytes=\u0660-\u0661".encode(), id="digits of another script"),
    pytest.param(b"bytes=0-9,5-14,10-19", id="more than two overlapping ranges"),
    pytest.param(b"bytes=0-,0-,0-", id="the whole three times"),
    pytest.param(b"bytes=0-9,5-14,50-59,55-64", id="two pairs of overlapping ranges"),
    pytest.param(b"bytes=" + b",".join(b"%d-%d" % (i * 2, i * 2) for i in range(17)), id="17 parts"),
    pytest.param(b"bytes=" + b"," * 33 + b"0-1", id="more than twice as many elements as parts"),
    pytest.param(b"bytes=" + b"9" * 8001 + b"-" + b"9" * 8000, id="last before first in thousands of digits"),
]


@pytest.mark.parametrize("value", IGNORED)
def test_malformed_and_greedy_fields_are_ignored(value: bytes) -> None:
    assert parse_range(value, SIZE, 16) is None


def test_parts_that_are_longer_than_the_whole_with_their_heads_are_ignored() -> None:
    """A thousand heads for a thousand bytes of a small file are no saving, but an amplification."""
    size = 100_000
    count = (size + ALLOWANCE) // (PART_OVERHEAD + 1)
    at_the_limit, above = (
        parse_range(b"bytes=" + b",".join([b"%d-%d" % (i * 9, i * 9) for i in range(n)]), size, 1000)
        for n in (count, count + 1)
    )
    assert at_the_limit is not None
    assert len(at_the_limit) == count
    assert above is None


def test_positions_beyond_32_and_64_bits_are_exact() -> None:
    size = 5 << 30
    assert parse_range(b"bytes=4294967296-4294967297", size, 16) == ((1 << 32, (1 << 32) + 2),)
    assert parse_range(b"bytes=-1", size, 16) == ((size - 1, size),)
    assert parse_range(b"bytes=18446744073709551616-", size, 16) == ()
    assert parse_range(b"bytes=0-18446744073709551615", size, 16) == ((0, size),)
    assert parse_range(b"bytes=18446744073709551616-18446744073709551617", size, 16) == ()
    assert parse_range(b"bytes=18446744073709551617-18446744073709551616", size, 16) is None
    assert parse_range(b"bytes=0-0,9999999999999999999-99999999999999999999", size, 16) == ((0, 1),)


SPECS = st.tuples(st.integers(0, 40) | st.none(), st.integers(0, 40) | st.none()).filter(
    lambda spec: spec != (None, None) and not (None not in spec and spec[0] > spec[1])
)


@given(st.lists(SPECS, min_size=1, max_size=12), st.integers(0, 35))
def test_the_parts_hold_just_the_positions_that_were_asked(
    specs: list[tuple[int | None, int | None]], size: int
) -> None:
    asked = []
    for first, last in specs:
        if first is None:
            asked.append(set(range(size)[size - min(last or 0, size) :]))
        else:
            asked.append(set(range(first, size if last is None else min(last + 1, size))))
    text = [b"%b-%b" % tuple(b"" if end is None else b"%d" % end for end in spec) for spec in specs]
    parts = parse_range(b"bytes=" + b", ".join(text), size, 4)
    union = set().union(*asked)
    islands = sum(position - 1 not in union for position in union)
    overlapping = [one for one in asked if one and any(one & other for other in asked if other is not one)]
    if parts is None:
        assert islands > 4 or len(overlapping) > 2 or len(specs) > 9
        return
    assert islands == len(parts)
    assert len(overlapping) <= 2
    positions = [position for start, stop in parts for position in range(start, stop)]
    assert len(positions) == len(set(positions))
    assert set(positions) == union
    # The first part is for the first satisfiable range, and so on.
    order = [next(i for i, one in enumerate(asked) if one and one <= set(range(*part))) for part in parts]
    assert order == sorted(order)


@given(st.binary(max_size=40) | st.text(alphabet="0129-, \t", max_size=30).map(lambda s: b"bytes=" + s.encode()))
def test_any_bytes_give_ranges_inside_the_size_or_none(value: bytes) -> None:
    for start, stop in parse_range(value, SIZE, 16) or ():
        assert 0 <= start < stop <= SIZE


def test_a_range_bomb_costs_no_time() -> None:
    bombs = [
        b"bytes=" + b"0-," * 10_000,
        b"bytes=" + b"0-," * 1000,
        b"bytes=" + b",".join([b"0-0"] * 250),
        b"bytes=" + b"9" * 1000 + b"-",
    ]
    start = time.process_time()
    for bomb in bombs * 100:
        parse_range(bomb, 1 << 40, 16)
    assert time.process_time() - start < 2  # 400 of them; about 200 ms are usual


def test_an_unsatisfied_range_names_the_size() -> None:
    assert make_unsatisfied_range(100) == b"bytes */100"


def test_a_multipart_content_is_framed_by_its_boundary() -> None:
    content = bytes(range(100))
    ranges = ((0, 2), (50, 55))
    heads = make_part_heads(ranges, 100, b"text/plain; charset=utf-8", b"BOUNDARY")
    body = b"".join(head + content[start:stop] for head, (start, stop) in zip(heads, ranges, strict=True))
    body += make_closing_delimiter(b"BOUNDARY")
    assert make_multipart_type(b"BOUNDARY") == b"multipart/byteranges; boundary=BOUNDARY"
    assert body == (
        b"\r\n--BOUNDARY\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/100\r\n\r\n\x00\x01"
        b"\r\n--BOUNDARY\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 50-54/100\r\n\r\n23456"
        b"\r\n--BOUNDARY--\r\n"
    )
