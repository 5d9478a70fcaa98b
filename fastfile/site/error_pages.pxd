from fastfile.message cimport RequestHead, Response

cdef class ErrorPages:
    cdef object _changes
    cdef dict _pages, _absences, _types
    cdef bytes _last_lines
    cdef Response _last_absence
    cpdef Response make(self, error, RequestHead head, bytes html=*, str hint=*)
    cpdef Response make_absence(self, RequestHead head)
    cpdef bytes choose_type(self, bytes accept)
