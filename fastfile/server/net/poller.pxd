cimport cython

from fastfile._sendfile cimport Epoll as KernelEpoll
from fastfile.clock cimport Clock

cdef int ROUNDS

cdef class Watcher:
    cpdef on_ready(self)

cdef class Poller:
    cdef readonly Py_ssize_t count
    cdef list _watchers
    cdef Clock _clock
    cdef object _on_failure
    cpdef watch(self, int fd, Watcher watcher, int interest)
    cpdef change(self, int fd, int interest)
    cpdef forget(self, int fd)
    cdef _add(self, int fd, int interest)
    cdef _remove(self, int fd)

cdef class EpollPoller(Poller):
    cdef object _loop
    cdef KernelEpoll _epoll
    cpdef change(self, int fd, int interest)
    cdef _add(self, int fd, int interest)
    cdef _remove(self, int fd)
    @cython.locals(count=int, index=int, _=int, watcher=Watcher)
    cpdef _run(self)

cdef class LoopPoller(Poller):
    cdef object _loop
    cdef dict _interests
    cdef bint _in_batch
    cpdef change(self, int fd, int interest)
    cdef _add(self, int fd, int interest)
    cdef _remove(self, int fd)
