cimport cython

from fastfile._sendfile cimport copy_of
from fastfile.server.net.poller cimport Watcher
from fastfile.server.net.service cimport Service
from fastfile.server.net.transport cimport Transport

cdef int BODY, CLOSED, HEAD, IDLE, LINGERING, READ, WRITE, WOULD_BLOCK_READ
cdef int UNKNOWN, NOTHING, MORE
cdef Py_ssize_t LINGER_SIZE

cdef class Connection(Watcher):
    cdef readonly int state
    cdef readonly double deadline_s
    cdef Service _service
    cdef Transport _transport
    cdef int _interest, _rest
    cdef Py_ssize_t _lingered
    cdef _set_up(self, Service service, Transport transport)
    @cython.locals(buffer=bytearray, count=Py_ssize_t)
    cpdef bytearray read_first(self, double kept_s)
    cpdef start(self, bytearray data)
    cpdef on_ready(self)
    cpdef on_deadline(self)
    cpdef bint is_quiet(self, bint silent_too) except -1
    cpdef drain(self)
    cpdef leave(self)
    cpdef close(self)
    @cython.locals(service=Service, transport=Transport)
    cdef _let_go(self, bint by_reset)
    cdef _abort(self)
    cdef bint _takes_requests(self) noexcept
    cdef bint _has_hung_up(self) except -1
    @cython.locals(service=Service)
    cdef _finish(self)
    @cython.locals(count=Py_ssize_t)
    cdef _linger(self)
    @cython.locals(before=int)
    cdef _wait_for(self, int interest)
    @cython.locals(buffer=bytearray, count=Py_ssize_t)
    cdef _receive(self)
    cdef _fail(self)
    cdef _process(self, bytearray data, Py_ssize_t count)
    cdef _go_on(self)
    cdef _give_up(self)
    cdef bint _is_sending(self) except -1
    cdef _drop_work(self)
