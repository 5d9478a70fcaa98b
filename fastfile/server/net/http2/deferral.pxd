cimport cython

from fastfile.message cimport RequestHead, Response
from fastfile.server.net.http2.output cimport Http2Output
from fastfile.server.net.http2.transfer cimport Transfer
from fastfile.server.net.service cimport Service

cdef int BODY, CLOSED, LINGERING, WAITING, READ, WRITE, MAX_HEAVY

cdef class Http2Deferral(Http2Output):
    cdef int _heavy
    cdef bint _is_holding
    cdef _end_turn(self)
    cdef _charge(self, double cost_s)
    cdef _end_heavy(self)
    cdef _end_own_turn(self)
    @cython.locals(service=Service)
    cdef _answer(self, Transfer transfer)
    @cython.locals(service=Service, transfer=Transfer)
    cdef _resume(self)
    @cython.locals(head=RequestHead, service=Service)
    cdef _advance(self, Transfer transfer, answer)
    @cython.locals(service=Service, head=RequestHead)
    cdef _decide_on_body(self, Transfer transfer, Response response)
