# The C layout of message.py: attributes become struct fields, readable from Python.

cimport cython

cdef class RequestHead:
    cdef readonly bytes method, target, field_lines
    cdef readonly int minor_version
    cdef readonly Py_ssize_t size
    cdef readonly bint keep_alive, chunked, plain
    cdef readonly long long content_length
    cdef readonly bytes authority, expect, accept_encoding
    cdef public bytes peer
    cdef public bint is_secure
    cdef readonly bytes range, if_range
    cdef readonly bytes if_match, if_none_match, if_modified_since, if_unmodified_since

cdef class FileSlice:
    cdef readonly object owner
    cdef readonly int fd
    cdef readonly long long offset, count
    cdef public double cached_s

cdef class ResponseHead:
    cdef readonly int status
    cdef tuple _fields
    cdef public bytes http1, http2
    cdef tuple _make_fields(self)

cdef class FileHead(ResponseHead):
    cdef readonly ResponseHead base
    cdef readonly bytes etag, last_modified, length
    cdef tuple _make_fields(self)

cdef class PartialHead(ResponseHead):
    cdef readonly ResponseHead base
    cdef readonly long long start, stop, size
    cdef tuple _make_fields(self)

cdef class Response:
    cdef readonly int status
    cdef readonly ResponseHead head
    cdef readonly tuple parts
    cdef readonly long long body_size
    cdef readonly bint close
    cdef readonly object source
    cdef readonly bytes user

cdef class Deferred:
    cdef readonly object work, finish
    cpdef bint is_heavy(self) except -1


@cython.locals(head=PartialHead)
cpdef Response make_partial(ResponseHead base, long long start, long long stop, long long size, part)
@cython.locals(response=Response)
cpdef Response make_whole(ResponseHead head, tuple parts, long long size)
