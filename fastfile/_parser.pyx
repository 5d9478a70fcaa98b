# cython: language_level=3, wraparound=False, cdivision=True
"""The HTTP/1.1 request parser, compiled (RFC 9112). Its specification is its twin, _parser_py.py.

Owns where a message ends and whether its syntax is allowed; knows nothing about methods, targets or files. The
functions are those of the twin, in the same order, over a C struct: its comments explain the rules, these the machine.
Scanning returns an outcome and touches no Python object; only the public functions and the result do.
"""

import sys

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_REFCNT
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy, memset

from fastfile.message cimport RequestHead

from fastfile import _parser_rules as rules
from fastfile.errors import BadRequest

ctypedef const unsigned char uchar

# From 0 on: an index into rules.FAULTS, in its order.
cdef enum:  # the outcomes of a scan
    MORE = -3  # all input was read
    NEXT = -2  # this part is complete
    DONE = -1  # the head or the trailer section is complete
    EMPTY_LINES = 0
    BAD_BYTE
    BARE_CR
    BARE_LF
    REQUEST_LINE
    BAD_VERSION
    MAJOR_VERSION
    REQUEST_LINE_SIZE
    FIELD_LINE_SIZE
    HEAD_SIZE
    FIELD_COUNT
    FOLDED_LINE
    FIELD_NAME
    HOST_MISSING
    HOST_REPEATED
    HOST_EMPTY
    BAD_CONTENT_LENGTH
    CONTENT_LENGTH_REPEATED
    CONTENT_SIZE
    BAD_TRANSFER_ENCODING
    TRANSFER_ENCODING_1_0
    TWO_FRAMINGS
    CHUNKED_REPEATED
    CHUNKED_NOT_LAST
    UNKNOWN_CODING
    BAD_CHUNK_LINE
    CHUNK_LINE_SIZE
    CHUNK_SIZE
    CHUNK_WASTE

cdef enum:  # the phases of a head; twin: EMPTY_LINE and so on
    EMPTY_LINE, EMPTY_LINE_LF, METHOD, TARGET, VERSION, VERSION_LF, NAME, VALUE, VALUE_LF, SECTION_LF

cdef enum:  # the phases of a body; twin: CONTENT and so on
    CONTENT, CHUNK_LINE, CHUNK_DATA, TRAILERS, COMPLETE

# Without these fields, the response depends on the target and Accept-Encoding only.
cdef unsigned int NOT_PLAIN = (
    1 << RANGE | 1 << IF_MATCH | 1 << IF_NONE_MATCH | 1 << IF_MODIFIED_SINCE | 1 << IF_UNMODIFIED_SINCE
)
cdef unsigned int RARE = NOT_PLAIN | 1 << EXPECT | 1 << IF_RANGE

cdef enum:
    WORD_SIZE = 20  # the longest name that is read, if-unmodified-since, and one more
    CODING_COUNT = 7
    STATE_COUNT = 16

cdef uint64_t EACH_BYTE = 0x0101010101010101
cdef uint64_t HIGH_BITS = 0x8080808080808080

cdef struct Word:  # in lower case
    Py_ssize_t size
    unsigned char text[WORD_SIZE]
    int next  # the next field with a name of this length; FIELD_KINDS: none

cdef unsigned char[256] TOKEN
cdef unsigned char[256] TARGET_BYTE
cdef unsigned char[256] VERSION_BYTE
cdef unsigned char[256] VALUE_BYTE
cdef Word[FIELD_KINDS] NAMES
cdef int[WORD_SIZE] FIELD_OF_SIZE  # the first field whose name has this size
cdef Word[CODING_COUNT] CODINGS
cdef Word CLOSE, KEEP_ALIVE
cdef unsigned char[STATE_COUNT][256] CHUNK_STEPS
cdef int SIZE_FIRST = rules.SIZE_FIRST, SIZE = rules.SIZE, DATA_CR = rules.DATA_CR
cdef int LINE_LF = rules.LINE_LF, LINE_END = rules.LINE_END, REFUSED = rules.REFUSED
cdef int CONTENT_LENGTH_DIGITS = rules.CONTENT_LENGTH_DIGITS, CHUNK_SIZE_DIGITS = rules.CHUNK_SIZE_DIGITS
cdef long long CHUNK_OVERHEAD = rules.CHUNK_OVERHEAD, CHUNK_OVERHEAD_SHARE = rules.CHUNK_OVERHEAD_SHARE
cdef long long CHUNK_FRAMING = rules.CHUNK_FRAMING
cdef tuple FAULTS = rules.FAULTS
cdef tuple FIELDS = rules.FRAMING_FIELDS + rules.VALUE_FIELDS


