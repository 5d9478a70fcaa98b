cimport cython

from fastfile.message cimport RequestHead
from fastfile.protocol.http2.session cimport Session
from fastfile.protocol.http2.stream cimport Stream
from fastfile.server.net.http2.deferral cimport Http2Deferral
from fastfile.server.net.http2.transfer cimport Transfer
from fastfile.server.net.poller cimport Poller
from fastfile.server.net.service cimport Service
from fastfile.server.net.transport cimport Transport

cdef int BODY, CLOSED, HEAD, IDLE, LINGERING, MORE_FOLLOWS, SENDING, READ, WRITE, WOULD_BLOCK_READ, SECURE
cdef int BODY_EVENT, MORE, PAUSE, REQUEST, RESET, TOO_LARGE, LOOK_EACH
cdef Py_ssize_t FULL

cdef class Http2Connection(Http2Deferral):
    cdef long long _answered_id
    cdef bytes _covered
    cdef bint _is_deaf
    cdef double _sending_until_s
    cpdef take_over(self, int interest, double deadline_s)
    cpdef bint is_quiet(self, bint silent_too) except -1
    cpdef drain(self)
    cpdef leave(self)
    cdef _process(self, bytearray data, Py_ssize_t count)
    @cython.locals(buffer=bytearray, count=Py_ssize_t)
    cdef _go_on(self)
    cdef _end_turn(self)
    @cython.locals(session=Session, poller=Poller, event=int)
    cdef _take_events(self)
    @cython.locals(session=Session, service=Service, head=RequestHead)
    cdef _respond(self)
    @cython.locals(transport=Transport)
    cdef _check(self, RequestHead head)
    cpdef respond_to(self, Transfer transfer, RequestHead head)
    cpdef widen(self, Stream stream, Py_ssize_t size)
    cpdef invite(self, Stream stream)
    @cython.locals(transfer=Transfer, price=double)
    cdef _on_reset(self, Stream stream)
    @cython.locals(stream=Stream, transfer=Transfer)
    cdef _on_body(self, int event)
    @cython.locals(service=Service, head=RequestHead, now_s=double, transfer=Transfer)
    cdef _begin_body(self, Stream stream)
    @cython.locals(session=Session, service=Service, size=cython.longlong, now_s=double, interest=int)
    cdef _settle(self)
    @cython.locals(session=Session, service=Service, deadline_s=double, transfer=Transfer)
    cdef _set_deadline(self, double now_s)
    @cython.locals(now_s=double)
    cdef _give_up(self)
