cimport cython

from fastfile._sendfile cimport accept, close
from fastfile.server.net.connection cimport Connection
from fastfile.server.net.http1.connection cimport make_connection
from fastfile.server.net.poller cimport Poller, Watcher
from fastfile.server.net.service cimport Service
from fastfile.server.net.transport cimport Copying, Transport, make_plain_transport

cdef int ACCEPTS, SECURE_ACCEPTS, TOGETHER

cdef class Listener(Watcher):
    cdef Service _service
    cdef readonly object listening
    cdef object _on_exhausted, _tls
    cdef Copying _copying
    cdef int _fd
    cdef Py_ssize_t _max_connections, _crowded
    cdef double _shed_after_s
    cdef double _kept_s
    cdef bint _paused, _stopped
    cpdef on_ready(self)
    @cython.locals(more=bint, fresh=list, said=list, connection=Connection, is_checked=bint)
    cdef _accept(self, int most)
    @cython.locals(connection=Connection, service=Service, fd=int, address=bytes, accepted=tuple, data=bytearray,
                   is_admitted=bint)
    cdef bint _gather(self, list fresh, list said, int most) except -1
    cdef Transport _make_transport(self, int fd, bytes address)
    cdef _drop(self, Connection connection, int fd, bytes address)
    @cython.locals(now_s=double, poller=Poller, service=Service)
    cpdef shed_idle(self)
