"""An HTTP client on a bare socket that reads exactly one response per request, and trusts nothing.

Every response goes through `check_response`: the invariants of RFC 9110 and 9112 for any request. It uses no server
code, because an error in common code would go unnoticed.
"""

from __future__ import annotations

import calendar
import fcntl
import os
import re
import select
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable, Sequence
from email.utils import parsedate
from typing import NamedTuple

RECEIVE_SIZE = 262144
TIMEOUT_S = 60
CLOCK_SLACK_S = 1.1  # a Date has whole seconds, rounded down

STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) ([\x20-\x7e]+)")  # RFC 9112 §4; a server of 1.1 says so (RFC 9110 §2.5)
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\x21-\x7e]|[\x21-\x7e][\x20-\x7e]*[\x21-\x7e])")
HTTP_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d GMT")
STRONG_TAG = re.compile(r'"[!#-~]+"')
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
MULTIPART = re.compile(r"multipart/byteranges; ?boundary=([0-9A-Za-z'()+_,./:=?-]{1,70})")


class Received(NamedTuple):
    status: int
    fields: dict[str, str]  # names in lower case
    body: bytes

    def lasting(self) -> dict[str, str]:
        """The fields that must be the same for the same request: all except Date, Connection and boundaries."""
        kept = {name: value for name, value in self.fields.items() if name not in ("date", "connection")}
        if MULTIPART.fullmatch(kept.get("content-type", "")):
            kept["content-type"] = "multipart/byteranges"
        return kept

    def parts(self) -> list[tuple[str, bytes]]:
        """Split a multipart/byteranges body: Content-Range and bytes of each part (RFC 9110 §14.6)."""
        boundary = MULTIPART.fullmatch(self.fields["content-type"])
        assert boundary, self.fields["content-type"]
        delimiter = b"\r\n--" + boundary[1].encode()
        pieces = self.body.split(delimiter)
        assert (pieces[0], pieces[-1]) == (b"", b"--\r\n"), "not delimited as RFC 2046 §5.1.1 has it"
        found = []
        for piece in pieces[1:-1]:
            head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode("ascii").split("\r\n"))
            assert set(fields) == {"Content-Type", "Content-Range"}, fields
            found.append((fields["Content-Range"], content))
        return found


Check = Callable[[Received, str], None]


