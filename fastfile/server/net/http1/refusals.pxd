cimport cython

from fastfile.message cimport RequestHead, Response
from fastfile.server.net.http1.output cimport Output
from fastfile.server.net.http1.reader cimport RequestReader

cdef int MORE

cdef class Refusals(Output):
    cdef _refuse_body(self, RequestHead head, Response response, double began_s)
    cdef Response _refusal_for_now(self, RequestHead head)
    @cython.locals(head=RequestHead, response=Response)
    cdef _refuse(self, error, RequestReader reader, bint is_head)
    cdef _refuse_unreadable(self, error, RequestReader reader)
