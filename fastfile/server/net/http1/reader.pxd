cimport cython

from fastfile._parser cimport HeadParser as KernelParser
from fastfile.message cimport RequestHead, Response

cdef class RequestReader:
    cdef object _limits, _body
    cdef KernelParser _parser
    cdef readonly RequestHead head
    cdef public Response early
    cdef bytearray _data
    cdef Py_ssize_t _start, _end
    cdef bint _is_own
    cdef readonly bint took_all
    cdef feed(self, bytearray data, Py_ssize_t count, bint took_all)
    cdef keep(self)
    cdef drop(self)
    cdef bint has_more(self) noexcept
    cdef bint is_empty(self) noexcept
    cdef bint is_in_body(self) noexcept
    cdef bint is_in_head(self) noexcept
    cdef bint is_at_head_request(self) except -1
    cdef bint is_at_tls(self) except -1
    cdef bint is_at_http2(self) except -1
    cdef bytearray unread(self)
    @cython.locals(head=RequestHead)
    cdef RequestHead read_head(self)
    cdef begin_body(self, RequestHead head)
    cdef Response take_early(self)
    @cython.locals(early=Response)
    cdef drop_early(self)
    @cython.locals(head=RequestHead)
    cdef RequestHead read_body(self)
