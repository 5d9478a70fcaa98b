from fastfile.message cimport RequestHead
from fastfile.server.net.http1.refusals cimport Refusals

cdef int CLOSED, PLAIN

cdef class Handover(Refusals):
    cdef bint _may_be_http2(self) except -1
    cdef _become_http2(self, bytearray data)
    cdef _hand_over(self)
    cdef _become_upload(self, RequestHead head, bytearray data)
