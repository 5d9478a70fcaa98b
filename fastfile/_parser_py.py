"""The HTTP/1.1 request parser in pure Python (RFC 9112): the specification of _parser.pyx, its twin.

Owns where a message ends and whether its syntax is allowed; knows nothing about methods, targets or files. Every byte
is checked once, at its position, so the outcome does not depend on how the input was split. Both twins have the same
functions in the same order; change both together.
"""

from __future__ import annotations

import re

from fastfile import _parser_rules as rules
from fastfile.errors import BadRequest
from fastfile.message import RequestHead
from fastfile.parser_limits import ParserLimits

Buffer = bytes | bytearray | memoryview

CR, LF, SP, COLON = b"\r\n :"

# The results of scanning a line. The twin returns faults too.
MORE, NEXT, DONE = range(3)

# The phases of a head: the part that the next byte belongs to.
EMPTY_LINE, EMPTY_LINE_LF, METHOD, TARGET, VERSION, VERSION_LF, NAME, VALUE, VALUE_LF, SECTION_LF = range(10)

# The phases of a body.
CONTENT, CHUNK_LINE, CHUNK_DATA, TRAILERS, COMPLETE = range(5)


def _end_of(allowed: bytes) -> re.Pattern[bytes]:
    return re.compile(b"[^" + re.escape(allowed) + b"]")


END_OF_TOKEN = _end_of(rules.TOKEN)
END_OF_TARGET = _end_of(rules.TARGET)
END_OF_VERSION = _end_of(b" " + rules.VISIBLE)
END_OF_VALUE = _end_of(rules.FIELD_VALUE)


def skip(end_of: re.Pattern[bytes], data: memoryview, position: int, stop: int) -> int:
    """Return the index of the first byte from ``position`` that is not in the class; ``stop`` if all are."""
    found = end_of.search(data, position, stop)
    return found.start() if found else stop


class Section:
    """The progress of the scan of a head or a trailer section. Offsets count from the start of the input."""

    __slots__ = ("colon", "fields", "line", "phase", "position", "stop")

    def __init__(self, phase: int, stop: int) -> None:
        self.phase = phase
        self.position = 0  # all bytes before it are checked
        self.line = 0  # where the current line begins
        self.colon = 0  # of the current field line
        self.stop = stop  # the section must end before it
        self.fields = 0

    def bound(self, size: int, line_limit: int) -> int:
        """Return the end of the scan: one byte past the limit is enough to know that a line is too long."""
        return min(size, self.line + line_limit + 1, self.stop)

    def check_bound(self, line_limit: int, line_fault: rules.Fault) -> None:
        """After a scan up to the bound, raise if it was a limit; return if more input may arrive."""
        if self.position - self.line > line_limit:
            raise BadRequest(*line_fault)
        if self.position == self.stop:
            raise BadRequest(*rules.HEAD_SIZE)

    def maybe_line_end(self, data: memoryview) -> bool:
        """Read the LF that must follow a CR (RFC 9112 §2.2; a bare LF is refused); False if it has not arrived."""
        if self.position == self.stop:
            raise BadRequest(*rules.HEAD_SIZE)
        if self.position == len(data):
            return False
        if data[self.position] != LF:
            raise BadRequest(*rules.BARE_CR)
        self.position += 1
        return True

    def scan_field_line(self, data: memoryview, limits: ParserLimits) -> int:
        """Return MORE, NEXT if a field line is complete (RFC 9112 §5), or DONE at the empty line."""
        bound = self.bound(len(data), limits.field_line)
        if self.phase == NAME:
            self.position = skip(END_OF_TOKEN, data, self.position, bound)
            if self.position == bound:
                self.check_bound(limits.field_line, rules.FIELD_LINE_SIZE)
                return MORE
            self._end_name(data[self.position])
            self.position += 1
        if self.phase == VALUE:
            self.position = skip(END_OF_VALUE, data, self.position, bound)
            if self.position == bound:
                self.check_bound(limits.field_line, rules.FIELD_LINE_SIZE)
                return MORE
            check_line_end(data[self.position])
            self.position += 1
            self.phase = VALUE_LF
        if not self.maybe_line_end(data):
            return MORE
        if self.phase == SECTION_LF:
            return DONE
        self.fields += 1
        if self.fields > limits.fields:
            raise BadRequest(*rules.FIELD_COUNT)
        self.phase = NAME
        return NEXT

    def _end_name(self, byte: int) -> None:
        at_start = self.position == self.line
        if byte == COLON and not at_start:
            self.colon = self.position
            self.phase = VALUE
        elif byte == CR and at_start:
            self.phase = SECTION_LF
        elif byte in rules.WHITESPACE and at_start:
            raise BadRequest(*rules.FOLDED_LINE)  # RFC 9112 §2.2 (after the request-line), §5.2 (obs-fold)
        else:
            raise BadRequest(*rules.FIELD_NAME)  # RFC 9112 §5.1: not even white space before the colon


