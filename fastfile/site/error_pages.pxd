from fastfile.message cimport RequestHead, Response

cdef class ErrorPages:
    cdef object _changes
    cdef str _home
    cdef dict _pages, _types
    cdef bytes _last_lines
    cdef str _last_hint
    cdef Response _last_absence
    cpdef Response make(self, error, RequestHead head, bytes html=*, str hint=*, str link=*)
    cpdef Response make_absence(self, RequestHead head, str hint=*)
    cpdef bytes choose_type(self, bytes accept)