cdef int fill_class(unsigned char *table, bytes members) except -1:
    memset(table, 0, 256)
    for byte in members:
        table[<unsigned char>byte] = 1
    return 0


cdef int fill_word(Word *word, bytes text) except -1:
    if len(text) >= WORD_SIZE:
        raise ValueError("WORD_SIZE is too small")
    word.size = len(text)
    memcpy(word.text, <const char *>text, len(text))
    return 0


cdef int fill_tables() except -1:
    cdef int index
    fill_class(TOKEN, rules.TOKEN)
    fill_class(TARGET_BYTE, rules.TARGET)
    fill_class(VERSION_BYTE, b" " + rules.VISIBLE)
    fill_class(VALUE_BYTE, rules.FIELD_VALUE)
    if len(FIELDS) != FIELD_KINDS or len(rules.CODINGS) != CODING_COUNT or len(FAULTS) != CHUNK_WASTE + 1:
        raise ValueError("the enums do not fit _parser_rules")
    for index in range(WORD_SIZE):
        FIELD_OF_SIZE[index] = FIELD_KINDS
    for index in range(FIELD_KINDS):
        fill_word(&NAMES[index], FIELDS[index])
        NAMES[index].next = FIELD_OF_SIZE[NAMES[index].size]
        FIELD_OF_SIZE[NAMES[index].size] = index
    for index in range(CODING_COUNT):
        fill_word(&CODINGS[index], rules.CODINGS[index])
    fill_word(&CLOSE, b"close")
    fill_word(&KEEP_ALIVE, b"keep-alive")
    for index in range(STATE_COUNT):
        memcpy(CHUNK_STEPS[index], <const char *><bytes>rules.CHUNK_STEPS[index], 256)
    return 0


fill_tables()

cdef Limits make_limits(object limits) except *:
    cdef Limits result
    # A sum of a limit and an offset must not overflow; no input is that large.
    cdef object most = sys.maxsize // 4
    result.request_line = min(limits.request_line, most)
    result.field_line = min(limits.field_line, most)
    result.head = min(limits.head, most)
    result.fields = min(limits.fields, most)
    result.empty_lines = min(limits.empty_lines, most)
    result.chunk_line = min(limits.chunk_line, most)
    result.body = min(limits.body, most)
    return result


cdef inline Py_ssize_t skip(uchar *table, uchar *data, Py_ssize_t position, Py_ssize_t stop) noexcept nogil:
    # Post-condition: position <= stop, and all bytes before it are in the class.
    while position < stop and table[data[position]]:
        position += 1
    return position


cdef inline Py_ssize_t skip_target(uchar *data, Py_ssize_t position, Py_ssize_t stop) noexcept nogil:
    # Eight bytes at a time while all are visible; no byte carries into the next.
    cdef uint64_t word
    cdef uint64_t low
    while stop - position >= 8:
        memcpy(&word, data + position, 8)
        low = word & ~HIGH_BITS
        # For a byte below 0x80: bit 7 of the first sum is set from ! on, and bit 7 of the second only for DEL.
        if (~(low + 0x5F * EACH_BYTE) | (low + EACH_BYTE) | word) & HIGH_BITS:
            break
        position += 8
    return skip(TARGET_BYTE, data, position, stop)