def check_line_end(byte: int) -> None:
    """Raise unless the byte after the text of a line is CR (RFC 9112 §2.2, RFC 9110 §5.5)."""
    if byte == LF:
        raise BadRequest(*rules.BARE_LF)
    if byte != CR:
        raise BadRequest(*rules.BAD_BYTE)


class HeadParser:
    """Reads the heads of one connection's requests, one after the other. Not usable after BadRequest."""

    def __init__(self, limits: ParserLimits) -> None:
        self._limits = limits
        self._reset()

    def _reset(self) -> None:
        self._section = Section(EMPTY_LINE, 0)
        self._empty_lines = 0
        self._request_line = 0
        self._method_end = 0
        self._target_end = 0
        self._fields_start = 0
        self._minor_version = 0
        self._host: bytes | None = None
        self._content_length: int | None = None
        self._codings: list[bytes] = []
        self._connection: set[bytes] = set()
        self._values: dict[bytes, list[bytes]] = {}

    @property
    def started(self) -> bool:
        """Whether a byte of a request-line has arrived since the last head."""
        return self._section.phase >= METHOD

    def parse(self, data: Buffer, start: int, end: int) -> RequestHead | None:
        """Continue reading in ``data[start:end]``, which begins with the request; None: call again with more input.

        Earlier input must still be at ``start``, in this buffer or another: the parser does not scan it again, but
        takes values from it. Raises BadRequest; ValueError if the indices are wrong.
        """
        check_indices(data, start, end, self._section.position)
        # Released explicitly: an exception would lock the connection's buffer as long as its traceback exists.
        with memoryview(data) as whole, whole[start:end] as view:
            if not self._maybe_head(view):
                return None
            head = self._make_head(view)
            self._reset()
            return head

    def _maybe_head(self, data: memoryview) -> bool:
        section = self._section
        if section.phase < METHOD and not self._maybe_empty_lines(data):
            return False
        if section.phase < NAME and not self._maybe_request_line(data):
            return False
        while (outcome := section.scan_field_line(data, self._limits)) == NEXT:
            self._read_field(data)
            section.line = section.position
        if outcome == DONE:
            self._check_head()
        return outcome == DONE

    def _maybe_empty_lines(self, data: memoryview) -> bool:
        """Skip the empty lines that some clients send after a body (RFC 9112 §2.2); True if a request-line begins."""
        section = self._section
        while section.position < len(data):
            byte = data[section.position]
            if section.phase == EMPTY_LINE_LF:
                if byte != LF:
                    raise BadRequest(*rules.BARE_CR)
                self._empty_lines += 1
                if self._empty_lines > self._limits.empty_lines:
                    raise BadRequest(*rules.EMPTY_LINES)
                section.phase = EMPTY_LINE
            elif byte == CR:
                section.phase = EMPTY_LINE_LF
            else:
                section.phase = METHOD
                section.line = self._request_line = section.position
                section.stop = section.position + self._limits.head
                return True
            section.position += 1
        return False

    def _maybe_request_line(self, data: memoryview) -> bool:
        """Scan method SP request-target SP HTTP-version (RFC 9112 §3), with exactly one SP each."""
        section = self._section
        bound = section.bound(len(data), self._limits.request_line)
        if section.phase == METHOD:
            if not self._maybe_word(data, bound, END_OF_TOKEN, section.line):
                return False
            self._method_end = section.position
            section.position += 1
            section.phase = TARGET
        if section.phase == TARGET:
            if not self._maybe_word(data, bound, END_OF_TARGET, self._method_end + 1):
                return False
            self._target_end = section.position
            section.position += 1
            section.phase = VERSION
        if section.phase == VERSION:
            section.position = skip(END_OF_VERSION, data, section.position, bound)
            if section.position == bound:
                section.check_bound(self._limits.request_line, rules.REQUEST_LINE_SIZE)
                return False
            check_line_end(data[section.position])
            section.position += 1
            section.phase = VERSION_LF
        if not section.maybe_line_end(data):
            return False
        self._read_version(bytes(data[self._target_end + 1 : section.position - 2]))
        section.phase = NAME
        section.line = self._fields_start = section.position
        return True

    def _maybe_word(self, data: memoryview, bound: int, end_of: re.Pattern[bytes], start: int) -> bool:
        """Scan a word of the request-line that SP must end; False if more input is needed."""
        section = self._section
        section.position = skip(end_of, data, section.position, bound)
        if section.position == bound:
            section.check_bound(self._limits.request_line, rules.REQUEST_LINE_SIZE)
            return False
        if data[section.position] != SP or section.position == start:
            raise BadRequest(*rules.REQUEST_LINE)
        return True

    def _read_version(self, version: bytes) -> None:
        """Read HTTP-name "/" DIGIT "." DIGIT, case-sensitive (RFC 9112 §2.3)."""
        form = len(version) == 8 and version[:5] == b"HTTP/" and version[6:7] == b"."
        if not (form and version[5] in rules.DIGIT and version[7] in rules.DIGIT):
            raise BadRequest(*rules.VERSION)
        if version[5:6] != b"1":
            raise BadRequest(*rules.MAJOR_VERSION)
        self._minor_version = 0 if version[7:8] == b"0" else 1  # RFC 9110 §2.5: higher is read as 1

    def _read_field(self, data: memoryview) -> None:
        name = bytes(data[self._section.line : self._section.colon]).lower()
        value = bytes(data[self._section.colon + 1 : self._section.position - 2]).strip(rules.WHITESPACE)
        if name in rules.VALUE_FIELDS:
            self._values.setdefault(name, []).append(value)
        elif name == b"host":
            if self._host is not None:
                raise BadRequest(*rules.HOST_REPEATED)  # RFC 9112 §3.2
            self._host = value
        elif name == b"connection":
            # RFC 9110 §7.6.1, and §5.6.1.2: a recipient accepts empty elements.
            self._connection.update(element.strip(rules.WHITESPACE).lower() for element in value.split(b","))
        elif name == b"content-length":
            self._read_content_length(value)
        elif name == b"transfer-encoding":
            self._read_transfer_encoding(value)

    def _read_content_length(self, value: bytes) -> None:
        """Read 1*DIGIT (RFC 9110 §8.6). Identical repeats, which §8.6 lets a recipient merge, are refused too."""
        if self._content_length is not None:
            raise BadRequest(*rules.CONTENT_LENGTH_REPEATED)
        if not value or value.strip(rules.DIGIT):
            raise BadRequest(*rules.CONTENT_LENGTH)
        if len(value.lstrip(b"0")) > rules.CONTENT_LENGTH_DIGITS:
            raise BadRequest(*rules.CONTENT_SIZE)
        self._content_length = 0
        for digit in value:
            self._content_length = self._content_length * 10 + digit - 0x30

    def _read_transfer_encoding(self, value: bytes) -> None:
        """Read a list of coding names (RFC 9112 §6.1).

        Stricter than the list rule of RFC 9110 §5.6.1: an empty element or a parameter is refused, because another
        reader may take it for another coding.
        """
        for element in value.split(b","):
            coding = element.strip(rules.WHITESPACE)
            if not coding or coding.strip(rules.TOKEN):
                raise BadRequest(*rules.TRANSFER_ENCODING)
            self._codings.append(coding.lower())

    def _check_head(self) -> None:
        """Check the rules that need the whole head."""
        if self._minor_version >= 1 and not self._host:
            # RFC 9112 §3.2: 400 without it. An empty one is for targets without authority, which are not served here.
            raise BadRequest(*(rules.HOST_MISSING if self._host is None else rules.HOST_EMPTY))
        if not self._codings:
            return
        if self._minor_version == 0:
            raise BadRequest(*rules.TRANSFER_ENCODING_1_0)  # RFC 9112 §6.1: treat the framing as faulty
        if self._content_length is not None:
            raise BadRequest(*rules.TWO_FRAMINGS)  # RFC 9112 §6.1, §6.3: possibly request smuggling
        if self._codings.count(b"chunked") > 1:
            raise BadRequest(*rules.CHUNKED_REPEATED)  # RFC 9112 §6.1
        # RFC 9112 §6.1 asks for 501 for an unknown coding, §6.3 for 400 if the last one is not chunked. An unknown
        # coding may mark its own end, so 501 fits. If all codings are known, or once were (identity), the body
        # certainly has no end.
        if any(coding not in rules.CODINGS for coding in self._codings):
            raise BadRequest(*rules.UNKNOWN_CODING)
        if self._codings[-1] != b"chunked":
            raise BadRequest(*rules.CHUNKED_NOT_LAST)
        if len(self._codings) > 1:
            raise BadRequest(*rules.UNKNOWN_CODING)

    def _make_head(self, data: memoryview) -> RequestHead:
        return RequestHead(
            bytes(data[self._request_line : self._method_end]),
            bytes(data[self._method_end + 1 : self._target_end]),
            self._minor_version,
            self._section.position,
            field_lines=bytes(data[self._fields_start : self._section.line]),
            keep_alive=self._keep_alive(),
            content_length=self._content_length or 0,
            chunked=bool(self._codings),
            authority=self._host,
            # RFC 9110 §5.3: lines with one name are one list, whatever is between them.
            **{name.decode().replace("-", "_"): b", ".join(lines) for name, lines in self._values.items()},
        )

    def _keep_alive(self) -> bool:
        """RFC 9112 §9.3."""
        if b"close" in self._connection:
            return False
        return self._minor_version >= 1 or b"keep-alive" in self._connection


