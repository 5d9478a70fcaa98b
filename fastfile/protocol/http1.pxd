cimport cython

from fastfile._sendfile cimport concatenate
from fastfile.message cimport FileHead, PartialHead, ResponseHead

cpdef bytes head_of(ResponseHead head)
cdef bytes _serialize(ResponseHead head)
cdef bytes _serialize_file(FileHead head)


@cython.locals(start=cython.longlong, stop=cython.longlong, size=cython.longlong, lines=str)
cdef bytes _serialize_partial(PartialHead head)
cdef bytes _make_field_lines(tuple fields)
