cimport cython

from fastfile.message cimport ResponseHead
from fastfile.protocol.http2.blocks cimport block_of
from fastfile.protocol.http2.budget cimport Budget
from fastfile.protocol.http2.frames cimport FrameWriter
from fastfile.protocol.http2.stream cimport Stream

cdef int CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, WINDOW_UPDATE
cdef Py_ssize_t FRAME_SIZE

cdef class Flow:
    cdef public long long window, initial, left

cdef class Sender:
    cdef dict _resets
    cdef bint _has_table
    cdef bytes _update
    cdef readonly Budget budget
    cdef readonly Flow flow
    cdef readonly long long last_id
    cdef readonly dict streams
    cdef readonly FrameWriter writer
    cpdef drop(self, Stream stream, code)
    cpdef reset(self, long long stream_id, code)
    cpdef close(self, Stream stream)
    cpdef put_continue(self, Stream stream)
    cpdef close_table(self)
    cdef bytes _take_update(self)
    @cython.locals(block=bytes, flags=int, kind=int)
    cpdef put_head(self, long long stream_id, ResponseHead head, bytes date, bint is_end)
    @cython.locals(size=Py_ssize_t)
    cpdef put_data(self, long long stream_id, bytes piece, bint is_end)
    cpdef put_frames(self, bytes frames, Py_ssize_t size)
    cpdef bint has_room(self, long long size) except -1
    cpdef put_goaway(self, code, str detail, bint is_final=*)
    cpdef widen(self, Stream stream, Py_ssize_t size)
    cdef _widen(self, long long stream_id, size)
