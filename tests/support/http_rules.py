"""Properties of the functions of http/ for any input; the fuzzer and hypothesis try to break them.

A rule takes raw bytes, passes them to one function, and fails by assertion. An exception other than HTTPError is a
failure too. The oracles are regular expressions, sets and the standard library, slow and simple.
"""

from __future__ import annotations

import calendar
import ipaddress
import re
import time
from collections.abc import Callable

from support.checkout import CORPUS

from fastfile.errors import HTTPError
from fastfile.http.authority import check_host, is_address, is_loopback_host, parse_host
from fastfile.http.conditional import LIST_LIMIT, check_preconditions, maybe_entity_tags
from fastfile.http.date import make_httpdate, maybe_httpdate
from fastfile.http.negotiation import VALUE_LIMIT, preferred_codings, preferred_type
from fastfile.http.ranges import ALLOWANCE, PART_OVERHEAD, parse_range
from fastfile.http.target import PATH_LIMIT, SEGMENT_LIMIT, make_location, parse_target
from fastfile.message import RequestHead

NOW_S = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
ETAG = b'"a"'
MAX_RANGES = 4
AVAILABLE = (b"br", b"zstd", b"gzip")
OFFERED = (b"text/html", b"text/plain", b"application/json")

# A reference on this site: one slash, then nothing that could end a field, name a host or be taken for a backslash.
LOCATION = re.compile(rb"/(?!/)[0-9A-Za-z._~%/-]*(\?[!-~]*)?")
RANGE = re.compile(rb"[Bb][Yy][Tt][Ee][Ss]=(?![ \t])(.*)", re.DOTALL)
RANGE_SPEC = re.compile(rb"([0-9]*)-([0-9]*)")
TAG = rb'(?:W/)?"[!#-~\x80-\xff]*+"'
TAG_LIST = re.compile(rb"[ \t]*+(?:%b)?+[ \t]*+(?:,[ \t]*+(?:%b)?+[ \t]*+)*+" % (TAG, TAG))
WEIGHTED = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z/-]+)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?")
CLOCK = rb"([0-9]{2}):([0-9]{2}):([0-9]{2})"
MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
MONTH = b"(%b)" % b"|".join(MONTHS)
DAY_NAME = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
LONG_DAY_NAME = rb"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
IMF_FIXDATE = re.compile(DAY_NAME + rb", ([0-9]{2}) " + MONTH + rb" ([0-9]{4}) " + CLOCK + rb" GMT")
RFC850_DATE = re.compile(LONG_DAY_NAME + rb", ([0-9]{2})-" + MONTH + rb"-([0-9]{2}) " + CLOCK + rb" GMT")
ASCTIME_DATE = re.compile(DAY_NAME + b" " + MONTH + rb" ((?: |[0-9])[0-9]) " + CLOCK + rb" ([0-9]{4})")


def target_rule(data: bytes) -> None:
    """A path is confined, whatever the kernel would do with it; its location leads back to it and nowhere else."""
    try:
        target = parse_target(data)
    except HTTPError as error:
        assert error.status in (400, 404, 421)  # noqa: PT017 - not only pytest runs this
        return
    assert target.asterisk == (data == b"*")
    assert b"\0" not in target.path
    assert len(target.path) <= PATH_LIMIT
    for segment in target.path.split(b"/") if target.path else ():
        assert segment not in (b"", b".", b"..")
        assert len(segment) <= SEGMENT_LIMIT
    if target.asterisk:
        return
    location = make_location(target.path, target.query, target.is_directory)
    assert LOCATION.fullmatch(location), location
    again = parse_target(location)
    assert (again.path, again.is_directory) == (target.path, target.is_directory)
    assert make_location(again.path, again.query, again.is_directory) == location
    if target.authority is not None:
        parse_host(target.authority)


def range_rule(data: bytes) -> None:
    """The first byte is the size of the representation, the others are the field."""
    size, value = max(data[0], 1) if data else 1, data[1:]
    assert parse_range(value, size, MAX_RANGES) == naive_ranges(value, size)


