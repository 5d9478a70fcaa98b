cimport cython

from fastfile._sendfile cimport copy_of
from fastfile.message cimport Deferred, RequestHead, Response
from fastfile.protocol.http1 cimport head_of
from fastfile.server.net.journal cimport Journal
from fastfile.server.net.poller cimport Watcher
from fastfile.server.net.reader cimport RequestReader
from fastfile.server.net.send_queue cimport SendQueue
from fastfile.server.net.service cimport Service
from fastfile.server.net.transport cimport Transport

cdef int IDLE, HEAD, BODY, WAITING, SENDING, READING, LINGERING, CLOSED, PENDING
cdef int READ, WRITE, WOULD_BLOCK_READ, DRAINED, COLD, BROKEN, STARVED, UNKNOWN_SIZE
cdef Py_ssize_t LOOK_EACH, LINGER_SIZE

cdef class Deferral:
    cdef RequestHead head
    cdef Deferred deferred
    cdef object job
    cdef double began_s
    cdef bint is_early

cdef class Connection(Watcher):
    cdef readonly int state
    cdef readonly double deadline_s
    cdef Service _service
    cdef Transport _transport
    cdef int _interest
    cdef RequestReader _reader
    cdef SendQueue _queue
    cdef Journal _journal
    cdef Deferral _deferral
    cdef object _reading
    cdef Py_ssize_t _requests, _lingered
    cdef bint _closing, _ends_here, _unread
    @cython.locals(buffer=bytearray, count=Py_ssize_t)
    cpdef bytearray read_first(self, double kept_s)
    cpdef start(self, bytearray data)
    cpdef on_ready(self)
    cpdef on_deadline(self)
    cpdef on_wake(self, Py_ssize_t number)
    cpdef bint is_quiet(self, bint silent_too) except -1
    cpdef close(self)
    @cython.locals(service=Service, transport=Transport)
    cdef _let_go(self, bint by_reset)
    @cython.locals(journal=Journal, queue=SendQueue)
    cdef _drop_work(self)
    cdef _abort(self)
    cdef _fail(self)
    cdef bint _takes_requests(self) noexcept
    @cython.locals(buffer=bytearray, count=Py_ssize_t)
    cdef _receive(self)
    @cython.locals(service=Service, reader=RequestReader, before=Py_ssize_t, is_waiting=bint)
    cdef _process(self, bytearray data, Py_ssize_t count)
    cdef _take_requests(self, RequestReader reader)
    @cython.locals(head=RequestHead)
    cdef bint _take_request(self, RequestReader reader) except -1
    cdef _keep(self, RequestReader reader)
    @cython.locals(service=Service)
    cdef _begin_body(self, RequestHead head, RequestReader reader)
    @cython.locals(service=Service, reader=RequestReader)
    cdef _decide_on_body(self, RequestHead head, Response response, double began_s)
    cdef _refuse_body(self, RequestHead head, Response response, double began_s)
    @cython.locals(response=Response, service=Service, began_s=double)
    cdef _respond(self, RequestHead head, RequestReader reader)
    @cython.locals(response=Response)
    cdef _advance(self, RequestHead head, answer, double began_s, bint is_early)
    cdef Response _refusal_for_now(self, RequestHead head)
    cdef _wait(self)
    cdef bint _has_hung_up(self) except -1
    @cython.locals(deferral=Deferral)
    cdef _resume(self, answer)
    @cython.locals(deferral=Deferral)
    cdef _drop_deferral(self)
    cdef _give_up(self)
    @cython.locals(head=RequestHead, response=Response)
    cdef _refuse(self, error, RequestReader reader, bint is_head)
    cdef _refuse_unreadable(self, error, RequestReader reader)
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
    @cython.locals(service=Service, now_s=double, before=int, reader=RequestReader, is_in_head=bint)
    cdef _settle(self, bint responded)
    @cython.locals(service=Service)
    cdef _finish(self)
    @cython.locals(count=Py_ssize_t)
    cdef _linger(self)
    @cython.locals(before=int)
    cdef _wait_for(self, int interest)
