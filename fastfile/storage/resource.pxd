cimport cython

cdef class Resource:
    cdef readonly int fd
    cdef readonly object mtime_ns, ctime_ns
    cdef readonly long long size
    cdef readonly bytes signature, content
    cdef readonly bint cold
    cdef public bytes tag
    @cython.locals(count=cython.longlong, copy=bytes)
    cpdef slice(self, long long start, long long stop)

@cython.locals(resource=Resource)
cpdef Resource make_small(bytes signature, bytes content, mtime_ns, ctime_ns)
