cimport cython

from fastfile._sendfile cimport send_parts, slice_of

cdef int WOULD_BLOCK
cdef Py_ssize_t FULL, RECORD_HEAD

cdef class Channel:
    cdef readonly object connection
    cdef readonly bint has_ended
    cdef readonly Py_ssize_t size, sent
    cpdef feed(self, bytearray data)
    cpdef bytes take_back(self)
    cpdef bint has_input(self) except -1
    cpdef bint shake_hands(self, bytearray wire, Py_ssize_t count) except -1
    cpdef bint has_tls_1_3(self) except -1
    cpdef bytes protocol(self)
    cpdef Py_ssize_t decrypt(self, bytearray wire, Py_ssize_t count, bytearray buffer) except -2
    cpdef write(self, bytes data, Py_ssize_t start, Py_ssize_t stop)
    cpdef Py_ssize_t write_file(self, int fd, long long offset, Py_ssize_t count, bint is_cached) except -1
    cpdef bint send(self, int fd) except -1
    cpdef end(self)

cdef class MemoryChannel(Channel):
    cdef object _incoming, _outgoing, _engine
    cdef list _gathered, _records
    cdef Py_ssize_t _gathered_size, _body, _quiet
    cdef bytes _head, _held
    cpdef feed(self, bytearray data)
    cpdef bytes take_back(self)
    cpdef bint has_input(self) except -1
    cpdef bint shake_hands(self, bytearray wire, Py_ssize_t count) except -1
    cpdef bint has_tls_1_3(self) except -1
    cpdef bytes protocol(self)
    @cython.locals(more=Py_ssize_t)
    cpdef Py_ssize_t decrypt(self, bytearray wire, Py_ssize_t count, bytearray buffer) except -2
    @cython.locals(fitting=Py_ssize_t)
    cpdef write(self, bytes data, Py_ssize_t start, Py_ssize_t stop)
    @cython.locals(content=bytes)
    cpdef Py_ssize_t write_file(self, int fd, long long offset, Py_ssize_t count, bint is_cached) except -1
    @cython.locals(record=bytes, gone=Py_ssize_t, total=Py_ssize_t)
    cpdef bint send(self, int fd) except -1
    cpdef end(self)
    @cython.locals(data=bytes)
    cdef _feed(self, bytearray wire, Py_ssize_t count)
    @cython.locals(start=Py_ssize_t, size=Py_ssize_t)
    cdef _count_records(self, bytes data)
    cdef _gather(self, data, Py_ssize_t size)
    cdef _seal(self)
    @cython.locals(start=Py_ssize_t, size=Py_ssize_t)
    cdef _encrypt(self, data)
