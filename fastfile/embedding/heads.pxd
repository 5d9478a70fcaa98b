# The C types of heads.py.

cimport cython

from fastfile.message cimport RequestHead

cdef dict _PLACES


@cython.locals(values=list, section=list, others=list)
cpdef RequestHead make_head(method, bytes target, lines)
