from fastfile.answer cimport Answer
from fastfile.clock cimport Clock
from fastfile.types cimport RequestHead, Response

cdef class Handler:
    cdef Clock _clock
    cdef object _log_failure, _site
    cdef dict _answers
    cdef tuple _allowed_hosts
    cdef int _max_ranges
    cdef set _hosts
    cdef dict _pages
    cpdef Response respond(self, RequestHead head)
