cimport cython

from fastfile.files.resource cimport Resource
from fastfile.semantics.ranges cimport make_range_lines
from fastfile.types cimport Response

cdef class Representation:
    cdef readonly Resource resource
    cdef readonly bytes media_type, coding, etag
    cdef readonly object mtime_s
    cdef readonly bint varies
    cdef readonly int status
    cdef bytes _field_lines, _partial_head
    cdef readonly Response full, not_modified
    @cython.locals(start=cython.longlong, stop=cython.longlong)
    cpdef Response make_partial(self, tuple ranges)
