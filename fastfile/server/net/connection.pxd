cimport cython

from fastfile._parser cimport HeadParser as KernelParser
from fastfile._sendfile cimport close, copy_of, recv_into, send_file, send_parts, send_response
from fastfile.server.log.access cimport AccessLog
from fastfile.server.log.lines cimport Client
from fastfile.server.net.poller cimport Watcher
from fastfile.server.net.service cimport Service
from fastfile.message cimport Deferred, FileSlice, RequestHead, Response, ResponseHead
from fastfile.protocol.http1 cimport head_of

cdef int IDLE, HEAD, BODY, WAITING, SENDING, READING, LINGERING, CLOSED
cdef int READ, WRITE, WOULD_BLOCK
cdef double CHECK_S
cdef Py_ssize_t BATCH_SIZE, BATCH_PARTS, TURN_SIZE, TURN_PULLS, PULL_SIZE, PART_SIZE
cdef Py_ssize_t CHECK_SIZE, READ_SIZE, AHEAD_SIZE, LINGER_SIZE

cdef class Connection(Watcher):
    cdef readonly int fd, state
    cdef bytes _address
    cdef Client _client
    cdef readonly double deadline_s
    cdef Service _service
    cdef int _interest
    cdef bytearray _input
    cdef KernelParser _parser
    cdef object _body
    cdef RequestHead _head
    cdef list _parts, _unlogged
    cdef long long _queued
    cdef Py_ssize_t _skip, _progress, _lingered, _requests
    cdef bint _closing, _unread, _is_last, _at_once
    cdef int _unmeasured
    cdef double _began_s, _asked_s
    cdef object _source, _job, _reading
    cdef long long _unpulled, _cached
    cdef Deferred _deferred
    cdef bint _early, _is_cold
    @cython.locals(buffer=bytearray, count=Py_ssize_t)
    cpdef bint read_first(self, double kept_s) except -1
    cpdef start(self)
    cpdef on_ready(self)
    cpdef on_deadline(self)
    cpdef bint is_quiet(self, bint silent_too) except -1
    cpdef close(self)
    @cython.locals(buffer=bytearray, count=Py_ssize_t)
    cdef _receive(self)
    @cython.locals(start=Py_ssize_t, consumed=Py_ssize_t, answered=Py_ssize_t)
    cdef _process(self, bytearray data, Py_ssize_t count)
    @cython.locals(head=RequestHead, parser=KernelParser)
    cdef Py_ssize_t _take(self, bytearray data, Py_ssize_t start, Py_ssize_t end) except -2
    cdef _begin_body(self, RequestHead head, bint has_begun)
    cdef _judge(self, RequestHead head, Response response, double began_s)
    cdef _refuse_body(self, RequestHead head, Response response, double began_s)
    @cython.locals(response=Response, service=Service)
    cdef _respond(self, RequestHead head, bint is_last)
    @cython.locals(response=Response)
    cdef _advance(self, RequestHead head, answer, double began_s)
    cdef Response _refusal_for_now(self, RequestHead head)
    cdef _wait(self)
    cdef bint _has_hung_up(self) except -1
    cdef _resume(self, answer)
    cdef _drop_job(self)
    cdef _refuse(self, error, bint is_head=*)
    @cython.locals(tail=bytes)
    cdef _answer(self, RequestHead head, Response response, double began_s)
    @cython.locals(tail=bytes, sent=Py_ssize_t)
    cdef _answer_at_once(self, RequestHead head, Response response, double began_s)
    @cython.locals(service=Service, tail=bytes)
    cdef bytes _note(self, RequestHead head, Response response, double began_s)
    @cython.locals(parts=list)
    cdef _queue(self, Response response, bytes tail)
    cdef _begin_source(self, Response response)
    @cython.locals(pulled=Py_ssize_t)
    cdef bint _pull(self) except -1
    cdef long long _queue_part(self, part) except -1
    cdef _drop_source(self)
    @cython.locals(budget=Py_ssize_t, pulls=Py_ssize_t, sent=Py_ssize_t, count=Py_ssize_t)
    cdef _send(self)
    @cython.locals(service=Service, now_s=double, start=Py_ssize_t, count=Py_ssize_t)
    cdef bint _is_cached(self, FileSlice part) except -1
    @cython.locals(service=Service)
    cdef _note_sent(self)
    @cython.locals(service=Service, parts=list, size=Py_ssize_t, done=Py_ssize_t)
    cdef _drop_sent(self, Py_ssize_t sent)
    @cython.locals(service=Service)
    cdef _wait_to_send(self, Py_ssize_t sent)
    @cython.locals(service=Service, now_s=double, before=int)
    cdef _settle(self, bint answered)
    cdef bint _has_begun(self) except -1
    cdef _finish(self)
    cdef _linger(self)
    cdef _abort(self)
    @cython.locals(before=int)
    cdef _wait_for(self, int interest)
    @cython.locals(log=AccessLog, service=Service, response=Response, unlogged=list, index=Py_ssize_t)
    @cython.locals(body_size=cython.longlong)
    cdef _log_sent(self)
    @cython.locals(unsent=cython.longlong, missing=cython.longlong, response=Response)
    cdef list _sent_sizes(self)
