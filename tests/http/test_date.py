"""HTTP-date: a row per rule of RFC 9110 §5.6.7, and the standard library as the oracle."""

import calendar
import datetime
import email.utils

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastfile.http.date import make_httpdate, maybe_httpdate

NOW_S = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
RFC_EXAMPLE_S = 784111777
ANY_TIME_S = st.integers(-62167219200, 253402300799)


def seconds(*civil: int) -> int:
    return calendar.timegm((*civil, 0, 0, 0)[:9])


VALID = [
    pytest.param(b"Sun, 06 Nov 1994 08:49:37 GMT", RFC_EXAMPLE_S, id="the IMF-fixdate is read"),
    pytest.param(b"Sunday, 06-Nov-94 08:49:37 GMT", RFC_EXAMPLE_S, id="the rfc850 form is read"),
    pytest.param(b"Sun Nov  6 08:49:37 1994", RFC_EXAMPLE_S, id="the asctime form is read, its day padded by a space"),
    pytest.param(b"Sun Nov 06 08:49:37 1994", RFC_EXAMPLE_S, id="an asctime day may have two digits below ten"),
    pytest.param(b"Wed Nov 16 08:49:37 1994", seconds(1994, 11, 16, 8, 49, 37), id="an asctime day of two digits"),
    pytest.param(b"Mon, 06 Nov 1994 08:49:37 GMT", RFC_EXAMPLE_S, id="a day name that is not the date's is tolerated"),
    pytest.param(b"Sat, 31 Dec 2016 23:59:60 GMT", seconds(2017, 1, 1, 0, 0, 0), id="second 60 is a leap second"),
    pytest.param(b"Thu, 29 Feb 2024 00:00:00 GMT", seconds(2024, 2, 29, 0, 0, 0), id="a leap day is a day"),
    pytest.param(b"Tue, 29 Feb 2000 00:00:00 GMT", seconds(2000, 2, 29, 0, 0, 0), id="2000 is a leap year"),
    pytest.param(b"Thu, 01 Jan 1970 00:00:00 GMT", 0, id="the epoch is 0"),
    pytest.param(b"Wed, 31 Dec 1969 23:59:59 GMT", -1, id="before the epoch is negative"),
    pytest.param(b"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799, id="the last date of four digits is read"),
]


@pytest.mark.parametrize(("value", "expected"), VALID)
def test_a_valid_date_is_read(value: bytes, expected: int) -> None:
    assert maybe_httpdate(value, NOW_S) == expected


INVALID = [
    pytest.param(b"", id="an empty value"),
    pytest.param(b"0", id="a number"),
    pytest.param(b"yesterday", id="a word"),
    pytest.param(b"Sun, 06 Nov 1994 08:49:37", id="no zone"),
    pytest.param(b"Sun, 06 Nov 1994 08:49:37 UTC", id="another zone"),
    pytest.param(b"Sun, 06 Nov 1994 08:49:37 gmt", id="GMT in lower case: HTTP-date is case-sensitive"),
    pytest.param(b"sun, 06 Nov 1994 08:49:37 GMT", id="a day name in lower case"),
    pytest.param(b"Sun, 06 NOV 1994 08:49:37 GMT", id="a month in upper case"),
    pytest.param(b"Xyz, 06 Nov 1994 08:49:37 GMT", id="no day name"),
    pytest.param(b"Sun, 06 Nix 1994 08:49:37 GMT", id="no month name"),
    pytest.param(b"Sun, 6 Nov 1994 08:49:37 GMT", id="a day of one digit"),
    pytest.param(b"Sun,  6 Nov 1994 08:49:37 GMT", id="a day padded by a space outside asctime"),
    pytest.param(b"Sun, 00 Nov 1994 08:49:37 GMT", id="day 0"),
    pytest.param(b"Sun, 31 Nov 1994 08:49:37 GMT", id="a day that its month does not have"),
    pytest.param(b"Tue, 29 Feb 2023 08:49:37 GMT", id="29 February of a common year"),
    pytest.param(b"Thu, 29 Feb 1900 08:49:37 GMT", id="1900 was a common year"),
    pytest.param(b"Sun, 06 Nov 1994 24:00:00 GMT", id="hour 24"),
    pytest.param(b"Sun, 06 Nov 1994 08:60:00 GMT", id="minute 60"),
    pytest.param(b"Sun, 06 Nov 1994 08:49:61 GMT", id="second 61"),
    pytest.param(b"Sun, 06 Nov 1994 +8:49:37 GMT", id="a sign"),
    pytest.param(b"Sun, 06 Nov 1994 08-49-37 GMT", id="no colons in the time"),
    pytest.param(b"Sun, 06-Nov-1994 08:49:37 GMT", id="dashes in an IMF-fixdate"),
    pytest.param(b"Sun, 06 Nov  994 08:49:37 GMT", id="a year of three digits"),
    pytest.param(b"Sun, 06 Nov 1994 08:49:37 GMT; length=5", id="a parameter after it, as old browsers sent"),
    pytest.param(b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", id="two members"),
    pytest.param(b" Sun, 06 Nov 1994 08:49:37 GMT", id="a space before it"),
    pytest.param(b"Sun, 06\tNov 1994 08:49:37 GMT", id="a tab inside"),
    pytest.param(b"Sun, 06-Nov-94 08:49:37 GMT", id="a short day name in rfc850"),
    pytest.param(b"Sunday, 06-Nov-1994 08:49:37 GMT", id="a year of four digits in rfc850"),
    pytest.param(b"Sunday, 06 Nov 94 08:49:37 GMT", id="spaces in rfc850"),
    pytest.param(b"Sunday, 31-Nov-94 08:49:37 GMT", id="a day that its month does not have in rfc850"),
    pytest.param(b"Sunday Nov  6 08:49:37 1994", id="a long day name in asctime"),
    pytest.param(b"Xyz Nov  6 08:49:37 1994", id="no day name in asctime"),
    pytest.param(b"Sun Nov  6 08:49:37 19945", id="a year of five digits in asctime"),
    pytest.param(b"Sun Nov 6 08:49:37 1994", id="an unpadded day in asctime"),
    pytest.param(b"Sun Nov  6 08:49:37 1994 GMT", id="a zone in asctime"),
    pytest.param("Sun, 06 Nov ١٩٩٤ 08:49:37 GMT".encode(), id="digits of another script"),
]


@pytest.mark.parametrize("value", INVALID)
def test_an_invalid_date_is_none(value: bytes) -> None:
    assert maybe_httpdate(value, NOW_S) is None


@pytest.mark.parametrize("year", [1900, 2000, 2023, 2024])
@pytest.mark.parametrize("month", range(1, 13))
def test_a_month_has_its_days_and_no_more(year: int, month: int) -> None:
    days = calendar.monthrange(year, month)[1]
    name = calendar.month_abbr[month].encode()
    last = maybe_httpdate(b"Sun, %d %b %d 00:00:00 GMT" % (days, name, year), NOW_S)
    assert last == seconds(year, month, days, 0, 0, 0)
    assert maybe_httpdate(b"Sun, %d %b %d 00:00:00 GMT" % (days + 1, name, year), NOW_S) is None


TWO_DIGITS = [
    pytest.param(b"Monday, 13-Nov-73 22:13:20 GMT", seconds(2073, 11, 13, 22, 13, 20), id="50 years less a day ahead"),
    pytest.param(b"Tuesday, 14-Nov-73 22:13:20 GMT", seconds(2073, 11, 14, 22, 13, 20), id="50 years ahead is future"),
    pytest.param(b"Tuesday, 14-Nov-73 22:13:21 GMT", seconds(1973, 11, 14, 22, 13, 21), id="a second more is past"),
    pytest.param(b"Monday, 01-Jan-74 00:00:00 GMT", seconds(1974, 1, 1, 0, 0, 0), id="51 years ahead is past"),
    pytest.param(b"Saturday, 01-Jan-00 00:00:00 GMT", seconds(2000, 1, 1, 0, 0, 0), id="00 is this century"),
    pytest.param(b"Friday, 31-Dec-99 23:59:59 GMT", seconds(1999, 12, 31, 23, 59, 59), id="99 is the last century"),
    pytest.param(b"Tuesday, 29-Feb-00 00:00:00 GMT", seconds(2000, 2, 29, 0, 0, 0), id="a leap day of 2000"),
]


@pytest.mark.parametrize(("value", "expected"), TWO_DIGITS)
def test_a_two_digit_year_more_than_50_years_ahead_is_the_most_recent_past_one(value: bytes, expected: int) -> None:
    assert maybe_httpdate(value, NOW_S) == expected


def test_a_two_digit_year_crosses_the_century_with_the_clock() -> None:
    now_s = seconds(2098, 6, 1, 0, 0, 0)
    assert maybe_httpdate(b"Monday, 01-Jan-05 00:00:00 GMT", now_s) == seconds(2105, 1, 1, 0, 0, 0)


@given(ANY_TIME_S)
@example(-62167219200)
@example(253402300799)
def test_what_is_made_is_read_back(time_s: int) -> None:
    assert maybe_httpdate(make_httpdate(time_s), NOW_S) == time_s


@given(st.integers(-62135596800, 253402300799))  # the range of datetime: from year 1
def test_it_is_what_the_standard_library_makes(time_s: int) -> None:
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=time_s)
    assert make_httpdate(time_s) == email.utils.format_datetime(moment, usegmt=True).encode()


@given(ANY_TIME_S)
def test_asctime_is_read_as_the_imf_fixdate(time_s: int) -> None:
    name, day, month, year, clock, _ = make_httpdate(time_s).split(b" ")
    spaced = day.lstrip(b"0").rjust(2)
    assert maybe_httpdate(b" ".join([name[:3], month, spaced, clock, year]), NOW_S) == time_s


@given(st.integers(NOW_S - 49 * 31557600, NOW_S + 49 * 31557600))
def test_rfc850_is_read_as_the_imf_fixdate(time_s: int) -> None:
    _, day, month, year, clock, _ = make_httpdate(time_s).split(b" ")
    assert maybe_httpdate(b"Monday, %b-%b-%b %b GMT" % (day, month, year[2:], clock), NOW_S) == time_s


@pytest.mark.parametrize("time_s", [-(10**30), -62167219201, 253402300800, 10**30])
def test_times_that_four_digits_of_year_cannot_say_are_clamped(time_s: int) -> None:
    expected = b"Sat, 01 Jan 0000 00:00:00 GMT" if time_s < 0 else b"Fri, 31 Dec 9999 23:59:59 GMT"
    assert make_httpdate(time_s) == expected


@given(st.binary(max_size=40), st.integers(-(10**12), 10**12))
def test_any_bytes_are_a_date_or_none(value: bytes, now_s: int) -> None:
    assert isinstance(maybe_httpdate(value, now_s), int | None)
