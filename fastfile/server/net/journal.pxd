cimport cython

from fastfile.message cimport RequestHead, Response
from fastfile.server.log.access cimport AccessLog
from fastfile.server.log.lines cimport Client
from fastfile.server.metrics.counters cimport Metrics
from fastfile.server.net.service cimport Observers, Service

cdef class Journal:
    cdef Service _service
    cdef Client _client
    cdef bytes _peer
    cdef list _unlogged
    cdef int _unmeasured
    cdef double _began_s
    cdef public long long unsent
    @cython.locals(observers=Observers)
    cdef note(self, RequestHead head, Response response, double began_s)
    @cython.locals(metrics=Metrics)
    cdef note_all_sent(self, bytes peer)
    @cython.locals(log=AccessLog, head=RequestHead, client=bytes, response=Response, unlogged=list,
                   index=Py_ssize_t, body_size=cython.longlong)
    cdef report(self, bytes peer, long long unsent)
    @cython.locals(observers=Observers)
    cpdef record(self, RequestHead head, Response response, double began_s, long long body_size)
    @cython.locals(missing=cython.longlong, response=Response)
    cdef list _sent_sizes(self, long long unsent)
