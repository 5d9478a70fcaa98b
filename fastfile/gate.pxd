from fastfile.types cimport RequestHead

cdef class Responder:
    cpdef respond(self, RequestHead head)
    cpdef refuse(self, error, RequestHead head)
