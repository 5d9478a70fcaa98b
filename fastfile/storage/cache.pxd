cimport cython

cdef class CacheEntry:
    cdef public long long size
    cdef public int open_files
    cdef public bint used

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
    cpdef put(self, bytes key, CacheEntry entry)
    @cython.locals(entry=CacheEntry)
    cpdef discard(self, bytes key)
    cpdef clear(self)
    @cython.locals(entry=CacheEntry)
    cdef _evict(self)
