cimport cython

from fastfile._sendfile cimport make_data_frames, put_data_frame, put_frame, slice_of

cdef int FRAME_HEAD, FRAME_SIZE, PADDED
cdef Py_ssize_t DATA_SIZE, SCRATCH_SIZE, SMALL
cdef bytearray _NOTHING

cdef class FrameReader:
    cdef readonly bytearray data
    cdef Py_ssize_t _position, _end
    cdef bint _is_own
    cdef readonly int kind
    cdef public int flags
    cdef readonly long long stream_id
    cdef public Py_ssize_t start, stop
    cpdef feed(self, bytearray data, Py_ssize_t count)
    cpdef keep(self)
    cpdef bint is_empty(self) except -1
    @cython.locals(size=Py_ssize_t)
    cpdef bint skip(self, bytes expected) except -1
    @cython.locals(position=Py_ssize_t, data=bytearray, size=Py_ssize_t)
    cpdef bint next(self) except -1
    @cython.locals(value=cython.longlong, offset=int)
    cpdef long long number(self, Py_ssize_t position) except -1
    cpdef unpad(self)
    cpdef bytes payload(self)

cdef class Scratch:
    cdef bytearray memory
    cdef FrameWriter owner

cdef class FrameWriter:
    cdef readonly list parts
    cdef Scratch _scratch
    cdef Py_ssize_t _filled
    cdef readonly long long size
    cdef public long long progress
    cdef readonly Py_ssize_t skip
    @cython.locals(size=Py_ssize_t, memory=bytearray)
    cpdef put(self, int kind, int flags, long long stream_id, bytes first, bytes second=*)
    @cython.locals(size=Py_ssize_t, memory=bytearray)
    cpdef put_data(self, int flags, long long stream_id, bytes content)
    cpdef put_frames(self, bytes frames)
    cpdef list gather(self)
    @cython.locals(scratch=Scratch)
    cdef bytearray _claim(self, Py_ssize_t size)
    @cython.locals(done=Py_ssize_t, size=Py_ssize_t, part=bytes)
    cpdef drop_sent(self, Py_ssize_t sent)
