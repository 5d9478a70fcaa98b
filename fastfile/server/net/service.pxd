cimport cython

from fastfile.clock cimport Clock
from fastfile.responder cimport Responder
from fastfile.server.log.access cimport AccessLog
from fastfile.server.net.clients cimport Clients
from fastfile.server.metrics.counters cimport Metrics
from fastfile.server.net.poller cimport Poller
from fastfile.server.net.http1.reader cimport RequestReader
from fastfile.server.net.transport cimport Copying

cdef class Service:
    cdef readonly Responder handler, insecure
    cdef readonly Poller poller
    cdef readonly object limits, offload, disk, complaints, proxies
    cdef public RequestReader reader
    cdef public object http2, uploads
    cdef readonly Copying copying
    cdef readonly bint is_observed, has_prefaces
    cdef readonly Clock clock
    cdef readonly AccessLog log
    cdef readonly Clients clients
    cdef readonly Metrics metrics
    cdef readonly double head_timeout_s, body_timeout_s, idle_timeout_s, write_timeout_s
    cdef readonly Py_ssize_t least_progress
    cdef public bint draining
    cdef readonly bytearray buffer
    cdef long long _date_s
    cdef bytes _persistent, _persistent_1_0, _closing
    cpdef bytes tail(self, bint close, bint is_current)
    @cython.locals(reader=RequestReader)
    cdef RequestReader shared_reader(self)
    cdef _renew_tails(self)