class RawClient:
    """Speaks HTTP over a connected socket, which it owns; ``with`` closes it.

    ``checks`` are the applicable ones of CHECKS: the rules of a site may differ from the defaults. ``offset_s`` is how
    far the server's clock is ahead of the test's.
    """

    def __init__(self, connection: socket.socket, checks: Sequence[Check] | None = None, offset_s: float = 0.0) -> None:
        self.connection = connection
        self.offset_s = offset_s
        self._checks = checks
        self._unread = bytearray()
        self._asked_s = time.time()

    def send(self, target: str, method: str = "GET", *fields: str) -> None:
        """Send one request; field lines are given whole, `Host: localhost` is added."""
        self._asked_s = time.time()
        self.connection.sendall(make_request(target, method, *fields))

    def send_in_pieces(self, wire: bytes, size: int) -> None:
        """Send this many bytes at a time, each piece after the server has read the previous one."""
        for start in range(0, len(wire), size):
            self.connection.sendall(wire[start : start + size])
            self.wait_until_read()

    def wait_until_read(self) -> None:
        """Wait until the server has read the input, and receive its responses meanwhile.

        Only Linux's Unix sockets can tell; elsewhere it returns at once.
        """
        if self.connection.family != socket.AF_UNIX or sys.platform != "linux":
            return
        deadline = time.monotonic() + TIMEOUT_S
        while struct.unpack("i", fcntl.ioctl(self.connection, termios.TIOCOUTQ, b"\0\0\0\0"))[0]:
            assert time.monotonic() < deadline, "the server does not read"
            if select.select([self.connection], [], [], 0)[0]:
                self._unread += self.connection.recv(RECEIVE_SIZE)
            os.sched_yield()

    def receive(self, method: str = "GET") -> Received:
        """Read the response to a request of this method, and not a byte more; check it."""
        while (end := self._unread.find(b"\r\n\r\n")) < 0:
            self._fill()
        status_line, *lines = bytes(self._unread[:end]).split(b"\r\n")
        del self._unread[: end + 4]
        start = STATUS_LINE.fullmatch(status_line)
        assert start, f"not a status line: {status_line!r}"
        status = int(start[1])
        fields: dict[str, str] = {}
        for line in lines:
            field = FIELD_LINE.fullmatch(line)
            assert field, f"not a field line: {line!r}"
            name = field[1].decode().lower()
            assert name not in fields, f"a field came twice: {line!r}"
            fields[name] = field[2].decode()
        assert "transfer-encoding" not in fields  # nothing here is of unknown length
        bodiless = method == "HEAD" or status in (204, 304) or status < 200
        assert bodiless or "content-length" in fields, f"no Content-Length in {lines}"
        size = 0 if bodiless else int(fields["content-length"])
        while len(self._unread) < size:
            self._fill()
        received = Received(status, fields, bytes(self._unread[:size]))
        del self._unread[:size]
        if received.status >= 200:
            check_date(received, self._asked_s, self.offset_s)
        check_response(received, method, CHECKS if self._checks is None else self._checks)
        return received

    def begin_receiving(self) -> bytes:
        """Wait for the beginning of a response, and return its first 12 bytes; receive() still gets all of it."""
        while len(self._unread) < 12:
            self._fill()
        return bytes(self._unread[:12])

    def hears(self, seconds: float) -> bool:
        """Wait for a part of a response for so long, and tell whether one has come; receive() still gets all of it."""
        self.connection.settimeout(seconds)
        try:
            self._fill()
        except TimeoutError:
            return False
        finally:
            self.connection.settimeout(TIMEOUT_S)
        return True

    def end_writing(self) -> None:
        """Send the end of the stream, below TLS where that is spoken."""
        socket.socket.shutdown(self.connection, socket.SHUT_WR)

    def take_until(self, holds: Callable[[], bool]) -> None:
        """Receive data until a condition holds, without checking it."""
        while not holds():
            if select.select([self.connection], [], [], 0.01)[0]:  # it may come to be so with nothing more to take
                self._fill()

    def request(self, target: str, method: str = "GET", *fields: str) -> Received:
        self.send(target, method, *fields)
        return self.receive(method)

    def at_end(self) -> bool:
        """Wait for the server to close, and return whether nothing was left to read."""
        return not self._unread and not self.connection.recv(1)

    def _fill(self) -> None:
        chunk = self.connection.recv(RECEIVE_SIZE)
        assert chunk, f"closed within a response, after {bytes(self._unread[:200])!r}"
        self._unread += chunk

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def make_request(target: str, method: str = "GET", *fields: str, version: str = "1.1") -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def seconds_of(date: str) -> int:
    """Return the time of an HTTP-date in the only form that may be sent (RFC 9110 §5.6.7)."""
    parsed = parsedate(date)
    assert HTTP_DATE.fullmatch(date), f"not an IMF-fixdate: {date}"
    assert parsed, date
    return calendar.timegm(parsed)


def check_response(response: Received, method: str, checks: Sequence[Check]) -> None:
    """Fail unless the response follows the rules that do not depend on the request."""
    if response.status < 200:
        assert response.status == 101 or response == (100, {}, b"")  # RFC 9110 §15.2: no fields are needed
        return
    for check in checks:
        check(response, method)


def check_date(response: Received, asked_s: float, offset_s: float) -> None:
    date_s = seconds_of(response.fields["date"])  # RFC 9110 §6.6.1: an origin server with a clock MUST send it
    assert asked_s - CLOCK_SLACK_S <= date_s - offset_s <= time.time(), "Date is not the time of the response"


