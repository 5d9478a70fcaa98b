cimport cython

cdef class Clock:
    cdef readonly long long pass_number, wall_s
    cdef readonly double monotonic_s
    cdef public object on_set_back
    @cython.locals(wall_s=cython.longlong)
    cpdef begin_pass(self)
    cpdef divide_pass(self)