cdef inline Py_ssize_t skip_value(uchar *data, Py_ssize_t position, Py_ssize_t stop) noexcept nogil:
    # Eight bytes at a time while none is below SP or DEL; the table handles HTAB and the end of the value.
    cdef uint64_t word
    cdef uint64_t low
    while stop - position >= 8:
        memcpy(&word, data + position, 8)
        low = word & ~HIGH_BITS
        # No byte carries into the next. Bit 7 of the first sum is set from SP on, and bit 7 of the second only for DEL.
        if (~(low + 0x60 * EACH_BYTE) | (low + EACH_BYTE)) & ~word & HIGH_BITS:
            break
        position += 8
    return skip(VALUE_BYTE, data, position, stop)


cdef inline Py_ssize_t bound_of(Section *s, Py_ssize_t size, Py_ssize_t line_limit) noexcept nogil:
    return min(size, s.line + line_limit + 1, s.stop)


cdef inline int check_bound(Section *s, Py_ssize_t line_limit, int line_fault) noexcept nogil:
    # MORE, `line_fault` or HEAD_SIZE.
    if s.position - s.line > line_limit:
        return line_fault
    if s.position == s.stop:
        return HEAD_SIZE
    return MORE


cdef inline int scan_line_end(Section *s, uchar *data, Py_ssize_t size) noexcept nogil:
    # NEXT, MORE, HEAD_SIZE or BARE_CR.
    if s.position == s.stop:
        return HEAD_SIZE
    if s.position == size:
        return MORE
    if data[s.position] != c"\n":
        return BARE_CR
    s.position += 1
    return NEXT


cdef int scan_field_line(Section *s, uchar *data, Py_ssize_t size, const Limits *limits) noexcept nogil:
    # NEXT: a line is complete, its CR two bytes before the position. DONE: the empty line is. MORE, or a fault.
    cdef Py_ssize_t bound = bound_of(s, size, limits.field_line)
    cdef int outcome
    if s.phase == NAME:
        s.position = skip(TOKEN, data, s.position, bound)
        if s.position == bound:
            return check_bound(s, limits.field_line, FIELD_LINE_SIZE)
        outcome = end_name(s, data[s.position])
        if outcome != NEXT:
            return outcome
        s.position += 1
    if s.phase == VALUE:
        s.position = skip_value(data, s.position, bound)
        if s.position == bound:
            return check_bound(s, limits.field_line, FIELD_LINE_SIZE)
        if data[s.position] != c"\r":
            return line_end_fault(data[s.position])
        s.position += 1
        s.phase = VALUE_LF
    outcome = scan_line_end(s, data, size)
    if outcome != NEXT:
        return outcome
    if s.phase == SECTION_LF:
        return DONE
    s.fields += 1
    if s.fields > limits.fields:
        return FIELD_COUNT
    s.phase = NAME
    return NEXT


cdef inline int end_name(Section *s, unsigned char byte) noexcept nogil:
    # NEXT, FOLDED_LINE or FIELD_NAME.
    cdef bint at_start = s.position == s.line
    if byte == c":" and not at_start:
        s.colon = s.position
        s.phase = VALUE
        return NEXT
    if byte == c"\r" and at_start:
        s.phase = SECTION_LF
        return NEXT
    if is_space(byte) and at_start:
        return FOLDED_LINE
    return FIELD_NAME


cdef inline int line_end_fault(unsigned char byte) noexcept nogil:
    return BARE_LF if byte == c"\n" else BAD_BYTE


cdef int scan_head(
    Head *h, uchar *data, Py_ssize_t size, const Limits *limits, const Head *last, uchar *last_lines
) noexcept nogil:
    # DONE, MORE or a fault. `last` is the head before, and `last_lines` are its field lines; NULL if there is none.
    cdef int outcome = NEXT
    if h.section.phase < METHOD:
        outcome = scan_empty_lines(h, data, size, limits)
    if outcome == NEXT and h.section.phase < NAME:
        outcome = scan_request_line(h, data, size, limits)
        if outcome == NEXT and last_lines != NULL and take_repeated(h, data, size, last, last_lines):
            outcome = DONE
    while outcome == NEXT:
        outcome = scan_field_line(&h.section, data, size, limits)
        if outcome == NEXT:
            outcome = read_field(h, data, h.section.position - 2)
            h.section.line = h.section.position
    return check_head(h) if outcome == DONE else outcome


