# The C types of targets.py.

cimport cython


@cython.locals(is_inside=bint)
cpdef tuple find_place(raw, path, mount)
