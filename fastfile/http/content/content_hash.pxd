cimport cython

cdef bytes _IS_MARK
cdef int SLASH, DOT, HYPHEN

@cython.locals(start=Py_ssize_t, end=Py_ssize_t, length=Py_ssize_t, byte=cython.uchar, has_extension=bint,
               has_mark=bint, has_separator=bint, stem=bytes, extension=bytes)
cpdef bint is_immutable(bytes path) except -1