cdef bint take_repeated(
    Head *h, uchar *data, Py_ssize_t size, const Head *last, uchar *last_lines
) noexcept nogil:
    # If the field lines are those of the head before, as in most requests of a client, take what was read of them: they
    # keep to the same limits, except for that of the whole head.
    cdef Py_ssize_t moved = h.fields_start - last.fields_start
    cdef Py_ssize_t end = last.section.position + moved
    cdef int field
    if end > size or end > h.section.stop or data[end - 2] != c"\r" or data[end - 1] != c"\n":
        return False
    if memcmp(data + h.fields_start, last_lines, last.section.line - last.fields_start) != 0:
        return False
    h.section.line = last.section.line + moved
    h.section.position = end
    h.fields = last.fields
    if moved != 0:
        for field in range(FIELD_KINDS):
            h.fields.values[field].start += moved
            h.fields.values[field].end += moved
    return True


cdef int scan_empty_lines(Head *h, uchar *data, Py_ssize_t size, const Limits *limits) noexcept nogil:
    # NEXT: a request-line begins. MORE, BARE_CR or EMPTY_LINES.
    cdef Section *s = &h.section
    while s.position < size:
        if s.phase == EMPTY_LINE_LF:
            if data[s.position] != c"\n":
                return BARE_CR
            h.empty_lines += 1
            if h.empty_lines > limits.empty_lines:
                return EMPTY_LINES
            s.phase = EMPTY_LINE
        elif data[s.position] == c"\r":
            s.phase = EMPTY_LINE_LF
        else:
            s.phase = METHOD
            s.line = h.request_line = s.position
            s.stop = s.position + limits.head
            return NEXT
        s.position += 1
    return MORE


cdef int scan_request_line(Head *h, uchar *data, Py_ssize_t size, const Limits *limits) noexcept nogil:
    # NEXT, MORE or a fault.
    cdef Section *s = &h.section
    cdef Py_ssize_t bound = bound_of(s, size, limits.request_line)
    cdef int outcome
    if s.phase == METHOD:
        s.position = skip(TOKEN, data, s.position, bound)
        outcome = end_word(s, data, bound, s.line, limits)
        if outcome != NEXT:
            return outcome
        h.method_end = s.position
        s.position += 1
        s.phase = TARGET
    if s.phase == TARGET:
        s.position = skip_target(data, s.position, bound)
        outcome = end_word(s, data, bound, h.method_end + 1, limits)
        if outcome != NEXT:
            return outcome
        h.target_end = s.position
        s.position += 1
        s.phase = VERSION
    if s.phase == VERSION:
        s.position = skip(VERSION_BYTE, data, s.position, bound)
        if s.position == bound:
            return check_bound(s, limits.request_line, REQUEST_LINE_SIZE)
        if data[s.position] != c"\r":
            return line_end_fault(data[s.position])
        s.position += 1
        s.phase = VERSION_LF
    outcome = scan_line_end(s, data, size)
    if outcome != NEXT:
        return outcome
    s.phase = NAME
    s.line = h.fields_start = s.position
    return read_version(h, data + h.target_end + 1, s.position - 2 - (h.target_end + 1))


cdef inline int end_word(
    Section *s, uchar *data, Py_ssize_t bound, Py_ssize_t start, const Limits *limits
) noexcept nogil:
    # NEXT, MORE, REQUEST_LINE_SIZE, HEAD_SIZE or REQUEST_LINE.
    if s.position == bound:
        return check_bound(s, limits.request_line, REQUEST_LINE_SIZE)
    if data[s.position] != c" " or s.position == start:
        return REQUEST_LINE
    return NEXT


cdef inline int read_version(Head *h, uchar *version, Py_ssize_t size) noexcept nogil:
    # NEXT, BAD_VERSION or MAJOR_VERSION.
    if size != 8 or memcmp(version, b"HTTP/", 5) != 0 or version[6] != c".":
        return BAD_VERSION
    if not (is_digit(version[5]) and is_digit(version[7])):
        return BAD_VERSION
    if version[5] != c"1":
        return MAJOR_VERSION
    h.minor_version = 0 if version[7] == c"0" else 1
    return NEXT