def is_listing(response: Received) -> bool:
    """Recognise a listing by its policy, which no other page has."""
    return "form-action 'self'; require-trusted-types" in response.fields.get("content-security-policy", "")


def check_framing(response: Received, method: str) -> None:
    length = response.fields.get("content-length")
    if response.status in (204, 304):
        # §8.6: MUST NOT in 204; in 304 only if it is that of the 200, which nobody needs.
        assert length is None
        assert "content-type" not in response.fields
    elif not (method == "HEAD" and is_listing(response)):  # §9.3.2: they may be omitted, and a large folder omits them
        assert length is not None
        assert re.fullmatch(r"0|[1-9]\d*", length)
    assert response.fields.get("connection") in (None, "close", "keep-alive") or response.status == 426
    if method != "HEAD" and length not in (None, "0"):
        assert "content-type" in response.fields


def check_validators(response: Received, _: str) -> None:
    fields = response.fields
    tag, modified = fields.get("etag"), fields.get("last-modified")
    assert tag is None or STRONG_TAG.fullmatch(tag)
    if modified is not None:
        assert seconds_of(modified) <= seconds_of(fields["date"])  # §8.8.2.1: MUST NOT be later
    if response.status >= 400:
        assert (tag, modified) == (None, None)  # they would be those of the error page
    if response.status == 304:
        assert tag is not None  # §15.4.5: MUST, if the 200 has it


def check_caching(response: Received, _: str) -> None:
    fields = response.fields
    vary = [name.strip().lower() for name in fields.get("vary", "").split(",")]
    if response.status >= 400:
        assert fields["cache-control"] == "no-store"
        # An error's body depends on it, unless the site has its own page.
        assert "accept" in vary or response.status == 404
    elif response.status != 204:
        assert fields["cache-control"] == "no-cache" or response.status in (200, 206, 304)
    if "content-encoding" in fields:
        assert "accept-encoding" in vary  # §12.5.5


def check_status(response: Received, method: str) -> None:
    """Check the required fields of a status code (RFC 9110 §15)."""
    fields = response.fields
    assert "allow" in fields if response.status in (204, 405) else "allow" not in fields or response.status == 501
    assert ("location" in fields) == (300 <= response.status < 304)
    if "location" in fields:
        # A path of this site, in unreserved bytes: no host, no backslash, no way to split the response.
        assert re.fullmatch(r"/(?!/)[0-9A-Za-z._~%/-]*(\?[!-~]*)?", fields["location"])
    if response.status in (200, 206) and "etag" in fields and "content-security-policy" not in fields:  # no listing
        assert fields["accept-ranges"] == "bytes"
    if response.status in (408, 413):
        assert fields["connection"] == "close"  # §15.5.9
    if response.status == 503:
        assert fields["retry-after"].isdigit()
    assert ("content-type" not in fields) or fields["x-content-type-options"] == "nosniff"


def check_ranges(response: Received, method: str) -> None:
    """Check Content-Range: where it is required, where it is forbidden, and its value (RFC 9110 §14.4, §15.3.7)."""
    content_range = response.fields.get("content-range")
    if response.status == 416:
        assert content_range is not None
        assert re.fullmatch(r"bytes \*/\d+", content_range)
    elif response.status != 206:
        assert content_range is None
    elif content_range is None:
        assert len(response.parts()) > 1
        for part_range, content in response.parts():
            assert_range_fits(part_range, len(content))
    else:
        assert not response.fields["content-type"].startswith("multipart/")
        assert_range_fits(content_range, len(response.body))
    assert response.status != 206 or method == "GET"


def assert_range_fits(content_range: str, size: int) -> None:
    named = CONTENT_RANGE.fullmatch(content_range)
    assert named, content_range
    first, last, whole = map(int, named.groups())
    assert first <= last < whole
    assert last - first + 1 == size


CHECKS: tuple[Check, ...] = (
    check_framing,
    check_validators,
    check_caching,
    check_status,
    check_ranges,
)
