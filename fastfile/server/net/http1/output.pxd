cimport cython

from fastfile.message cimport RequestHead, Response
from fastfile.protocol.http1 cimport head_of
from fastfile.server.net.journal cimport Journal
from fastfile.server.net.connection cimport Connection
from fastfile.server.net.http1.deferral cimport Deferral
from fastfile.server.net.http1.send_queue cimport SendQueue
from fastfile.server.net.service cimport Service
from fastfile.server.net.transport cimport Transport

cdef int IDLE, WAITING, SENDING, READING, PENDING
cdef int HANG_UP, WRITE, DRAINED, COLD, BROKEN, STARVED, UNKNOWN_SIZE
cdef double HALF_CLOSED_S

cdef class Output(Connection):
    cdef SendQueue _queue
    cdef Journal _journal
    cdef object _reading, _session
    cdef Py_ssize_t _requests
    cdef Deferral _deferral
    cdef bint _closing
    cdef _set_up_output(self, Service service, Transport transport)
    cpdef on_wake(self, Py_ssize_t number)
    @cython.locals(journal=Journal, queue=SendQueue)
    cdef _drop_work(self)
    @cython.locals(deferral=Deferral)
    cdef _drop_deferral(self)
    @cython.locals(tail=bytes, is_unknown=bint, is_current=bint)
    cdef _put(self, RequestHead head, Response response, double began_s)
    @cython.locals(wire_head=bytes, tail=bytes, size=cython.longlong, sent=Py_ssize_t, journal=Journal, queue=SendQueue)
    cdef _send_at_once(self, RequestHead head, Response response, double began_s)
    @cython.locals(queue=SendQueue)
    cdef SendQueue _send_queue(self)
    @cython.locals(service=Service)
    cdef bytes _note(self, RequestHead head, Response response, double began_s)
    cdef _note_sent(self, Py_ssize_t sent)
    cdef _note_all_sent(self)
    @cython.locals(service=Service, queue=SendQueue, outcome=int, before=cython.longlong)
    cdef _send(self)
    cdef _end_sending(self)
    @cython.locals(service=Service)
    cdef bint _read_from_disk(self, SendQueue queue) except -1
    cdef _wait_for_source(self, SendQueue queue)
    @cython.locals(service=Service, queue=SendQueue)
    cdef _wait_to_send(self)
    cdef bint _is_sending(self) except -1
    @cython.locals(service=Service, deferral=Deferral)
    cdef _wait(self)
    cdef _look_at_client(self)
