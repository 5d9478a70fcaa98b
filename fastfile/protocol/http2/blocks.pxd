cimport cython

from fastfile.message cimport PartialHead, ResponseHead

cpdef bytes block_of(ResponseHead head)
cdef bytes _encode(ResponseHead head)
@cython.locals(content_range=bytes, length=bytes)
cdef bytes _encode_partial(PartialHead head)
