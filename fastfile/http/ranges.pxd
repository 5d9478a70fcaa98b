cimport cython

cdef long long ENOUGH


@cython.locals(spec=tuple)
cpdef tuple parse_range(bytes value, long long size, Py_ssize_t max_ranges)


@cython.locals(position=Py_ssize_t, begin=Py_ssize_t, dash=Py_ssize_t, end=Py_ssize_t)
@cython.locals(first=cython.longlong, last=cython.longlong, has_last=bint)
cdef tuple _maybe_spec(bytes text, Py_ssize_t position, long long size)
