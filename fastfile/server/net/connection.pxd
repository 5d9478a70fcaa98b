cimport cython

from fastfile._sendfile cimport copy_of
from fastfile.message cimport Deferred, RequestHead, Response
from fastfile.server.net.deferral cimport Deferral
from fastfile.server.net.output cimport Output
from fastfile.server.net.reader cimport RequestReader
from fastfile.server.net.service cimport Service

cdef int IDLE, HEAD, BODY, WAITING, SENDING, READING, LINGERING, CLOSED
cdef int READ, WOULD_BLOCK_READ
cdef Py_ssize_t LOOK_EACH

cdef class Connection(Output):
    cdef RequestReader _reader
    cdef Deferral _deferral
    cdef Response _early
    cdef bytearray _preface
    @cython.locals(buffer=bytearray, count=Py_ssize_t)
    cpdef bytearray read_first(self, double kept_s)
    cpdef start(self, bytearray data)
    cpdef on_ready(self)
    cpdef on_deadline(self)
    cpdef bint is_quiet(self, bint silent_too) except -1
    @cython.locals(buffer=bytearray, count=Py_ssize_t)
    cdef _receive(self)
    @cython.locals(service=Service, reader=RequestReader, before=Py_ssize_t, is_waiting=bint)
    cdef _process(self, bytearray data, Py_ssize_t count)
    cdef bint _read_preface(self) except -1
    cdef _refuse_silently(self, str complaint)
    cdef _take_requests(self, RequestReader reader)
    @cython.locals(head=RequestHead, early=Response)
    cdef bint _take_request(self, RequestReader reader) except -1
    cdef _keep(self, RequestReader reader)
    @cython.locals(service=Service)
    cdef _begin_body(self, RequestHead head, RequestReader reader)
    @cython.locals(service=Service, reader=RequestReader)
    cdef _decide_on_body(self, RequestHead head, Response response, double began_s)
    cdef _refuse_body(self, RequestHead head, Response response, double began_s)
    @cython.locals(service=Service, began_s=double)
    cdef _respond(self, RequestHead head, RequestReader reader)
    cdef _deliver(self, RequestHead head, Response response, RequestReader reader, double began_s)
    @cython.locals(response=Response)
    cdef _advance(self, RequestHead head, answer, double began_s, bint is_early)
    cdef Response _refusal_for_now(self, RequestHead head)
    @cython.locals(deferral=Deferral)
    cdef _resume(self, answer)
    @cython.locals(deferral=Deferral)
    cdef _drop_deferral(self)
    @cython.locals(early=Response)
    cdef _drop_early(self)
    cdef _give_up(self)
    @cython.locals(head=RequestHead, response=Response)
    cdef _refuse(self, error, RequestReader reader, bint is_head)
    cdef _refuse_unreadable(self, error, RequestReader reader)
    @cython.locals(service=Service, now_s=double, before=int, reader=RequestReader, is_in_head=bint)
    cdef _settle(self, bint responded)
    cdef _drop_work(self)
