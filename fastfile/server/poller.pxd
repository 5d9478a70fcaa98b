from fastfile.clock cimport Clock

cdef class EpollPoller:
    cdef readonly dict watchers
    cdef Clock _clock
    cdef object _on_failure, _epoll, _loop
