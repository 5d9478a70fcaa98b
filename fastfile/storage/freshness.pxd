from fastfile cimport _sendfile as sendfile
from fastfile.clock cimport Clock

cdef class Stamp:
    cdef readonly bytes path, signature
    cdef long long batch_number
    cpdef bint is_fresh(self, Clock clock)
