cimport cython

from fastfile.storage.resource cimport Resource
from fastfile.message cimport FileHead, Response, ResponseHead, make_partial, make_whole

cdef class Representation:
    cdef readonly Resource resource
    cdef readonly bytes media_type, coding, etag, last_modified, vary
    cdef readonly object mtime_s
    cdef readonly int status
    cdef bytes _last_asked
    cdef ResponseHead _partial_base, _whole_base, _not_modified_base
    cdef dict _partials
    cdef Py_ssize_t _kept
    cdef readonly Response full
    cdef readonly bint is_alike
    cdef Response _not_modified
    @cython.locals(alike=Representation, head=FileHead, etag=bytes, mtime_ns=cython.longlong, size=cython.longlong)
    cpdef Representation make_alike(self, Resource resource, long long mtime_s, bytes last_modified)
    @cython.locals(response=Response)
    cpdef Response not_modified(self)
    cdef bint _has_bases(self) except -1
    cdef tuple _make_shared_fields(self)
    cpdef Response kept_partial(self, bytes asked)
    @cython.locals(start=cython.longlong, stop=cython.longlong)
    cpdef Response make_partial(self, tuple ranges, bytes asked)
    @cython.locals(size=Py_ssize_t)
    cdef _keep(self, bytes asked, Response response)

@cython.locals(tag=bytes)
cpdef bytes make_etag(Resource resource, bytes coding)
cdef tuple _make_body(Resource resource)
