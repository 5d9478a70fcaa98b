from fastfile.message cimport Deferred, RequestHead

cdef class Deferral:
    cdef RequestHead head
    cdef Deferred deferred
    cdef object job
    cdef double began_s
    cdef bint is_early, is_timed
