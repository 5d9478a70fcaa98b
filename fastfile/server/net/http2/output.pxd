cimport cython

from fastfile.message cimport RequestHead, Response
from fastfile.protocol.http2.frames cimport FrameWriter
from fastfile.protocol.http2.sender cimport Flow
from fastfile.protocol.http2.session cimport Session
from fastfile.protocol.http2.stream cimport Stream
from fastfile.server.net.connection cimport Connection
from fastfile.server.net.http2.shared cimport Http2
from fastfile.server.net.http2.transfer cimport Transfer
from fastfile.server.net.journal cimport Journal
from fastfile.server.net.poller cimport Poller
from fastfile.server.net.service cimport Service
from fastfile.server.net.transport cimport Transport

cdef int BODY, CLOSED, PENDING, READING, SENDING, WAITING, READ, WRITE
cdef Py_ssize_t BATCH_SIZE, LEAST_PIECE, AT_ONCE

cdef class Http2Output(Connection):
    cdef Http2 _shared
    cdef Session _session
    cdef Journal _journal
    cdef list _transfers
    cdef long long _turns
    cdef bint _is_behind
    cpdef on_wake(self, Transfer transfer)
    cdef _wake(self, Transfer transfer)
    cdef bint _is_sending(self) except -1
    cdef _drop_work(self)
    @cython.locals(session=Session, size=cython.longlong, parts=tuple, stream_id=cython.longlong)
    cdef _deliver(self, RequestHead head, Response response, double began_s)
    @cython.locals(stream=Stream)
    cdef Transfer _transfer(self, double began_s)
    cdef _begin(self, Transfer transfer, Response response)
    cdef _refuse(self, Transfer transfer, error)
    @cython.locals(stream=Stream)
    cdef _complete(self, Transfer transfer)
    cdef _cut(self, Transfer transfer, code)
    cdef _forget(self, Transfer transfer)
    @cython.locals(response=Response)
    cdef _log_and_drop(self, Transfer transfer)
    @cython.locals(transfers=list, transfer=Transfer)
    cdef _end(self, code, str detail)
    @cython.locals(session=Session, poller=Poller, transfer=Transfer)
    cdef bint _pump(self) except -1
    @cython.locals(best=Transfer, is_open=bint, transfer=Transfer)
    cdef Transfer _choose(self)
    @cython.locals(session=Session, stream=Stream, flow=Flow, left=cython.longlong, room=cython.longlong,
                   before=cython.longlong, size=cython.longlong, frames=bytes, piece=bytes, is_end=bint)
    cdef _send_pieces(self, Transfer transfer)
    cdef _read_from_disk(self, Transfer transfer)
    @cython.locals(writer=FrameWriter, transport=Transport, sent=Py_ssize_t)
    cdef bint _flush(self) except -1
    @cython.locals(is_stuck=bint, transfer=Transfer)
    cdef bint _give_up_streams(self, double now_s) except -1
    cdef bint _expire(self, Transfer transfer, double now_s) except -1
