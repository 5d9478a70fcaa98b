cimport cython

from fastfile.server.net.poller cimport Watcher
from fastfile.server.net.service cimport Service
from fastfile.server.net.transport cimport Transport

cdef int BODY, CLOSED, HEAD, IDLE, LINGERING, READ
cdef Py_ssize_t LINGER_SIZE

cdef class Lifecycle(Watcher):
    cdef readonly int state
    cdef readonly double deadline_s
    cdef Service _service
    cdef Transport _transport
    cdef int _interest
    cdef Py_ssize_t _lingered
    cdef bint _ends_here, _unread
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
    cdef _drop_work(self)
