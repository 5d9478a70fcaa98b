cpdef bytes read_signature(bytes path, bint follow=*)
cpdef bint has_signature(bytes path, bytes signature) except -1

cdef class Epoll:
    cdef int fd
    cdef int[256] batch
    cpdef int wait(self) except -1
    cpdef int ready(self, int index) except -1
