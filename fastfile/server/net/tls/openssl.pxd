from fastfile._sendfile cimport read_file, read_memory
from fastfile.server.net.tls.channel cimport Channel

cdef extern from "openssl.h" nogil:
    ctypedef struct SSL:
        pass
    ctypedef struct SSL_CTX:
        pass
    ctypedef struct BIO:
        pass
    ctypedef struct ff_shared:
        pass
    ctypedef struct ff_wire:
        const char *input
        size_t input_size
        int quiet

cdef class OpensslChannels:
    cdef ff_shared *shared
    cdef object incoming, outgoing

cdef class OpensslChannel(Channel):
    cdef OpensslChannels channels
    cdef object engine  # the connection too: the collector may clear that of the base class first
    cdef SSL *pointer
    cdef ff_wire *wire
    cdef BIO *bio
    cdef bytes lone  # the plaintext that the wire points to
    cdef int offer(self, bytearray wire, Py_ssize_t count) except -1
    cdef int fail(self) except -1
    cdef int keep(self, bint is_done) except -1
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