def naive_ranges(value: bytes, size: int) -> tuple[tuple[int, int], ...] | None:
    """Return what parse_range should, by sets of bytes."""
    field = RANGE.fullmatch(value)
    if field is None or value.count(b",") > 2 * MAX_RANGES:
        return None
    specs = [spec.strip(b" \t") for spec in field[1].split(b",")]
    asked: list[set[int]] = []
    for spec in filter(None, specs):
        ends = RANGE_SPEC.fullmatch(spec)
        if ends is None or (not ends[1] and not ends[2]):
            return None
        first = int(ends[1]) if ends[1] else max(size - int(ends[2]), 0)
        last = int(ends[2]) if ends[1] and ends[2] else max(size - 1, first)
        if last < first:
            return None
        asked.append(set(range(first, min(last + 1, size))))
    if not asked:
        return None
    whole: set[int] = set().union(*asked)
    starts = sorted(byte for byte in whole if byte - 1 not in whole)
    runs = [(start, next(byte for byte in range(start, size + 1) if byte not in whole)) for start in starts]
    order = [
        min(place for place, one in enumerate(asked) if start in one or one & set(range(start, stop)))
        for start, stop in runs
    ]
    seen: set[int] = set()
    overlapping = 0
    for one in sorted(filter(None, asked), key=lambda one: (min(one), max(one))):
        overlapping += bool(seen & one)
        seen |= one
    if overlapping > 1 or len(runs) > MAX_RANGES:
        return None
    if len(runs) > 1 and len(whole) + len(runs) * PART_OVERHEAD > size + ALLOWANCE:
        return None
    return tuple(run for _, run in sorted(zip(order, runs, strict=True)))


def date_rule(data: bytes) -> None:
    """A date is read as the standard library's calendar has it, and written so that it is read as the same."""
    date_s = maybe_httpdate(data, NOW_S)
    if date_s is not None and -62135596800 <= date_s <= 253402300799:
        assert maybe_httpdate(make_httpdate(date_s), NOW_S) == date_s
    parts = naive_date(data)
    if parts is None:
        assert date_s is None
    elif date_s is not None:
        assert not parts[0] or calendar.timegm(parts) == date_s
    else:
        year, month, day, hour, minute, second = parts
        valid = 1 <= day <= calendar.monthrange(year or 4, month)[1]
        assert not (valid and hour <= 23 and minute <= 59 and second <= 60)


def naive_date(data: bytes) -> tuple[int, int, int, int, int, int] | None:
    """Return the numbers of a date in one of the three forms; None if it is in none of them."""
    if found := IMF_FIXDATE.fullmatch(data) or RFC850_DATE.fullmatch(data):
        day, month, year, *clock = found.groups()
    elif found := ASCTIME_DATE.fullmatch(data):
        month, day, *clock, year = found.groups()
    else:
        return None
    rest = (MONTHS.index(month) + 1, int(day), int(clock[0]), int(clock[1]), int(clock[2]))
    if len(year) == 4:
        return int(year), *rest
    now = time.gmtime(NOW_S)
    latest = (now.tm_year + 50, *now[1:6])
    fits = [(at, *rest) for at in range(int(year) + 1900, 2200, 100) if (at, *rest) <= latest]
    return fits[-1]


def tags_rule(data: bytes) -> None:
    tags = maybe_entity_tags(data)
    assert tags == naive_tags(data)


def naive_tags(value: bytes) -> list[bytes] | None:
    return re.findall(TAG, value) if len(value) <= LIST_LIMIT and TAG_LIST.fullmatch(value) else None


def precondition_rule(data: bytes) -> None:
    """The lines are If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since; an empty one is absent."""
    lines = [line or None for line in data.split(b"\n")[:4]]
    match, none_match, modified, unmodified = lines + [None] * (4 - len(lines))
    head = RequestHead(
        b"GET", b"/", 1, 0, if_match=match, if_none_match=none_match, if_modified_since=modified,
        if_unmodified_since=unmodified,
    )  # fmt: skip
    outcome = check_preconditions(head, ETAG, NOW_S, NOW_S)
    assert outcome.value == naive_outcome(match, none_match, modified, unmodified, ETAG, NOW_S)


def naive_outcome(
    match: bytes | None,
    none_match: bytes | None,
    modified: bytes | None,
    unmodified: bytes | None,
    etag: bytes,
    mtime_s: int,
) -> int:
    """Return the result of a GET's preconditions: 412, 304, or 0 to proceed."""
    date_s, before_s = (None if text is None else maybe_httpdate(text, NOW_S) for text in (modified, unmodified))
    if match is not None:
        failed = match != b"*" and etag not in (naive_tags(match) or [])
    else:
        failed = before_s is not None and before_s < mtime_s
    if failed:
        return 412
    if none_match is not None:
        listed = [tag.removeprefix(b"W/") for tag in naive_tags(none_match) or []]
        return 304 if none_match == b"*" or etag in listed else 0
    return 304 if date_s is not None and date_s >= mtime_s else 0


