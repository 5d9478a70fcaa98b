cimport cython

from fastfile._sendfile cimport Epoll as KernelEpoll, monotonic_s
from fastfile.clock cimport Clock

cdef int ROUNDS, LIGHT, HEAVY, QUEUED
cdef double TURN_S, LONG_TURN_S

cdef class Watcher:
    cpdef on_ready(self)

cdef class Poller:
    cdef readonly Py_ssize_t count
    cdef list _watchers
    cdef Clock _clock
    cdef object _on_failure
    cdef double _turn_began_s
    cdef bint _is_long
    cdef begin_turn(self)
    @cython.locals(now_s=double)
    cpdef bint is_turn_over(self) except -1
    cdef bint end_turn(self) except -1
    cpdef watch(self, int fd, Watcher watcher, int interest)
    cpdef replace(self, int fd, Watcher watcher)
    cpdef change(self, int fd, int interest)
    cpdef forget(self, int fd)
    cdef _add(self, int fd, int interest)
    cdef _remove(self, int fd)

cdef class EpollPoller(Poller):
    cdef object _loop
    cdef KernelEpoll _epoll
    cdef bytearray _weights
    cdef object _heavy
    cdef int _told
    cpdef change(self, int fd, int interest)
    cdef _add(self, int fd, int interest)
    cdef _remove(self, int fd)
    @cython.locals(count=int, _=int)
    cpdef _run(self)
    @cython.locals(fd=int)
    cdef _tell_ready(self, int count)
    @cython.locals(fd=int)
    cdef _tell_heavy(self)
    @cython.locals(watcher=Watcher)
    cdef _tell(self, int fd)

cdef class LoopPoller(Poller):
    cdef object _loop
    cdef dict _interests
    cdef bint _in_batch
    cpdef change(self, int fd, int interest)
    cdef _add(self, int fd, int interest)
    cdef _remove(self, int fd)
