from fastfile.types cimport Response

cdef class Representation:
    cdef readonly object resource
    cdef readonly bytes media_type, coding, etag
    cdef readonly object mtime_s
    cdef readonly tuple fields
    cdef readonly Response full, without_body, not_modified
