# The C layout of types.py: attributes become struct fields, readable from Python.

cdef class RequestHead:
    cdef readonly bytes method, target, field_lines
    cdef readonly int minor_version
    cdef readonly Py_ssize_t size
    cdef readonly bint keep_alive, chunked, plain
    cdef readonly long long content_length
    cdef readonly bytes host, expect, accept_encoding
    cdef readonly bytes range, if_range
    cdef readonly bytes if_match, if_none_match, if_modified_since, if_unmodified_since

cdef class FileSlice:
    cdef readonly object owner
    cdef readonly int fd
    cdef readonly long long offset, count
    cdef public double cached_s

cdef class Response:
    cdef readonly int status
    cdef readonly bytes head
    cdef readonly tuple parts
    cdef readonly long long body_size
    cdef readonly bint close
    cdef readonly object source
    cdef readonly bytes user

cdef class Deferred:
    cdef readonly object work, finish
