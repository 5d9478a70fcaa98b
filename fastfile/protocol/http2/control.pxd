cimport cython

from fastfile.protocol.http2.frames cimport FrameReader
from fastfile.protocol.http2.sender cimport Flow, Sender
from fastfile.protocol.http2.stream cimport Stream

cdef int ACK, GOAWAY, HEADER_TABLE_SIZE, PING, PRIORITY, PRIORITY_UPDATE, PUSH_PROMISE
cdef int RST_STREAM, SETTINGS, WINDOW_UPDATE
cdef long long LARGE_UPDATE, MAX_WINDOW, TABLE_SIZE
cdef double LARGE_UPDATE_TOKENS

cdef class Control(Sender):
    cdef dict _early
    cdef Py_ssize_t _max_streams
    cdef readonly FrameReader frames
    cdef readonly Stream stream
    @cython.locals(frames=FrameReader, size=Py_ssize_t, is_of_stream=bint)
    cdef int _on_control(self, int kind) except -1
    @cython.locals(frames=FrameReader, flow=Flow, stream_id=cython.longlong, more=cython.longlong, stream=Stream,
                   is_useful=bint)
    cdef int _on_window_update(self, Py_ssize_t size) except -1
    @cython.locals(stream_id=cython.longlong, stream=Stream)
    cdef int _on_reset(self, Py_ssize_t size) except -1
    @cython.locals(frames=FrameReader, stream_id=cython.longlong, stream=Stream)
    cdef int _on_priority(self, Py_ssize_t size) except -1
    @cython.locals(frames=FrameReader, stream_id=cython.longlong, stream=Stream)
    cdef _on_priority_update(self, Py_ssize_t size)
    @cython.locals(frames=FrameReader, start=Py_ssize_t)
    cdef _on_settings(self, Py_ssize_t size)
    @cython.locals(flow=Flow, stream=Stream)
    cdef _set(self, long long key, long long value)
    cdef bint _is_idle(self, long long stream_id) except -1
    cdef int _fail_stream(self, Stream stream, code) except -1
