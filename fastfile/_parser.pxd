# The state of the parsers, kept between two pieces of input.

from fastfile.message cimport RequestHead

cdef enum:  # the fields; twin: rules.FRAMING_FIELDS + rules.VALUE_FIELDS
    HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING
    EXPECT, ACCEPT_ENCODING, RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE
    FIELD_KINDS  # how many there are; and: none of them

cdef struct Limits:  # twin: ParserLimits
    Py_ssize_t request_line, field_line, head, fields, empty_lines, chunk_line
    long long body


cdef struct Section:  # twin: Section
    int phase
    Py_ssize_t position, line, colon, stop, fields


cdef struct Span:
    Py_ssize_t start, end


cdef struct Fields:  # what the field lines say
    bint close, keep_alive
    unsigned int seen, repeated  # a bit for each field
    int chunked  # how often the coding stands in Transfer-Encoding
    bint chunked_last, other_coding, unknown_coding
    long long content_length
    Span[FIELD_KINDS] values  # of the first line of each field in `seen`

cdef struct Head:  # all zero at the start of a request
    Section section
    Py_ssize_t empty_lines, request_line, method_end, target_end, fields_start
    int minor_version
    Fields fields


cdef struct Body:
    Section section
    int phase, state, digits
    long long left, content, overhead
    Py_ssize_t line_size


cdef class HeadParser:
    cdef Head head, last
    cdef Limits limits
    cdef bytes last_lines, last_host, last_accept_encoding
    cdef RequestHead spare
    cdef bint spare_is_rare
    cpdef RequestHead parse(self, data, Py_ssize_t start, Py_ssize_t end)
    cdef RequestHead read(self, const unsigned char *data, Py_ssize_t size, Py_ssize_t start, Py_ssize_t end)

cdef class BodyParser:
    cdef Body body
    cdef Limits limits
