from fastfile.types cimport Response

cdef class Representation:
    cdef readonly object resource
    cdef readonly bytes media_type, coding, etag
    cdef readonly object mtime_s
    cdef readonly bint varies
    cdef readonly int status
    cdef bytes _field_lines
    cdef readonly Response full, not_modified
