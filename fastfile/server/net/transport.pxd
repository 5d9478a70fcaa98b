cimport cython

from fastfile._sendfile cimport close, copy_file, recv_into, reset, send_file, send_parts, send_response, shutdown_write
from fastfile.message cimport FileSlice

cdef int WOULD_BLOCK

cdef class Transport:
    cdef readonly int fd
    cdef public bytes peer
    cdef readonly int kind
    cdef readonly bytes alpn
    cdef readonly bint is_handshaking
    cpdef Py_ssize_t recv_into(self, bytearray buffer) except -3
    cpdef bint end_preface(self, bytearray rest) except -1
    cpdef bint covers(self, bytes authority) except -1
    cpdef note_last(self, long long size)
    cpdef Py_ssize_t send_response(self, bytes head, bytes tail, tuple parts) except -3
    cpdef Py_ssize_t send_parts(self, list parts, Py_ssize_t skip) except -3
    cpdef Py_ssize_t send_file(self, FileSlice part, long long skip, Py_ssize_t count) except -3
    cpdef shutdown_write(self)
    cpdef close(self)
    cpdef reset(self)

cdef class Copying:
    cdef set _devices
    cdef bint is_needed(self, int fd) except -1
    cdef add(self, int fd)

cdef class PlainTransport(Transport):
    cdef Copying _copying
    cdef _set_up(self, int fd, bytes peer, Copying copying)
    cpdef Py_ssize_t recv_into(self, bytearray buffer) except -3
    @cython.locals(sent=Py_ssize_t)
    cpdef Py_ssize_t send_response(self, bytes head, bytes tail, tuple parts) except -3
    @cython.locals(sent=Py_ssize_t)
    cpdef Py_ssize_t send_parts(self, list parts, Py_ssize_t skip) except -3
    @cython.locals(sent=Py_ssize_t)
    cpdef Py_ssize_t send_file(self, FileSlice part, long long skip, Py_ssize_t count) except -3
    cpdef shutdown_write(self)
    cpdef close(self)
    cpdef reset(self)


@cython.locals(transport=PlainTransport)
cpdef PlainTransport make_plain_transport(int fd, bytes peer, Copying copying)
