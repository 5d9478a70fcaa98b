cimport cython

from fastfile.clock cimport Clock
from fastfile.message cimport FileSlice, Response
from fastfile.server.net.poller cimport Poller
from fastfile.server.net.transport cimport Transport

cdef Py_ssize_t BATCH_SIZE, BATCH_PARTS, SEND_SIZE, PULL_SIZE, PART_SIZE, CHECK_SIZE, READ_SIZE, AHEAD_SIZE
cdef double CHECK_S

cdef class SendQueue:
    cdef list _parts
    cdef object _source
    cdef Py_ssize_t _skip
    cdef long long _unpulled, _cached
    cdef bint _is_cold, _is_chunked, _is_pending
    cdef Response _response
    cdef readonly Py_ssize_t pends
    cdef public long long progress
    cdef readonly long long sent, unsent
    cdef put(self, Response response, bytes head, bytes tail, bint is_chunked)
    cdef put_bytes(self, bytes part)
    cdef bint has_any(self) except -1
    cdef bint is_full(self) except -1
    @cython.locals(sent=Py_ssize_t, count=cython.longlong, outcome=int)
    cdef int pump(self, Transport transport, Poller poller, Clock clock) except -1
    @cython.locals(parts=list, size=cython.longlong, done=Py_ssize_t)
    cdef drop_sent(self, Py_ssize_t sent)
    @cython.locals(start=cython.longlong, count=cython.longlong, more=cython.longlong)
    cdef reading(self)
    cdef trust_cache(self)
    cdef call_when_ready(self, wake)
    cdef drop(self)
    cdef _drop_source(self)
    @cython.locals(start=cython.longlong, count=cython.longlong)
    cdef bint _is_cached(self, FileSlice part, double now_s) except -1
    @cython.locals(pulled=cython.longlong)
    cdef int _pull(self, Poller poller) except -1
    @cython.locals(size=cython.longlong)
    cdef long long _queue_part(self, part) except -1
    cdef _queue_unpromised(self, part, long long size)
