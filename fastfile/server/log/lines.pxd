cimport cython

from fastfile.message cimport RequestHead, Response

cdef Py_ssize_t _TARGETS, _TARGET_SIZE, _FIELDS_SIZE

cdef class Client:
    cdef bytes peer, field_lines, fields

cdef class Answered:
    cdef bytes method, request, text
    cdef int minor_version, status
    cdef long long body_size

cdef class Lines:
    cdef readonly bint timed
    cdef list _pieces
    cdef dict _answered
    cdef long long _second
    cdef bytes _stamp
    cpdef add(self, Client client, tuple exchange, long long body_size, double time_s, double duration_s)
    cpdef add_gap(self, Py_ssize_t count, double time_s)
    cpdef bytes take(self)
    cpdef bytes make_peer(self, str peer)
    cdef bytes _make_stamp(self, long long second)
    cdef bytes _make_request(self, RequestHead head)
    cdef bytes _make_outcome(self, int status, long long body_size)
    cdef bytes _make_fields(self, bytes field_lines)
    @cython.locals(second=cython.longlong)
    cdef bytes _stamp_at(self, double time_s)
    @cython.locals(answered=Answered)
    cdef bytes _text(self, RequestHead head, int status, long long body_size)
    cdef Answered _remember(self, RequestHead head)
    cdef bytes _fields(self, Client client, RequestHead head)
