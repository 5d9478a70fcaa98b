cimport cython

from fastfile.clock cimport Clock
from fastfile.responder cimport Responder
from fastfile.server.log.access cimport AccessLog
from fastfile.server.net.clients cimport Clients
from fastfile.server.metrics.counters cimport Metrics
from fastfile.server.net.poller cimport Poller
from fastfile.server.net.http1.reader cimport RequestReader

cdef class Limits:
    cdef readonly object parser
    cdef readonly double head_timeout_s, body_timeout_s, idle_timeout_s, write_timeout_s
    cdef readonly Py_ssize_t least_progress

cdef class Observers:
    cdef readonly AccessLog log
    cdef readonly Metrics metrics
    cdef readonly object complaints
    cdef readonly bint see_responses

cdef class Tails:
    cdef Clock _clock
    cdef long long _date_s
    cdef bytes _persistent, _persistent_1_0, _closing
    cpdef bytes choose(self, bint close, bint is_current)
    cdef _renew(self)

cdef class Service:
    cdef readonly Responder handler, insecure
    cdef readonly Poller poller
    cdef readonly object offload, disk
    cdef public RequestReader reader
    cdef public object http2, uploads
    cdef readonly Clock clock
    cdef readonly Clients clients
    cdef readonly Observers observers
    cdef readonly Limits limits
    cdef readonly Tails tails
    cdef public bint draining
    cdef readonly bytearray buffer
    @cython.locals(reader=RequestReader)
    cdef RequestReader shared_reader(self)
    @cython.locals(limits=Limits)
    cpdef drain(self, double idle_timeout_s, double head_timeout_s)
