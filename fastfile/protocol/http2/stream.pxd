from fastfile.message cimport RequestHead

cdef class Stream:
    cdef readonly long long id
    cdef readonly RequestHead head
    cdef public long long left, window
    cdef public bint is_complete, is_closed
    cdef readonly bint is_incremental, is_ranked
    cdef readonly int urgency
    cdef public object sink, transfer
    cdef readonly long long received
    cdef long long _expected
    cpdef rank(self, int urgency, bint is_incremental)
    cpdef take(self, long long size, bint is_end)
