cimport cython

from fastfile._sendfile cimport read_data_frames
from fastfile.message cimport FileSlice, Response
from fastfile.protocol.http2.stream cimport Stream

cdef int CLOSED, PENDING, READING, SENDING, WAITING, UNKNOWN_SIZE
cdef int END_STREAM, FRAME_HEAD
cdef double DEFERRED_TOKENS, FORWARDED_TOKENS, HEAVY_TOKENS, HELD_TOKENS
cdef Py_ssize_t READ_SIZE, AHEAD_SIZE, SMALL_PART, DATA_SIZE, FRAME_SIZE

cdef class Transfer:
    cdef readonly Stream stream
    cdef public int state
    cdef readonly double began_s
    cdef public double deadline_s
    cdef public bint is_heavy
    cdef public object job, body
    cdef public Response response
    cdef public long long progress
    cdef readonly long long sent
    cdef public long long turn
    cdef tuple _parts
    cdef Py_ssize_t _index
    cdef long long _skip, _left, _trusted
    cdef object _source
    cpdef begin(self, Response response, double deadline_s)
    cpdef bint is_done(self) except -1
    cpdef bint may_end(self) except -1
    cpdef look(self)
    @cython.locals(size=cython.longlong, piece=bytes, pieces=list)
    cpdef bytes take(self, long long room)
    @cython.locals(size=cython.longlong, piece=bytes)
    cdef bytes _take_part(self, long long room)
    @cython.locals(file=FileSlice)
    cpdef bint has_file(self) except -1
    @cython.locals(part=FileSlice, count=cython.longlong, flags=int, offset=cython.longlong, frames=bytes,
                   size=Py_ssize_t)
    cpdef bytes take_frames(self, long long room)
    cdef _count(self, long long count, long long size)
    cpdef call_when_ready(self, wake)
    cpdef double reset_price(self) except -1
    @cython.locals(response=Response)
    cpdef drop(self)
    @cython.locals(mine=Stream, its=Stream, is_whole=bint)
    cpdef bint is_before(self, Transfer other) except -1
    @cython.locals(offset=cython.longlong, piece=bytes)
    cdef bytes _read(self, FileSlice part, long long count)
    @cython.locals(size=cython.longlong)
    cdef bint _pull(self) except -1
