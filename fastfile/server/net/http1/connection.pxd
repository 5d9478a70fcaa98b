cimport cython

from fastfile.message cimport Deferred, RequestHead, Response
from fastfile.server.net.http1.deferral cimport Deferral
from fastfile.server.net.http1.handover cimport Handover
from fastfile.server.net.http1.reader cimport RequestReader
from fastfile.server.net.service cimport Service
from fastfile.server.net.transport cimport Transport

cdef int IDLE, HEAD, BODY, WAITING, SENDING, LINGERING, CLOSED
cdef int READ, MORE, NOTHING, PLAIN, SECURE
cdef Py_ssize_t LOOK_EACH

cdef class Http1Connection(Handover):
    cdef RequestReader _reader
    cdef _set_up_http1(self, Service service, Transport transport)
    cdef object _opening
    cpdef bint is_quiet(self, bint silent_too) except -1
    cdef _go_on(self)
    @cython.locals(service=Service, reader=RequestReader, before=Py_ssize_t)
    cdef _process(self, bytearray data, Py_ssize_t count)
    cdef bytearray _open(self, bytearray data, Py_ssize_t count)
    cdef _take_requests(self, RequestReader reader)
    @cython.locals(head=RequestHead, early=Response)
    cdef bint _take_request(self, RequestReader reader) except -1
    @cython.locals(service=Service)
    cdef bint _is_secure(self, RequestHead head) except -1
    cdef _keep(self, RequestReader reader)
    @cython.locals(service=Service)
    cdef _begin_body(self, RequestHead head, RequestReader reader)
    @cython.locals(service=Service, reader=RequestReader)
    cdef _decide_on_body(self, RequestHead head, Response response, double began_s)
    @cython.locals(service=Service, began_s=double)
    cdef _respond(self, RequestHead head, RequestReader reader)
    cdef _deliver(self, RequestHead head, Response response, RequestReader reader, double began_s)
    @cython.locals(response=Response)
    cdef _advance(self, RequestHead head, answer, double began_s, bint is_early)
    @cython.locals(deferral=Deferral)
    cdef _resume(self, answer)
    cdef _give_up(self)
    @cython.locals(service=Service, now_s=double, before=int, reader=RequestReader, is_in_head=bint)
    cdef _settle(self, bint responded)
    @cython.locals(reader=RequestReader)
    cdef _drop_work(self)


@cython.locals(connection=Http1Connection)
cpdef Http1Connection make_connection(Service service, Transport transport)