def naive_weights(value: bytes) -> list[tuple[bytes, float]] | None:
    """Return names and weights of a simple list; None for one that needs a real parser."""
    found = []
    for element in filter(None, (element.strip(b" \t") for element in value.split(b","))):
        weighted = WEIGHTED.fullmatch(element)
        if weighted is None:
            return None
        found.append((weighted[1].lower(), float(weighted[2]) if weighted[2] else 1.0))
    return found


def coding_rule(data: bytes) -> None:
    codings = preferred_codings(data, AVAILABLE)
    assert codings
    assert len(set(codings)) == len(codings)
    assert set(codings) <= {*AVAILABLE, b"identity"}
    best = naive_coding(data) if len(data) <= VALUE_LIMIT else b"identity"
    if best is not None:
        assert codings[0] == best


def naive_coding(value: bytes) -> bytes | None:
    """Return the coding to send; None for input that needs a real parser."""
    if len(value) > VALUE_LIMIT:
        return b"identity"
    listed = naive_weights(value)
    if listed is None or any(b"/" in name for name, _ in listed):
        return None
    weights: dict[bytes, float] = {}
    for name, weight in listed:
        name = b"gzip" if name == b"x-gzip" else name
        weights[name] = min(weight, weights.get(name, 1.0))
    wanted = {name: weights.get(name, weights.get(b"*", 0.0)) for name in AVAILABLE}
    best = max(wanted.values())
    if best and best >= weights.get(b"identity", weights.get(b"*", 0.0)):
        return next(name for name in AVAILABLE if wanted[name] == best)
    return b"identity"


def media_type_rule(data: bytes) -> None:
    chosen = preferred_type(data, OFFERED)
    assert chosen is None or chosen in OFFERED
    if len(data) > VALUE_LIMIT:
        assert chosen == OFFERED[0]
        return
    listed = naive_weights(data)
    if not listed or any(not re.fullmatch(rb"\*/\*|[^/*]+/\*|[^/*]+/[^/*]+", name) for name, _ in listed):
        return
    weights = dict(reversed(listed))  # the first of equals counts
    wanted = []
    for name in OFFERED:
        ranges = (name, name.partition(b"/")[0] + b"/*", b"*/*")
        wanted.append(next((weights[each] for each in ranges if each in weights), 0.0))
    assert chosen == (OFFERED[wanted.index(max(wanted))] if max(wanted) else None)


def host_rule(data: bytes) -> None:
    is_loopback_host(data.lower())  # of anything: it must not raise
    try:
        host, port = parse_host(data)
    except HTTPError as error:
        assert error.status == 400  # noqa: PT017
        if data.startswith(b"[") and data.endswith(b"]"):
            assert not is_ipv6(data[1:-1])
        return
    assert data.lower().startswith(host)
    rest = data[len(host) :]
    assert re.fullmatch(rb"(:[0-9]*)?", rest)
    assert port == (int(rest[1:]) if len(rest) > 1 else None)
    assert port is None or port <= 65535
    assert host.startswith(b"[") == (b":" in host)
    if host.startswith(b"["):
        assert is_ipv6(host[1:-1])
    else:
        assert not re.search(rb"[\0-\x20\x7f-\xff/\\@?#\[\]<>\"]", host)
    assert check_host(data, ()) == (is_loopback_host(host) or is_address(host))
    assert check_host(data, (b"*",))


def is_ipv6(text: bytes) -> bool:
    try:
        ipaddress.IPv6Address(text.decode("ascii"))
    except ValueError:
        return False
    return b"%" not in text


RULES: dict[str, Callable[[bytes], None]] = {
    "target": target_rule,
    "range": range_rule,
    "date": date_rule,
    "tags": tags_rule,
    "precondition": precondition_rule,
    "coding": coding_rule,
    "media-type": media_type_rule,
    "host": host_rule,
}


def corpus(name: str) -> list[bytes]:
    """Return the inputs of a rule: one in each line of its file, with the escapes of a Python string."""
    lines = (CORPUS / f"{name}.txt").read_text("ascii").splitlines()
    return [line.encode().decode("unicode_escape").encode("latin-1") for line in lines]
