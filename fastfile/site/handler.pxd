cimport cython

from fastfile.site.entry cimport Entry
from fastfile.clock cimport Clock
from fastfile.site.error_pages cimport ErrorPages
from fastfile.responder cimport Responder
from fastfile.site.representation cimport Representation
from fastfile.http.ranges cimport parse_range
from fastfile.message cimport Deferred, RequestHead, Response

cdef unsigned char QUESTION_MARK

cdef class Handler(Responder):
    cdef Clock _clock
    cdef readonly long long hits
    cdef object _log_failure, _mounts
    cdef ErrorPages _pages
    cdef dict _entries
    cdef tuple _allowed_hosts
    cdef int _max_ranges
    cdef set _authorities
    cdef bytes _last_authority
    cdef Response _options
    @cython.locals(entry=Entry, representation=Representation)
    cpdef respond(self, RequestHead head)
    cpdef refuse(self, error, RequestHead head)
    @cython.locals(entry=Entry)
    cdef Entry _known_entry(self, RequestHead head)
    cdef Response _make_absence(self, Entry entry, RequestHead head)
    cdef _complete(self, response, RequestHead head)
    cdef _complete_later(self, deferred, RequestHead head)
    @cython.locals(representation=Representation)
    cdef _respond(self, RequestHead head, Entry entry)
    @cython.locals(size=cython.longlong, ranges=tuple)
    cdef Response _respond_conditionally(self, RequestHead head, Representation representation)

cdef bint _is_usual_revalidation(RequestHead head, Representation representation) except -1
cdef bint _is_unconditional(RequestHead head) except -1
