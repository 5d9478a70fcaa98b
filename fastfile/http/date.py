"""HTTP-date (RFC 9110 §5.6.7): seconds since the epoch to bytes and back.

Own arithmetic on the proleptic Gregorian calendar: no locale, no time zone, no clock. Dates that cannot be read are
None, because every field that holds a date is ignored when the date is invalid (§13.1.3, §13.1.4).
"""

from __future__ import annotations

from functools import lru_cache

from fastfile.records import NamedTuple

_DAY_NAMES = (b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed")  # day 0 of the epoch was a Thursday
_LONG_DAY_NAMES = (b"Thursday", b"Friday", b"Saturday", b"Sunday", b"Monday", b"Tuesday", b"Wednesday")
_MONTH_NAMES = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}  # case-sensitive (§5.6.7)
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

# The range of four-digit years: 0000-01-01 to 9999-12-31. A file system can return an mtime outside of it.
_EARLIEST_S = -62167219200
_LATEST_S = 253402300799
# Days and minutes that are cached: the files of a site are from few.
MAX_DAYS = 64
MAX_MINUTES = 256
_ENDS = tuple(b"%02d GMT" % second for second in range(60))


class _Civil(NamedTuple):
    """A moment as its parts, in order of comparison."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int


def make_httpdate(time_s: int) -> bytes:
    """Return the IMF-fixdate of a time in seconds since the epoch, clamped to four-digit years."""
    if not _EARLIEST_S <= time_s <= _LATEST_S:
        time_s = min(max(time_s, _EARLIEST_S), _LATEST_S)
    return _make_minute(time_s // 60) + _ENDS[time_s % 60]


@lru_cache(MAX_MINUTES)
def _make_minute(minutes: int) -> bytes:
    """Return an IMF-fixdate up to its seconds, for minutes since the epoch."""
    days, minutes = divmod(minutes, 1440)
    return b"%b %02d:%02d:" % (_make_day(days), minutes // 60, minutes % 60)


@lru_cache(MAX_DAYS)
def _make_day(days: int) -> bytes:
    """Return the beginning of an IMF-fixdate, for days since the epoch."""
    year, month, day, *_ = _civil_of(days * 86400)
    return b"%b, %02d %b %04d" % (_DAY_NAMES[days % 7], day, _MONTH_NAMES[month - 1], year)


def maybe_httpdate(value: bytes, now_s: int) -> int | None:
    """Return the time of an HTTP-date in any of its three forms, in seconds since the epoch; None if it is invalid.

    ``now_s`` places the two-digit year of the rfc850 form. A day name must be one of the seven, but it may be wrong for
    the date: it is redundant, §5.6.7 encourages robust parsing, and nginx, httpd and Go accept it.
    """
    if len(value) == 29 and value[3:5] == b", ":
        civil = _maybe_imf_fixdate(value)
    elif value.endswith(b" GMT"):
        civil = _maybe_rfc850_date(value, now_s)
    else:
        civil = _maybe_asctime_date(value)
    return None if civil is None else _seconds_of(civil)


def _maybe_imf_fixdate(value: bytes) -> _Civil | None:
    """Read ``Sun, 06 Nov 1994 08:49:37 GMT``; the caller has checked the length."""
    if value[:3] not in _DAY_NAMES or value[7:8] != b" " or value[11:12] != b" " or value[16:17] != b" ":
        return None
    if value[25:] != b" GMT":
        return None
    return _maybe_civil(value[12:16], value[8:11], value[5:7], value[17:25])


def _maybe_rfc850_date(value: bytes, now_s: int) -> _Civil | None:
    """Read ``Sunday, 06-Nov-94 08:49:37 GMT``."""
    name, comma, rest = value.partition(b", ")
    if not comma or name not in _LONG_DAY_NAMES or len(rest) != 22:
        return None
    if rest[2:3] != b"-" or rest[6:7] != b"-" or rest[9:10] != b" " or not rest[7:9].isdigit():
        return None
    # §5.6.7: more than 50 years in the future means the most recent past year with these two digits. So it is the
    # latest year with them that is not more than 50 years ahead, to the second.
    now = _civil_of(now_s)
    latest = now.year + 50
    year = latest - (latest - int(rest[7:9])) % 100
    civil = _maybe_civil(b"%04d" % year, rest[3:6], rest[:2], rest[10:18])
    if year < latest or (civil is not None and civil <= now._replace(year=latest)):
        return civil
    return _maybe_civil(b"%04d" % (year - 100), rest[3:6], rest[:2], rest[10:18])


def _maybe_asctime_date(value: bytes) -> _Civil | None:
    """Read ``Sun Nov  6 08:49:37 1994``: a day below ten is padded with a space (or written with two digits)."""
    if len(value) != 24 or value[:3] not in _DAY_NAMES:
        return None
    if value[3:4] != b" " or value[7:8] != b" " or value[10:11] != b" " or value[19:20] != b" ":
        return None
    day = b"0" + value[9:10] if value[8:9] == b" " else value[8:10]
    return _maybe_civil(value[20:24], value[4:7], day, value[11:19])


def _maybe_civil(year: bytes, month: bytes, day: bytes, clock: bytes) -> _Civil | None:
    """Return the parts as numbers; None if one is not a number or out of bounds. ``clock`` is eight bytes."""
    hour, minute, second = clock[:2], clock[3:5], clock[6:]
    if clock[2:3] != b":" or clock[5:6] != b":" or not (year + day + hour + minute + second).isdigit():
        return None
    civil = _Civil(int(year), _MONTHS.get(month, 0), int(day), int(hour), int(minute), int(second))
    if not civil.month or not 1 <= civil.day <= _days_in_month(civil.year, civil.month):
        return None
    # §5.6.7 allows second 60 for a leap second; it counts as the first second of the next minute.
    if civil.hour > 23 or civil.minute > 59 or civil.second > 60:
        return None
    return civil


def _days_in_month(year: int, month: int) -> int:
    if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
        return 29
    return _MONTH_DAYS[month - 1]


# The two below count years from March, so that the leap day is the last of its year, and days from 0000-03-01, which
# is 719468 days before the epoch; 146097 days make a cycle of 400 years. (H. Hinnant, "chrono-Compatible Low-Level
# Date Algorithms".)


def _civil_of(time_s: int) -> _Civil:
    days, rest = divmod(time_s, 86400)
    cycle, cycle_day = divmod(days + 719468, 146097)
    cycle_year = (cycle_day - cycle_day // 1460 + cycle_day // 36524 - cycle_day // 146096) // 365
    year_day = cycle_day - (365 * cycle_year + cycle_year // 4 - cycle_year // 100)
    march_month = (5 * year_day + 2) // 153
    day = year_day - (153 * march_month + 2) // 5 + 1
    month = march_month + 3 if march_month < 10 else march_month - 9
    year = cycle_year + 400 * cycle + (month <= 2)
    return _Civil(year, month, day, rest // 3600, rest // 60 % 60, rest % 60)


def _seconds_of(civil: _Civil) -> int:
    year = civil.year - (civil.month <= 2)
    cycle, cycle_year = divmod(year, 400)
    march_month = (civil.month + 9) % 12
    year_day = (153 * march_month + 2) // 5 + civil.day - 1
    cycle_day = cycle_year * 365 + cycle_year // 4 - cycle_year // 100 + year_day
    days = cycle * 146097 + cycle_day - 719468
    return days * 86400 + civil.hour * 3600 + civil.minute * 60 + civil.second
