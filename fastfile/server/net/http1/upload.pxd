cimport cython

from fastfile.message cimport RequestHead, Response
from fastfile.server.net.http1.connection cimport Http1Connection
from fastfile.server.net.service cimport Service

cdef int CLOSED, MORE, WAITING, READ, WRITE, WOULD_BLOCK_WRITE

cdef class Http1Upload(Http1Connection):
    cdef int _base
    cdef object _body
    @cython.locals(service=Service, began_s=double)
    cpdef begin(self, RequestHead head, bytes data)
    cpdef watch_input(self)
    cpdef Py_ssize_t receive_into(self, bytearray buffer) except -3
    cpdef invite(self)
    cpdef lose(self)
    cdef _go_on(self)
    cdef _wait_for(self, int interest)
    cdef _put(self, RequestHead head, Response response, double began_s)
    cdef _settle(self, bint responded)
    cdef _drop_work(self)


@cython.locals(upload=Http1Upload)
cpdef take_over(Http1Connection connection, RequestHead head, bytes data)
