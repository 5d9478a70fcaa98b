from fastfile.message cimport RequestHead

cdef class Responder:
    cpdef respond(self, RequestHead head)
    cpdef refuse(self, error, RequestHead head)
    cpdef stop(self)
