cimport cython

cdef class Clock:
    cdef readonly long long batch_number, wall_s
    cdef readonly double monotonic_s
    cdef public object on_set_back
    @cython.locals(wall_s=cython.longlong)
    cpdef begin_batch(self)
    cpdef divide_batch(self)
