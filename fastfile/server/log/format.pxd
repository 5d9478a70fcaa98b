cimport cython

from fastfile.server.log.lines cimport Client, Lines
from fastfile.message cimport RequestHead, Response

cdef class ApacheLines(Lines):
    cdef bint _combined
    @cython.locals(head=RequestHead, response=Response, pieces=list, stamp=bytes, text=bytes, fields=bytes)
    cpdef add(self, Client client, tuple exchange, long long body_size, double time_s, double duration_s)
    cpdef add_gap(self, Py_ssize_t count, double time_s)
    cpdef bytes make_peer(self, str peer)
    cdef bytes _make_stamp(self, long long second)
    cdef bytes _make_request(self, RequestHead head)
    cdef bytes _make_outcome(self, int status, long long body_size)
    cdef bytes _make_fields(self, bytes field_lines)

cdef class JsonLines(Lines):
    @cython.locals(head=RequestHead, response=Response, pieces=list, stamp=bytes, user=bytes,
                   host=bytes, text=bytes, fields=bytes)
    cpdef add(self, Client client, tuple exchange, long long body_size, double time_s, double duration_s)
    cpdef add_gap(self, Py_ssize_t count, double time_s)
    cpdef bytes make_peer(self, str peer)
    cdef bytes _make_stamp(self, long long second)
    cdef bytes _make_request(self, RequestHead head)
    cdef bytes _make_outcome(self, int status, long long body_size)
    cdef bytes _make_fields(self, bytes field_lines)

cdef class PrettyLines(Lines):
    cdef bint _colour
    @cython.locals(head=RequestHead, response=Response)
    cpdef add(self, Client client, tuple exchange, long long body_size, double time_s, double duration_s)
    cpdef add_gap(self, Py_ssize_t count, double time_s)
    cpdef bytes make_peer(self, str peer)
    cdef bytes _make_stamp(self, long long second)
    cdef bytes _make_request(self, RequestHead head)

cpdef bytes escape(bytes value, Py_ssize_t limit)
