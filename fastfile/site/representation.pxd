cimport cython

from fastfile.storage.resource cimport Resource
from fastfile.message cimport Response, ResponseHead, make_partial

cdef class Representation:
    cdef readonly Resource resource
    cdef readonly bytes media_type, coding, etag, last_modified, vary
    cdef readonly object mtime_s
    cdef readonly int status
    cdef bytes _last_asked
    cdef tuple _fields
    cdef ResponseHead _partial_base
    cdef dict _partials
    cdef Py_ssize_t _kept
    cdef readonly Response full, not_modified
    cpdef Response kept_partial(self, bytes asked)
    @cython.locals(start=cython.longlong, stop=cython.longlong)
    cpdef Response make_partial(self, tuple ranges, bytes asked)
    @cython.locals(size=Py_ssize_t)
    cdef _keep(self, bytes asked, Response response)
