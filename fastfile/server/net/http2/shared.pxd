from fastfile.clock cimport Clock

cdef class Http2:
    cdef readonly Py_ssize_t max_streams
    cdef readonly object scratch
    cdef Clock _clock
    cdef object _make_connection
    cdef long long _date_s
    cdef bytes _date
    cpdef bytes date(self)
