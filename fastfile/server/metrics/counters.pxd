cimport cython

from fastfile.message cimport RequestHead, Response

cdef class Metrics:
    cdef long long[::1] _slots
    @cython.locals(method=int)
    cpdef count(self, RequestHead head, Response response)
    @cython.locals(duration_us=cython.longlong, bucket=int)
    cpdef measure(self, double duration_s, int responses)
    @cython.locals(bucket=int)
    cdef int _slow_bucket(self, long long duration_us) except -1
    cpdef add_sent(self, Py_ssize_t count)
