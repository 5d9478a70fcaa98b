"""Preconditions: RFC 9110 §13, a row per sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfile.http.conditional import (
    LIST_LIMIT,
    Precondition,
    check_preconditions,
    if_range_matches,
    maybe_entity_tags,
)
from fastfile.http.date import make_httpdate
from fastfile.message import RequestHead

PROCEED, NOT_MODIFIED, FAILED = Precondition.PROCEED, Precondition.NOT_MODIFIED, Precondition.FAILED

MTIME_S = 1_600_000_000
NOW_S = 1_700_000_000
ETAG = b'"abc"'
SAME = make_httpdate(MTIME_S)
BEFORE = make_httpdate(MTIME_S - 1)
AFTER = make_httpdate(MTIME_S + 1)
FUTURE = make_httpdate(NOW_S + 86400)
RFC850 = b"Sunday, 13-Sep-20 12:26:40 GMT"
ASCTIME = b"Sun Sep 13 12:26:40 2020"


def outcome(method: bytes = b"GET", etag: bytes = ETAG, mtime_s: int | None = MTIME_S, **fields: bytes) -> Precondition:
    head = RequestHead(method, b"/", 1, 0, **fields)
    return check_preconditions(head, etag, mtime_s, NOW_S)


def test_an_outcome_is_named_by_its_status() -> None:
    assert (NOT_MODIFIED.value, FAILED.value) == (304, 412)


IF_MATCH = [
    pytest.param(b'"abc"', PROCEED, id="a tag that matches holds"),
    pytest.param(b'"xyz"', FAILED, id="no tag that matches fails"),
    pytest.param(b'"xyz", "abc"', PROCEED, id="one of the tags is enough"),
    pytest.param(b'"x,y","abc"', PROCEED, id="a tag may hold a comma"),
    pytest.param(b'"x, "abc", y"', FAILED, id="a comma in a tag does not make a list"),
    pytest.param(b',, "xyz" ,\t,"abc",', PROCEED, id="empty elements are allowed"),
    pytest.param(b"*", PROCEED, id="an asterisk holds for what exists"),
    pytest.param(b'W/"abc"', FAILED, id="a weak tag never matches strongly"),
    pytest.param(b'"ABC"', FAILED, id="tags are case-sensitive"),
    pytest.param(b'"abc', FAILED, id="a tag without its end is malformed: nothing is named"),
    pytest.param(b"abc", FAILED, id="a tag without quotes is malformed"),
    pytest.param(b'"abc" "xyz"', FAILED, id="a list without commas is malformed"),
    pytest.param(b'"abc", *', FAILED, id="an asterisk in a list is malformed"),
    pytest.param(b"", FAILED, id="an empty list names nothing"),
]


@pytest.mark.parametrize(("value", "expected"), IF_MATCH)
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE"])
def test_if_match_by_strong_comparison(method: bytes, value: bytes, expected: Precondition) -> None:
    assert outcome(method, if_match=value) is expected


def test_if_match_never_matches_a_weak_current_tag() -> None:
    assert outcome(etag=b'W/"abc"', if_match=b'W/"abc"') is FAILED
    assert outcome(etag=b'W/"abc"', if_match=b'"abc"') is FAILED


IF_NONE_MATCH = [
    pytest.param(b'"abc"', NOT_MODIFIED, id="a tag that matches is a 304"),
    pytest.param(b'W/"abc"', NOT_MODIFIED, id="comparison is weak"),
    pytest.param(b'"xyz"', PROCEED, id="no tag that matches proceeds"),
    pytest.param(b'"xyz", W/"abc"', NOT_MODIFIED, id="one of the tags is enough"),
    pytest.param(b'"x,y" , "abc"', NOT_MODIFIED, id="a tag may hold a comma"),
    pytest.param(b'"x\\", "abc"', NOT_MODIFIED, id="a backslash in a tag escapes nothing"),
    pytest.param(b'"\xe9\xff", "abc"', NOT_MODIFIED, id="a tag may hold obs-text"),
    pytest.param(b'"", "abc"', NOT_MODIFIED, id="a tag may be empty"),
    pytest.param(b"*", NOT_MODIFIED, id="an asterisk matches what exists"),
    pytest.param(b'w/"abc"', PROCEED, id="W is case-sensitive"),
    pytest.param(b'W /"abc"', PROCEED, id="no white space in a weak tag"),
    pytest.param(b'"abc', PROCEED, id="a malformed tag matches nothing"),
    pytest.param(b"abc", PROCEED, id="a tag without quotes matches nothing"),
    pytest.param(b'"abc" "xyz"', PROCEED, id="a list without commas matches nothing"),
    pytest.param(b'"abc", *', PROCEED, id="an asterisk in a list is malformed"),
    pytest.param(b'" c", "abc"', PROCEED, id="also at its start"),
    pytest.param(b'"a c", "abc"', PROCEED, id="a space in a tag is malformed"),
    pytest.param(b"", PROCEED, id="an empty list matches nothing"),
    pytest.param(b'"abc"'.rjust(LIST_LIMIT, b","), NOT_MODIFIED, id="a list of the longest length"),
    pytest.param(b'"abc"'.rjust(LIST_LIMIT + 1, b","), PROCEED, id="a longer list matches nothing"),
]


@pytest.mark.parametrize(("value", "expected"), IF_NONE_MATCH)
def test_if_none_match_by_weak_comparison(value: bytes, expected: Precondition) -> None:
    assert outcome(b"GET", if_none_match=value) is expected
    assert outcome(b"HEAD", if_none_match=value) is expected
    # §13.1.2: 304 is for GET and HEAD, other methods get 412.
    assert outcome(b"PUT", if_none_match=value) is (FAILED if expected is NOT_MODIFIED else PROCEED)


def test_if_none_match_matches_a_weak_current_tag() -> None:
    assert outcome(etag=b'W/"abc"', if_none_match=b'"abc"') is NOT_MODIFIED
    assert outcome(etag=b'W/"abc"', if_none_match=b'"x", W/"abc"') is NOT_MODIFIED


IF_MODIFIED_SINCE = [
    pytest.param(SAME, NOT_MODIFIED, id="the same date is a 304"),
    pytest.param(AFTER, NOT_MODIFIED, id="a later date is a 304"),
    pytest.param(BEFORE, PROCEED, id="an earlier date proceeds"),
    pytest.param(FUTURE, NOT_MODIFIED, id="a date in the future is a date"),
    pytest.param(RFC850, NOT_MODIFIED, id="the rfc850 form is read"),
    pytest.param(ASCTIME, NOT_MODIFIED, id="the asctime form is read"),
    pytest.param(b"", PROCEED, id="an empty value is ignored"),
    pytest.param(b"tomorrow", PROCEED, id="an invalid date is ignored"),
    pytest.param(SAME[:-3] + b"CET", PROCEED, id="another zone is invalid"),
    pytest.param(SAME + b", " + SAME, PROCEED, id="more than one member is ignored"),
]


@pytest.mark.parametrize(("value", "expected"), IF_MODIFIED_SINCE)
def test_if_modified_since_in_whole_seconds(value: bytes, expected: Precondition) -> None:
    assert outcome(b"GET", if_modified_since=value) is expected
    assert outcome(b"HEAD", if_modified_since=value) is expected
    # §13.1.3: ignored when the method is neither GET nor HEAD.
    assert outcome(b"POST", if_modified_since=value) is PROCEED


IF_UNMODIFIED_SINCE = [
    pytest.param(SAME, PROCEED, id="the same date proceeds"),
    pytest.param(AFTER, PROCEED, id="a later date proceeds"),
    pytest.param(BEFORE, FAILED, id="an earlier date fails"),
    pytest.param(b"Sunday, 13-Sep-20 12:26:39 GMT", FAILED, id="the rfc850 form is read"),
    pytest.param(b"Sun Sep 13 12:26:39 2020", FAILED, id="the asctime form is read"),
    pytest.param(b"yesterday", PROCEED, id="an invalid date is ignored"),
    pytest.param(BEFORE + b", " + BEFORE, PROCEED, id="more than one member is ignored"),
]


@pytest.mark.parametrize(("value", "expected"), IF_UNMODIFIED_SINCE)
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE"])
def test_if_unmodified_since_in_whole_seconds(method: bytes, value: bytes, expected: Precondition) -> None:
    assert outcome(method, if_unmodified_since=value) is expected


ORDER = [
    pytest.param({}, PROCEED, id="without preconditions it proceeds"),
    pytest.param({"if_match": b'"abc"', "if_unmodified_since": BEFORE}, PROCEED, id="1 before 2: If-Match decides"),
    pytest.param({"if_match": b'"xyz"', "if_unmodified_since": AFTER}, FAILED, id="1 before 2: also when it fails"),
    pytest.param({"if_match": b'"xyz"', "if_none_match": b'"abc"'}, FAILED, id="1 before 3: 412 comes before 304"),
    pytest.param({"if_match": b'"abc"', "if_none_match": b'"abc"'}, NOT_MODIFIED, id="3 after 1 held"),
    pytest.param({"if_unmodified_since": BEFORE, "if_none_match": b'"abc"'}, FAILED, id="2 before 3"),
    pytest.param({"if_unmodified_since": AFTER, "if_none_match": b'"abc"'}, NOT_MODIFIED, id="3 after 2 held"),
    pytest.param(
        {"if_none_match": b'"xyz"', "if_modified_since": SAME}, PROCEED, id="3 before 4: the date is not read"
    ),
    pytest.param({"if_none_match": b"xyz", "if_modified_since": SAME}, PROCEED, id="3 before 4: also when malformed"),
    pytest.param({"if_none_match": b'"abc"', "if_modified_since": BEFORE}, NOT_MODIFIED, id="3 before 4: the tag wins"),
    pytest.param({"if_match": b'"abc"', "if_modified_since": SAME}, NOT_MODIFIED, id="4 after 1 held"),
    pytest.param({"range": b"bytes=0-0", "if_none_match": b'"abc"'}, NOT_MODIFIED, id="3 before 5: 304 before 206"),
]


@pytest.mark.parametrize(("fields", "expected"), ORDER)
def test_preconditions_are_evaluated_in_the_order_of_13_2_2(fields: dict[str, bytes], expected: Precondition) -> None:
    assert outcome(**fields) is expected


@pytest.mark.parametrize("method", [b"OPTIONS", b"TRACE", b"CONNECT"])
def test_methods_that_select_no_representation_ignore_them(method: bytes) -> None:
    assert outcome(method, if_match=b'"xyz"') is PROCEED
    assert outcome(method, if_none_match=b"*") is PROCEED


def test_dates_are_ignored_where_the_mtime_says_nothing() -> None:
    assert outcome(mtime_s=None, if_modified_since=FUTURE) is PROCEED
    assert outcome(mtime_s=None, if_unmodified_since=b"Thu, 01 Jan 1970 00:00:00 GMT") is PROCEED
    assert outcome(mtime_s=None, if_none_match=ETAG) is NOT_MODIFIED


IF_RANGE = [
    pytest.param(b'"abc"', True, id="the same strong tag"),
    pytest.param(b'"xyz"', False, id="another tag"),
    pytest.param(b'W/"abc"', False, id="a weak tag"),
    pytest.param(b'"abc", "abc"', False, id="a list"),
    pytest.param(b'"abc', False, id="a tag without its end"),
    pytest.param(b"*", False, id="an asterisk"),
    pytest.param(SAME, True, id="the exact date"),
    pytest.param(RFC850, True, id="the exact date as rfc850"),
    pytest.param(ASCTIME, True, id="the exact date as asctime"),
    pytest.param(AFTER, False, id="a later date: the match is exact"),
    pytest.param(BEFORE, False, id="an earlier date"),
    pytest.param(b"yesterday", False, id="an invalid date"),
    pytest.param(b"", False, id="an empty value"),
]


@pytest.mark.parametrize(("value", "expected"), IF_RANGE)
def test_if_range_by_strong_comparison(value: bytes, expected: bool) -> None:
    assert if_range_matches(value, ETAG, MTIME_S, NOW_S) is expected


def test_if_range_never_matches_a_weak_current_tag() -> None:
    assert not if_range_matches(b'W/"abc"', b'W/"abc"', MTIME_S, NOW_S)


def test_a_date_is_strong_once_its_second_is_over() -> None:
    assert not if_range_matches(SAME, ETAG, MTIME_S, MTIME_S)
    assert if_range_matches(SAME, ETAG, MTIME_S, MTIME_S + 1)
    assert not if_range_matches(SAME, ETAG, MTIME_S, MTIME_S - 1)
    assert not if_range_matches(SAME, ETAG, None, NOW_S)


TAGS = st.builds(
    lambda weak, opaque: b'%b"%b"' % (b"W/" if weak else b"", opaque),
    st.booleans(),
    st.binary(max_size=8).map(lambda raw: bytes(byte for byte in raw if byte > 0x20 and byte not in (0x22, 0x7F))),
)


@given(st.lists(TAGS, max_size=100), st.sampled_from([b",", b", ", b" ,\t", b",,", b", ,"]))
def test_a_list_of_tags_is_read_back(tags: list[bytes], separator: bytes) -> None:
    assert maybe_entity_tags(separator.join(tags)) == tags


@given(st.binary(max_size=30) | st.text(alphabet='W/"a, *', max_size=16).map(str.encode))
def test_a_conditional_request_has_one_outcome_for_any_bytes(value: bytes) -> None:
    assert outcome(if_match=value) in (PROCEED, FAILED)
    assert outcome(if_none_match=value) in (PROCEED, NOT_MODIFIED)
    assert outcome(if_modified_since=value, if_unmodified_since=value) is PROCEED
    assert if_range_matches(value, ETAG, MTIME_S, NOW_S) is (value == ETAG)
