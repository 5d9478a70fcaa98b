cimport cython

from fastfile.server.log.lines cimport Client, Lines

cdef Py_ssize_t _BATCH

cdef class AccessLog:
    cdef readonly Py_ssize_t dropped
    cdef Lines _lines
    cdef Py_ssize_t _count, _unreported
    cdef object _now, _path, _sink
    cdef bytearray _queue
    cpdef Client make_client(self, str peer)
    @cython.locals(lines=Lines)
    cpdef record(self, Client client, tuple exchange, long long body_size, long long second)
    cpdef flush(self)
    @cython.locals(lines=bytes, count=Py_ssize_t, size=Py_ssize_t)
    cdef _queue_lines(self)
    cdef _report_dropped(self)
