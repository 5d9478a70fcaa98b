cimport cython

cdef int LOOPBACK
cdef bytes MAPPED, LOOPBACK_6

cdef class Clients:
    cdef Py_ssize_t _limit
    cdef bint _counts_own
    cdef dict _counts
    cdef list _waiting
    cdef readonly object proxies
    cdef bint _have_prefaces
    @cython.locals(client=bytes, count=Py_ssize_t)
    cpdef bint admit(self, bytes address) except -1
    @cython.locals(client=bytes, count=Py_ssize_t)
    cpdef release(self, bytes address)
    cpdef bint send_preface(self, bytes address) except -1
    cdef bytes _client(self, bytes address)
