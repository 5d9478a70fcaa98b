cimport cython

from fastfile._sendfile cimport (
    close,
    recv_into,
    reset,
    send_parts,
    send_response,
    shutdown_read,
    shutdown_write,
)
from fastfile.message cimport FileSlice
from fastfile.server.net.tls.channel cimport Channel
from fastfile.server.net.transport cimport Transport

cdef int WOULD_BLOCK, WOULD_BLOCK_READ, WOULD_BLOCK_WRITE, SECURE, INSECURE
cdef Py_ssize_t PIECE, LARGEST, WIRE_SIZE
cdef int FIRST_LETTER, LAST_LETTER

cdef class TlsEndpoint:
    cdef public object contexts, channels
    cdef bytearray wire
    @cython.locals(transport=TlsTransport)
    cpdef Transport make_transport(self, int fd, bytes peer, bint has_preface)

cdef class TlsTransport(Transport):
    cdef TlsEndpoint _endpoint
    cdef Channel _channel
    cdef bint _is_fresh, _is_raw, _is_holding, _has_ended
    cdef long long _plain, _reported, _left, _last
    cdef _set_up(self, int fd, bytes peer, TlsEndpoint endpoint, bint has_preface)
    cpdef bint end_preface(self, bytearray rest) except -1
    cpdef bint covers(self, bytes authority) except -1
    @cython.locals(count=Py_ssize_t, got=Py_ssize_t, wire=bytearray)
    cpdef Py_ssize_t recv_into(self, bytearray buffer) except -3
    cpdef note_last(self, long long size)
    cpdef Py_ssize_t send_response(self, bytes head, bytes tail, tuple parts) except -3
    cpdef Py_ssize_t send_parts(self, list parts, Py_ssize_t skip) except -3
    @cython.locals(left=Py_ssize_t, got=Py_ssize_t)
    cpdef Py_ssize_t send_file(self, FileSlice part, long long skip, Py_ssize_t count) except -3
    cpdef shutdown_write(self)
    cpdef close(self)
    cpdef reset(self)
    cdef _note_first(self, int first)
    @cython.locals(rest=bytes)
    cdef Py_ssize_t _receive_raw(self, bytearray buffer) except -3
    cdef bint _shake_hands(self, Py_ssize_t count) except -1
    @cython.locals(got=Py_ssize_t)
    cdef Py_ssize_t _decrypt(self, Py_ssize_t count, bytearray buffer) except -3
    cdef Py_ssize_t _settle(self) except -3
    @cython.locals(left=Py_ssize_t, total=Py_ssize_t, stop=Py_ssize_t, size=Py_ssize_t, content=bytes, piece=FileSlice)
    cdef Py_ssize_t _send(self, list parts, Py_ssize_t skip) except -3
    cdef Py_ssize_t _dispatch(self, Py_ssize_t plain) except -3
    cdef Py_ssize_t _resume(self) except -3
    @cython.locals(share=cython.longlong)
    cdef _note_progress(self)
    @cython.locals(left=Py_ssize_t)
    cdef Py_ssize_t _take_left(self) except -3
    @cython.locals(is_sent=cython.bint)
    cdef bint _flush(self) except -1
    cdef _notify_of_end(self)

cdef Py_ssize_t _count(Py_ssize_t sent) noexcept
