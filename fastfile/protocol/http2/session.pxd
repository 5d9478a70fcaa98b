cimport cython

from fastfile.message cimport RequestHead
from fastfile.protocol.http2.control cimport Control
from fastfile.protocol.http2.frames cimport FrameReader
from fastfile.protocol.http2.heads cimport HeadReader
from fastfile.protocol.http2.sender cimport Flow
from fastfile.protocol.http2.stream cimport Stream

cdef int CONTINUATION, DATA, END_HEADERS, END_STREAM, HAS_PRIORITY, HEADERS, SETTINGS, ACK, WINDOW_SIZE
cdef double LIST_PER_TOKEN
cdef int BODY, CONTENT, END, MORE, PAUSE, REQUEST, TOO_LARGE, START, FIRST_SETTINGS, ANY, NOTHING

cdef class PartialBlock:
    cdef public long long stream_id
    cdef public bytes block
    cdef public int flags, frames
    cdef public bint is_circular

cdef class Session(Control):
    cdef object _limits
    cdef PartialBlock _partial
    cdef int _phase
    cdef readonly HeadReader heads
    cdef readonly long long stream_id
    cdef readonly RequestHead head
    cpdef receive(self, bytearray data, Py_ssize_t count, double now_s)
    cpdef end_batch(self)
    cpdef bint is_between(self) except -1
    cpdef end(self, code, str detail)
    cpdef bint has_ended(self) except -1
    @cython.locals(frames=FrameReader, event=int, kind=int)
    cpdef int next_event(self) except -1
    @cython.locals(frames=FrameReader, is_circular=bint)
    cdef int _on_headers(self) except -1
    @cython.locals(frames=FrameReader, partial=PartialBlock)
    cdef int _on_continuation(self) except -1
    @cython.locals(head=RequestHead, is_end=bint)
    cdef int _take_block(self, long long stream_id, bytes block, int flags, bint is_circular) except -1
    cdef _charge_list(self)
    @cython.locals(stream=Stream)
    cpdef Stream open(self, bint is_complete)
    @cython.locals(stream=Stream)
    cdef int _take_trailers(self, long long stream_id, bytes block, bint is_end) except -1
    cdef int _end_body(self, Stream stream) except -1
    @cython.locals(frames=FrameReader, flow=Flow, stream_id=cython.longlong, size=Py_ssize_t, content=Py_ssize_t,
                   is_end=bint, stream=Stream)
    cdef int _on_data(self) except -1
    @cython.locals(data=bytes)
    cdef int _pass_on(self, Stream stream, Py_ssize_t size, bint is_end) except -1
