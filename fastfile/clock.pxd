cdef class Clock:
    cdef readonly long long pass_number, wall_s
    cdef readonly double monotonic_s
    cpdef begin_pass(self)
