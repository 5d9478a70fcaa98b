from fastfile.server.service cimport Service
from fastfile.types cimport FileSlice, RequestHead, Response

cdef class Connection:
    cdef readonly int fd, state
    cdef readonly str peer
    cdef readonly double deadline_s
    cdef Service _service
    cdef int _interest
    cdef bytearray _input
    cdef object _parser, _body
    cdef RequestHead _head
    cdef list _parts, _unlogged
    cdef long long _batch_size
    cdef Py_ssize_t _skip, _lingered, _requests
    cdef bint _closing, _unread
    cpdef on_ready(self)
    cdef _receive(self)
    cdef _process(self, bytearray data, Py_ssize_t count)
    cdef Py_ssize_t _take(self, bytearray data, Py_ssize_t start, Py_ssize_t end) except -2
    cdef _begin_body(self, RequestHead head, bint has_begun)
    cdef Response _refusal(self, RequestHead head)
    cdef _respond(self, RequestHead head)
    cdef _refuse(self, error)
    cdef _answer(self, RequestHead head, Response response)
    cdef _send(self)
    cdef Py_ssize_t _send_memory(self) except -2
    cdef _drop_sent(self, Py_ssize_t sent)
    cdef _wait_to_send(self)
    cdef _settle(self, bint answered)
    cdef _finish(self)
    cdef _linger(self)
    cdef _abort(self)
    cdef _wait_for(self, int interest)
    cdef _log_sent(self)
