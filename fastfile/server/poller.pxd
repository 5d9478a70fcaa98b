cimport cython

from fastfile._sendfile cimport Epoll as KernelEpoll
from fastfile.clock cimport Clock

cdef int ROUNDS

cdef class Watcher:
    cpdef on_ready(self)

cdef class EpollPoller:
    cdef readonly dict watchers
    cdef Clock _clock
    cdef object _on_failure, _loop
    cdef KernelEpoll _epoll
    @cython.locals(count=int, index=int, _=int, watcher=Watcher)
    cpdef _run(self)