cdef inline bint is_digit(unsigned char byte) noexcept nogil:
    return c"0" <= byte and byte <= c"9"


cdef inline bint is_space(unsigned char byte) noexcept nogil:
    return byte == c" " or byte == c"\t"


cdef inline Span trim(uchar *data, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    cdef Span span
    while start < end and is_space(data[start]):
        start += 1
    while start < end and is_space(data[end - 1]):
        end -= 1
    span.start = start
    span.end = end
    return span


cdef inline bint is_word(uchar *text, Py_ssize_t size, const Word *word) noexcept nogil:
    # Of the bytes of a value, setting bit 5 turns only letters into letters, and none into a hyphen.
    cdef Py_ssize_t index
    if size != word.size:
        return False
    for index in range(size):
        if text[index] | 0x20 != word.text[index]:
            return False
    return True


cdef inline int field_of(uchar *name, Py_ssize_t size) noexcept nogil:
    # A field; FIELD_KINDS for one that the parser does not read.
    cdef int field
    if size >= WORD_SIZE:
        return FIELD_KINDS
    field = FIELD_OF_SIZE[size]
    while field != FIELD_KINDS and not is_word(name, size, &NAMES[field]):
        field = NAMES[field].next
    return field


cdef int read_field(Head *h, uchar *data, Py_ssize_t line_end) noexcept nogil:
    # NEXT or a fault.
    cdef int field = field_of(data + h.section.line, h.section.colon - h.section.line)
    cdef Span value
    cdef bint again
    if field == FIELD_KINDS:
        return NEXT
    value = trim(data, h.section.colon + 1, line_end)
    again = h.fields.seen >> field & 1
    h.fields.seen |= 1 << field
    if again:
        h.fields.repeated |= 1 << field
    else:
        h.fields.values[field] = value
    if field == HOST:
        return HOST_REPEATED if again else NEXT
    if field == CONNECTION:
        return read_connection(h, data, value)
    if field == CONTENT_LENGTH:
        return CONTENT_LENGTH_REPEATED if again else read_content_length(h, data, value)
    if field == TRANSFER_ENCODING:
        return read_transfer_encoding(h, data, value)
    return NEXT


cdef inline Span next_element(uchar *data, Span *rest) noexcept nogil:
    # Takes the first element off a comma-separated list; the list is at its end when rest.start > rest.end.
    cdef Py_ssize_t position = rest.start
    cdef Span element
    while position < rest.end and data[position] != c",":
        position += 1
    element = trim(data, rest.start, position)
    rest.start = position + 1
    return element


cdef int read_connection(Head *h, uchar *data, Span value) noexcept nogil:
    # NEXT.
    cdef Span element
    while value.start <= value.end:
        element = next_element(data, &value)
        if is_word(data + element.start, element.end - element.start, &CLOSE):
            h.fields.close = True
        elif is_word(data + element.start, element.end - element.start, &KEEP_ALIVE):
            h.fields.keep_alive = True
    return NEXT


cdef int read_content_length(Head *h, uchar *data, Span value) noexcept nogil:
    # NEXT, BAD_CONTENT_LENGTH or CONTENT_SIZE.
    cdef Py_ssize_t position
    cdef int digits = 0
    if value.start == value.end:
        return BAD_CONTENT_LENGTH
    for position in range(value.start, value.end):
        if not is_digit(data[position]):
            return BAD_CONTENT_LENGTH
        if digits < CONTENT_LENGTH_DIGITS:
            h.fields.content_length = h.fields.content_length * 10 + (data[position] - c"0")
        if digits > 0 or data[position] != c"0":
            digits += 1
    return CONTENT_SIZE if digits > CONTENT_LENGTH_DIGITS else NEXT


cdef int read_transfer_encoding(Head *h, uchar *data, Span value) noexcept nogil:
    # NEXT or BAD_TRANSFER_ENCODING.
    cdef Span element
    cdef int coding
    while value.start <= value.end:
        element = next_element(data, &value)
        if element.start == element.end or skip(TOKEN, data, element.start, element.end) != element.end:
            return BAD_TRANSFER_ENCODING
        coding = 0
        while coding < CODING_COUNT and not is_word(
            data + element.start, element.end - element.start, &CODINGS[coding]
        ):
            coding += 1
        h.fields.chunked_last = coding == 0
        if coding == 0:
            h.fields.chunked += h.fields.chunked < 2
        elif coding == CODING_COUNT:
            h.fields.unknown_coding = True
        else:
            h.fields.other_coding = True
    return NEXT


cdef int check_head(Head *h) noexcept nogil:
    # DONE or a fault.
    if h.minor_version >= 1:
        if not h.fields.seen >> HOST & 1:
            return HOST_MISSING
        if h.fields.values[HOST].start == h.fields.values[HOST].end:
            return HOST_EMPTY
    if not h.fields.seen >> TRANSFER_ENCODING & 1:
        return DONE
    if h.minor_version == 0:
        return TRANSFER_ENCODING_1_0
    if h.fields.seen >> CONTENT_LENGTH & 1:
        return TWO_FRAMINGS
    if h.fields.chunked > 1:
        return CHUNKED_REPEATED
    # Why 501 here and 400 there: see the twin.
    if h.fields.unknown_coding:
        return UNKNOWN_CODING
    if not h.fields.chunked_last:
        return CHUNKED_NOT_LAST
    return UNKNOWN_CODING if h.fields.other_coding else DONE


cdef inline bytes slice_of(uchar *data, Py_ssize_t start, Py_ssize_t end):
    return PyBytes_FromStringAndSize(<const char *>data + start, end - start)


cdef inline bytes method_of(uchar *data, Py_ssize_t start, Py_ssize_t end):
    # The two common methods are constants: no allocation, and the handler compares by identity.
    if end - start == 3 and memcmp(data + start, b"GET", 3) == 0:
        return b"GET"
    if end - start == 4 and memcmp(data + start, b"HEAD", 4) == 0:
        return b"HEAD"
    return slice_of(data, start, end)


cdef bytes value_of(Head *h, uchar *data, RequestHead head, int field):
    if not h.fields.seen >> field & 1:
        return None
    if h.fields.repeated >> field & 1:
        return head.field(FIELDS[field])
    return slice_of(data, h.fields.values[field].start, h.fields.values[field].end)


cdef inline bytes repeated_slice(uchar *data, Py_ssize_t start, Py_ssize_t end, bytes last):
    # Reuse the last object if the bytes are the same, as they mostly are: its hash is already computed.
    if last is not None and PyBytes_GET_SIZE(last) == end - start:
        if memcmp(PyBytes_AS_STRING(last), data + start, end - start) == 0:
            return last
    return slice_of(data, start, end)


cdef inline bytes repeated_value(Head *h, uchar *data, int field, bytes last):
    return repeated_slice(data, h.fields.values[field].start, h.fields.values[field].end, last)


cdef inline RequestHead take_spare(HeadParser parser):
    # Reuse the last head if no reference to it is left: making and freeing one was a tenth of a plain request.
    cdef RequestHead head = parser.spare
    if head is None or Py_REFCNT(head) > 2:
        head = parser.spare = RequestHead.__new__(RequestHead)
        parser.spare_is_rare = False
    return head


cdef RequestHead make_head(HeadParser parser, uchar *data):
    cdef RequestHead head = take_spare(parser)
    cdef Head *h = &parser.head
    cdef bint is_rare = h.fields.seen & RARE != 0
    head.method = method_of(data, h.request_line, h.method_end)
    head.target = repeated_slice(data, h.method_end + 1, h.target_end, head.target)
    head.minor_version = h.minor_version
    head.size = h.section.position
    head.field_lines = repeated_slice(data, h.fields_start, h.section.line, parser.last_lines)
    head.keep_alive = not h.fields.close and (h.minor_version >= 1 or h.fields.keep_alive)
    head.content_length = h.fields.content_length
    head.chunked = h.fields.chunked > 0
    head.plain = not h.fields.seen & NOT_PLAIN
    head.is_secure = False
    head.authority = None
    if h.fields.seen >> HOST & 1:
        head.authority = parser.last_host = repeated_value(h, data, HOST, parser.last_host)
    head.accept_encoding = None
    if h.fields.repeated >> ACCEPT_ENCODING & 1:
        head.accept_encoding = head.field(b"accept-encoding")
    elif h.fields.seen >> ACCEPT_ENCODING & 1:
        head.accept_encoding = repeated_value(h, data, ACCEPT_ENCODING, parser.last_accept_encoding)
        parser.last_accept_encoding = head.accept_encoding
    if is_rare or parser.spare_is_rare:
        set_rare(h, data, head)
        parser.spare_is_rare = is_rare
    return head


cdef int set_rare(Head *h, uchar *data, RequestHead head) except -1:
    head.expect = value_of(h, data, head, EXPECT)
    head.range = value_of(h, data, head, RANGE)
    head.if_range = value_of(h, data, head, IF_RANGE)
    head.if_match = value_of(h, data, head, IF_MATCH)
    head.if_none_match = value_of(h, data, head, IF_NONE_MATCH)
    head.if_modified_since = value_of(h, data, head, IF_MODIFIED_SINCE)
    head.if_unmodified_since = value_of(h, data, head, IF_UNMODIFIED_SINCE)
    return 0


cdef class HeadParser:
    """Reads the heads of one connection's requests, one after the other. Not usable after BadRequest."""

    def __init__(self, limits):
        self.limits = make_limits(limits)
        memset(&self.head, 0, sizeof(Head))

    @property
    def started(self):
        """Whether a byte of a request-line has arrived since the last head."""
        return self.head.section.phase >= METHOD

    cpdef RequestHead parse(self, data, Py_ssize_t start, Py_ssize_t end):
        """Continue reading in ``data[start:end]``, which begins with the request; None: call again with more input.

        Earlier input must still be at ``start``, in this buffer or another: the parser does not scan it again, but
        takes values from it. Raises BadRequest; ValueError if the indices are wrong.
        """
        cdef Py_buffer view
        if type(data) is bytearray:
            # Without an export, which costs a tenth of a head: no code that runs here can resize the buffer.
            return self.read(<uchar *>PyByteArray_AS_STRING(data), PyByteArray_GET_SIZE(data), start, end)
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            return self.read(<uchar *>view.buf, view.len, start, end)
        finally:
            PyBuffer_Release(&view)

    cdef RequestHead read(self, uchar *data, Py_ssize_t size, Py_ssize_t start, Py_ssize_t end):
        cdef int outcome
        cdef RequestHead head
        cdef uchar *last_lines = NULL
        if self.last_lines is not None:
            last_lines = <uchar *>PyBytes_AS_STRING(self.last_lines)
        check_indices(size, start, end, self.head.section.position)
        outcome = scan_head(&self.head, data + start, end - start, &self.limits, &self.last, last_lines)
        if outcome == MORE:
            return None
        if outcome != DONE:
            raise BadRequest(*FAULTS[outcome])
        head = make_head(self, data + start)
        if head.field_lines is not self.last_lines:
            self.last = self.head
            self.last_lines = head.field_lines
        memset(&self.head, 0, sizeof(Head))
        return head


cdef class BodyParser:
    """Finds the end of one body and drops its content. Not usable after BadRequest."""

    def __init__(self, limits, long long content_length, bint chunked):
        self.limits = make_limits(limits)
        memset(&self.body, 0, sizeof(Body))
        self.body.phase = CHUNK_LINE if chunked else CONTENT if content_length > 0 else COMPLETE
        self.body.left = 0 if chunked else content_length
        self.body.state = SIZE_FIRST
        self.body.section.phase = NAME
        self.body.section.stop = self.limits.head

    @property
    def complete(self):
        """Whether the body was read to its end."""
        return self.body.phase == COMPLETE

    def feed(self, data, Py_ssize_t start, Py_ssize_t end):
        """Consume the part of the body in ``data[start:end]``; return the index just past it.

        That is ``end`` until the body is complete. Raises BadRequest: 413 for more than ``limits.body`` of content.
        """
        cdef Py_buffer view
        cdef Py_ssize_t position = start
        cdef int outcome
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            check_indices(view.len, start, end, 0)
            outcome = scan_body(&self.body, <uchar *>view.buf, &position, end, &self.limits)
            if outcome >= 0:
                raise BadRequest(*FAULTS[outcome])
            return position
        finally:
            PyBuffer_Release(&view)


cdef int scan_body(
    Body *b, uchar *data, Py_ssize_t *position, Py_ssize_t end, const Limits *limits
) noexcept nogil:
    # DONE: position[0] is just past the body. MORE, or a fault.
    cdef int outcome = NEXT
    if b.phase == CONTENT and b.left > limits.body:
        return CONTENT_SIZE
    while position[0] < end and b.phase != COMPLETE and outcome < 0:
        if b.phase == CHUNK_LINE:
            outcome = step(b, data[position[0]], limits)
            position[0] += 1
        elif b.phase == TRAILERS:
            outcome = take_trailers(b, data + position[0], end - position[0], limits)
            position[0] += b.section.position
            b.section.position = 0
        else:
            position[0] += take_content(b, end - position[0])
    return outcome if outcome >= 0 else DONE if b.phase == COMPLETE else MORE


cdef Py_ssize_t take_content(Body *b, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t taken = <Py_ssize_t>min(<long long>size, b.left)
    b.left -= taken
    b.content += taken
    if b.left == 0:
        b.phase = CHUNK_LINE if b.phase == CHUNK_DATA else COMPLETE
        b.state = DATA_CR
    return taken


cdef int step(Body *b, unsigned char byte, const Limits *limits) noexcept nogil:
    # NEXT or a fault.
    b.overhead += 1
    if b.overhead > CHUNK_OVERHEAD + b.content // CHUNK_OVERHEAD_SHARE:
        return CHUNK_WASTE
    b.state = CHUNK_STEPS[b.state][byte]
    if b.state == REFUSED:
        return BAD_CHUNK_LINE
    if b.state == LINE_END:
        return end_chunk_line(b, limits)
    if SIZE <= b.state and b.state < LINE_LF:
        b.line_size += 1
        if b.line_size > limits.chunk_line:
            return CHUNK_LINE_SIZE
        if b.state == SIZE:
            return add_digit(b, byte)
    return NEXT


cdef int add_digit(Body *b, unsigned char byte) noexcept nogil:
    # NEXT or CHUNK_SIZE.
    b.digits += b.left > 0 or byte != c"0"
    if b.digits > CHUNK_SIZE_DIGITS:
        return CHUNK_SIZE
    b.left = b.left * 16 + (byte - 0x30 if byte <= 0x39 else (byte | 0x20) - 0x57)
    return NEXT


cdef int end_chunk_line(Body *b, const Limits *limits) noexcept nogil:
    # NEXT or CONTENT_SIZE.
    if b.left > limits.body - b.content:
        return CONTENT_SIZE
    b.phase = CHUNK_DATA if b.left > 0 else TRAILERS
    b.line_size = 0
    b.digits = 0
    b.overhead = max(0, b.overhead - CHUNK_FRAMING)
    return NEXT


cdef int take_trailers(Body *b, uchar *data, Py_ssize_t size, const Limits *limits) noexcept nogil:
    # NEXT or a fault; section.position is the number of bytes consumed.
    cdef Section *s = &b.section
    cdef int outcome = NEXT
    while outcome == NEXT:
        outcome = scan_field_line(s, data, size, limits)
        if outcome == NEXT:
            s.line = s.position
    if outcome >= 0:
        return outcome
    if outcome == DONE:
        b.phase = COMPLETE
    s.line -= s.position
    s.stop -= s.position
    return NEXT


cdef int check_indices(Py_ssize_t size, Py_ssize_t start, Py_ssize_t end, Py_ssize_t seen) except -1:
    if not (0 <= start and start <= end and end <= size and end - start >= seen):
        raise ValueError("start and end do not fit the data")
    return 0
