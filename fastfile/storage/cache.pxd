cimport cython

cdef class Cache:
    cdef readonly dict entries
    cdef readonly long long _size
    cdef long long _max_size, _max_files, _open_files
    cdef readonly object _queue
    cdef bytearray _noted
    cdef int _noted_count
    @cython.locals(place=Py_ssize_t)
    cpdef bint admits(self, bytes key, long long size) except -1
    @cython.locals(size=cython.longlong)
    cpdef put(self, bytes key, entry)
    cpdef discard(self, bytes key)
    cpdef clear(self)
    cdef _evict(self)
