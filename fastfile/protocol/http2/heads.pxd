cimport cython

from fastfile.message cimport RequestHead
from fastfile.protocol.http2.hpack cimport HeaderDecoder, HeaderField

cdef int ACCEPT_ENCODING, AUTHORITY, CONNECTION_SPECIFIC, CONTENT_LENGTH, COOKIE, EXPECT, FIELD_KINDS, HOST
cdef int IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, METHOD, OTHER, OVERHEAD, PATH
cdef int PSEUDO_FIELDS, RANGE, SCHEME, TE, UNKNOWN_PSEUDO, HTTP_2

cdef class HeadReader:
    cdef object _limits
    cdef HeaderDecoder _decoder
    cdef dict _remembered
    cdef Py_ssize_t _changes
    cdef readonly Py_ssize_t list_size
    cdef readonly object refusal
    @cython.locals(head=RequestHead, fields=list, is_lasting=bint)
    cpdef RequestHead read(self, bytes block)
    @cython.locals(fields=list, field=HeaderField)
    cpdef read_trailers(self, bytes block)
    @cython.locals(values=list, lines=list, crumbs=list, count=Py_ssize_t,
                   is_behind_pseudo=bint, longest=Py_ssize_t, field=HeaderField, kind=int,
                   method=bytes, target=bytes, authority=bytes)
    cdef RequestHead _make_head(self, list fields, Py_ssize_t size)
    cdef _find_refusal(self, list values, bytes authority, Py_ssize_t line, Py_ssize_t longest, Py_ssize_t count)

cdef bytes _join(int kind, bytes before, bytes value)
@cython.locals(method=bytes, path=bytes, authority=bytes, host=bytes)
cdef tuple _check(list values)
cdef long long _read_length(bytes value) except -1
