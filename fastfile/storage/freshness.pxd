cimport cython

from fastfile cimport _sendfile as sendfile
from fastfile.clock cimport Clock

cdef class Stamp:
    cdef readonly bytes path, signature
    cdef long long batch_number
    cpdef bint is_fresh(self, Clock clock)

cdef class OpenFolder:
    cdef Stamp stamp
    cdef readonly int fd
    @cython.locals(fd=int)
    cpdef close(self)

cdef class Folder:
    cdef bytes path
    cdef Stamp stamp
    cdef bint is_own, is_settled
    cdef object has_page, has_variants
    cdef OpenFolder held
    cdef long long lookups

cdef class FileStamp(Stamp):
    cdef OpenFolder _folder
    cdef Py_ssize_t _start
    @cython.locals(folder=OpenFolder)
    cpdef bint is_fresh(self, Clock clock)
