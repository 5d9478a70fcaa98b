cimport cython

from fastfile._sendfile cimport monotonic_s, wall_s

cdef class Clock:
    cdef readonly long long batch_number
    cdef public long long wall_s
    cdef public double monotonic_s
    cdef public object on_set_back
    @cython.locals(now_s=cython.longlong)
    cpdef begin_batch(self)
    cpdef divide_batch(self)