class BodyParser:
    """Finds the end of one body and drops its content. Not usable after BadRequest."""

    def __init__(self, limits: ParserLimits, content_length: int, chunked: bool) -> None:
        self._limits = limits
        self._phase = CHUNK_LINE if chunked else CONTENT if content_length > 0 else COMPLETE
        self._left = 0 if chunked else content_length  # of the content or of the chunk
        self._content = 0
        self._state = rules.SIZE_FIRST
        self._line_size = 0
        self._digits = 0
        self._overhead = 0
        self._section = Section(NAME, limits.head)

    @property
    def complete(self) -> bool:
        """Whether the body was read to its end."""
        return self._phase == COMPLETE

    def feed(self, data: Buffer, start: int, end: int) -> int:
        """Consume the part of the body in ``data[start:end]``; return the index just past it.

        That is ``end`` until the body is complete. Raises BadRequest: 413 for more than ``limits.body`` of content.
        """
        check_indices(data, start, end, 0)
        if self._phase == CONTENT and self._left > self._limits.body:
            raise BadRequest(*rules.CONTENT_SIZE)
        with memoryview(data) as whole:
            position = start
            while position < end and self._phase != COMPLETE:
                if self._phase == CHUNK_LINE:
                    self._step(whole[position])
                    position += 1
                elif self._phase == TRAILERS:
                    with whole[position:end] as view:
                        position += self._take_trailers(view)
                else:
                    position += self._take_content(end - position)
        return position

    def _take_content(self, size: int) -> int:
        taken = min(size, self._left)
        self._left -= taken
        self._content += taken
        if not self._left:
            self._phase = CHUNK_LINE if self._phase == CHUNK_DATA else COMPLETE
            self._state = rules.DATA_CR
        return taken

    def _step(self, byte: int) -> None:
        """Check one byte of a chunk's framing (RFC 9112 §7.1)."""
        self._overhead += 1
        if self._overhead > rules.CHUNK_OVERHEAD + self._content // rules.CHUNK_OVERHEAD_SHARE:
            raise BadRequest(*rules.CHUNK_WASTE)
        self._state = rules.CHUNK_STEPS[self._state][byte]
        if self._state == rules.REFUSED:
            raise BadRequest(*rules.CHUNK_LINE)
        if self._state == rules.LINE_END:
            self._end_chunk_line()
        elif rules.SIZE <= self._state < rules.LINE_LF:
            self._line_size += 1
            if self._line_size > self._limits.chunk_line:
                raise BadRequest(*rules.CHUNK_LINE_SIZE)
            if self._state == rules.SIZE:
                self._add_digit(byte)

    def _add_digit(self, byte: int) -> None:
        self._left = self._left * 16 + (byte - 0x30 if byte <= 0x39 else (byte | 0x20) - 0x57)
        self._digits += self._left > 0  # leading zeros count only towards the line
        if self._digits > rules.CHUNK_SIZE_DIGITS:
            raise BadRequest(*rules.CHUNK_SIZE)

    def _end_chunk_line(self) -> None:
        if self._left > self._limits.body - self._content:
            raise BadRequest(*rules.CONTENT_SIZE)
        self._phase = CHUNK_DATA if self._left else TRAILERS
        self._line_size = self._digits = 0
        self._overhead = max(0, self._overhead - rules.CHUNK_FRAMING)

    def _take_trailers(self, data: memoryview) -> int:
        """Read trailer fields (RFC 9112 §7.1.2) by the rules of the head; drop them, as RFC 9110 §6.5.1 allows."""
        section = self._section
        while (outcome := section.scan_field_line(data, self._limits)) == NEXT:
            section.line = section.position
        if outcome == DONE:
            self._phase = COMPLETE
        taken = section.position
        # The next input begins here: the remembered offsets lie before its start.
        section.position = 0
        section.line -= taken
        section.stop -= taken
        return taken


def check_indices(data: Buffer, start: int, end: int, seen: int) -> None:
    """Raise ValueError unless ``start`` to ``end`` is in the data and includes the earlier input."""
    if not (0 <= start <= end <= len(data) and end - start >= seen):
        raise ValueError("start and end do not fit the data")
