cimport cython

from fastfile.clock cimport Clock
from fastfile.message cimport Response
from fastfile.site.representation cimport Representation
from fastfile.storage.cache cimport CacheEntry
from fastfile.storage.freshness cimport Stamp

cdef class Entry(CacheEntry):
    # First what a cached request reads, so that it is in one or two cache lines.
    cdef long long _batch_number
    cdef readonly tuple stamps
    cdef readonly Response only
    cdef readonly int status
    cdef readonly Representation identity
    cdef readonly dict variants
    cdef readonly Entry fallback
    cdef readonly object offer
    cdef readonly bytes vary
    cdef readonly str hint
    cdef public bytes key
    cdef bint _is_lone
    cdef tuple _codings
    cdef dict _choices
    cdef _count(self, Representation representation)
    @cython.locals(stamp=Stamp)
    cpdef bint is_fresh(self, Clock clock)
    @cython.locals(identity=Representation, choice=Representation)
    cpdef Representation select(self, bytes accept_encoding, bint wants_range)
    cdef Representation _select_lone(self, bytes accept_encoding, tuple codings)
    cdef Representation _next_best(self, tuple codings)
    @cython.locals(content=bytes, overhead=cython.longlong)
    cpdef long long size_with(self, Representation variant)
    cpdef add(self, Representation variant)
    cpdef withdraw(self)

@cython.locals(entry=Entry, stamp=Stamp)
cpdef Entry make_lone(tuple stamps, Representation representation)
