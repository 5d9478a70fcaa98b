from fastfile.clock cimport Clock
from fastfile.response cimport Representation

cdef class Answer:
    cdef readonly tuple stamps
    cdef readonly Representation identity
    cdef readonly dict variants
    cdef public bint used
    cdef readonly long long size
    cdef readonly int open_files
    cdef tuple _codings
    cdef dict _choices
    cpdef bint is_fresh(self, Clock clock)
    cpdef Representation select(self, bytes accept_encoding, bint wants_range)
