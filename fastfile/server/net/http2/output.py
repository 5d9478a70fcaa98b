"""The output of an HTTP/2 connection: responses leave at once, or by transfers that share the connection."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from math import inf

from fastfile.errors import HTTPError, make_busy, make_too_slow
from fastfile.message import RequestHead, Response
from fastfile.protocol.http2.constants import CANCEL, DATA_SIZE, INTERNAL_ERROR, NO_ERROR, ConnectionFailure
from fastfile.protocol.http2.session import Session
from fastfile.server.net.connection import Connection
from fastfile.server.net.http2.shared import Http2
from fastfile.server.net.http2.transfer import Transfer
from fastfile.server.net.journal import Journal
from fastfile.server.net.poller import READ, WRITE
from fastfile.server.net.service import Service
from fastfile.server.net.states import BODY, CLOSED, PENDING, READING, SENDING, WAITING
from fastfile.server.net.transport import Transport

# Frames are gathered up to this size before they are sent: as much as TLS sends in one call. With four records, a
# response of 100 KiB cost 5 to 8 % more CPU time. No more requests are read while more than FULL bytes wait, to bound a
# client's memory.
BATCH_SIZE = 5 * DATA_SIZE
LEAST_PIECE = 4096  # less room in a batch is not worth a piece
FULL = 256 * 1024
AT_ONCE = 64 * 1024  # the largest body that is sent without a transfer


class Http2Output(Connection):
    """Sends for a session. ``_transfers`` are the active streams."""

    __slots__ = ("_is_behind", "_journal", "_session", "_shared", "_transfers", "_turns")

    def __init__(self, service: Service, transport: Transport, shared: Http2) -> None:
        super().__init__(service, transport)
        self._shared = shared
        self._session = Session(service.limits.parser, shared.max_streams, service.clock.monotonic_s, shared.scratch)
        self._journal = Journal(service) if service.observers.see_responses else None
        self._transfers: list[Transfer] = []
        self._turns = 0  # number of sent pieces, for the order of transfers
        self._is_behind = False  # arrived frames wait for their turn

    def on_read(self, transfer: Transfer, job: Future[None]) -> None:
        """Continue with a file: the missing part is in memory now."""
        if transfer.job is job and transfer.state == READING:
            transfer.job = None
            self._wake(transfer)

    def on_wake(self, transfer: Transfer) -> None:
        """Continue, in the next turn, with a source that had no data."""
        if transfer.state == PENDING:
            self._wake(transfer)

    def _wake(self, transfer: Transfer) -> None:
        transfer.state = SENDING
        transfer.deadline_s = self._service.clock.monotonic_s + self._service.limits.write_timeout_s
        if self.state != CLOSED:
            self._wait_for(READ | WRITE)

    def _is_sending(self) -> bool:
        return self._session.writer.size != 0 or len(self._transfers) != 0

    def _drop_work(self) -> None:
        journal = self._journal
        transfers, self._transfers = self._transfers, []
        try:
            if journal is not None:
                journal.report(self._transport.peer, self._session.writer.size)
        finally:
            for transfer in transfers:
                self._log_and_drop(transfer)

    def _deliver(self, head: RequestHead, response: Response, began_s: float) -> None:
        """Send the response of the current event; if it does not fit at once, by a transfer."""
        session = self._session
        size = response.body_size
        parts = response.parts
        if (
            response.source is None
            and len(parts) <= 1
            and size <= AT_ONCE
            and session.has_room(size)
            and (size == 0 or isinstance(parts[0], bytes))
        ):
            stream_id = session.stream_id
            session.put_head(stream_id, response.head, self._shared.date(), size == 0)
            if size:
                session.put_data(stream_id, parts[0], True)  # type: ignore[arg-type]  # just checked
            if self._journal is not None:
                self._journal.note(head, response, began_s)
            return
        self._begin(self._transfer(began_s), response)

    def _transfer(self, began_s: float) -> Transfer:
        """Return the transfer of the current event's stream, which exists from now on."""
        stream = self._session.open(True)
        transfer: Transfer | None = stream.transfer  # type: ignore[assignment]
        if transfer is None:
            deadline_s = self._service.clock.monotonic_s + self._service.limits.write_timeout_s
            transfer = stream.transfer = Transfer(stream, SENDING, began_s, deadline_s)
            self._transfers.append(transfer)
        return transfer

    def _begin(self, transfer: Transfer, response: Response) -> None:
        """Send the head of a response, and its body as the windows allow."""
        is_empty = response.body_size == 0
        self._session.put_head(transfer.stream.id, response.head, self._shared.date(), is_empty)
        transfer.begin(response, self._service.clock.monotonic_s + self._service.limits.write_timeout_s)
        metrics = self._service.observers.metrics
        if metrics is not None:
            metrics.count(transfer.stream.head, response)
        if is_empty:
            self._complete(transfer)

    def _refuse(self, transfer: Transfer, error: HTTPError) -> None:
        self._begin(transfer, self._service.handler.refuse(error, transfer.stream.head))

    def _complete(self, transfer: Transfer) -> None:
        """All of a response is written. An unfinished request is not waited for (RFC 9113 §8.1)."""
        stream = transfer.stream
        if stream.is_complete:
            self._session.close(stream)
            self._forget(transfer)
        else:
            self._cut(transfer, NO_ERROR)

    def _cut(self, transfer: Transfer, code: int) -> None:
        """Reset a stream; this ends the connection if its budget is spent."""
        self._forget(transfer)
        try:
            self._session.drop(transfer.stream, code)
        except ConnectionFailure as failure:
            self._end(failure.code, failure.detail)

    def _forget(self, transfer: Transfer) -> None:
        self._transfers.remove(transfer)
        self._log_and_drop(transfer)

    def _log_and_drop(self, transfer: Transfer) -> None:
        response = transfer.response
        try:
            if response is not None and self._journal is not None:
                self._journal.record(transfer.stream.head, response, transfer.began_s, transfer.sent)
        finally:
            transfer.drop()

    def _end(self, code: int, detail: str) -> None:
        """Send the final GOAWAY, and close once it has left (RFC 9113 §5.4.1)."""
        if self._session.has_ended():
            return
        self._is_behind = False
        transfers, self._transfers = self._transfers, []
        for transfer in transfers:
            self._session.close(transfer.stream)
            self._log_and_drop(transfer)
        self._session.end(code, detail)

    def _pump(self) -> bool:
        """Send what the windows and the socket allow; True if it stopped because the turn is over."""
        session, poller = self._session, self._service.poller
        while self._transfers:
            if session.writer.size > BATCH_SIZE - LEAST_PIECE and not self._flush():
                return False
            transfer = self._choose()
            if transfer is None:
                break
            self._send_pieces(transfer)
            if poller.is_turn_over():
                self._flush()
                return True
        self._flush()
        return False

    def _choose(self) -> Transfer | None:
        """Return the transfer whose turn it is, among those that can continue. An end needs no window (§6.9.1)."""
        best = None
        is_open = self._session.flow.window > 0
        for transfer in self._transfers:
            if (
                transfer.state == SENDING
                and transfer.response is not None
                and ((is_open and transfer.stream.window > 0) or transfer.may_end())
                and (best is None or transfer.is_before(best))
            ):
                best = transfer
        return best

    def _send_pieces(self, transfer: Transfer) -> None:
        """Write frames of one transfer, up to a batch."""
        session, stream = self._session, transfer.stream
        flow = session.flow
        self._turns += 1
        transfer.turn = self._turns
        left = BATCH_SIZE - session.writer.size
        while left > 0 and transfer.state == SENDING:
            room = min(flow.window, stream.window, left)
            before = transfer.sent
            frames = piece = b""
            if room > 0 and transfer.has_file():
                frames = transfer.take_frames(room)
            elif room > 0:
                piece = transfer.take(room)
            elif transfer.may_end():
                transfer.look()
            else:
                return
            size = transfer.sent - before
            is_end = transfer.is_done()
            stream.window -= size
            left -= size
            if frames:
                session.put_frames(frames, size)
            elif piece or is_end:
                session.put_data(stream.id, piece, is_end)
            if is_end:
                self._complete(transfer)
                return
        if transfer.state == READING:
            self._read_from_disk(transfer)
        elif transfer.state == PENDING:
            transfer.deadline_s = inf
            transfer.call_when_ready(partial(self.on_wake, transfer))
        elif transfer.state == CLOSED:
            self._cut(transfer, INTERNAL_ERROR)

    def _read_from_disk(self, transfer: Transfer) -> None:
        """Have a thread read what the transfer needs; if none can, the event loop reads it."""
        service = self._service
        work = transfer.reading()
        if service.disk is not None:
            transfer.job = service.disk.submit(work, partial(self.on_read, transfer))
        if transfer.job is None:
            transfer.state = SENDING

    def _flush(self) -> bool:
        """Send the written frames; False if the socket does not take all of them."""
        writer, transport = self._session.writer, self._transport
        while writer.size:
            sent = transport.send_parts(writer.gather(), writer.skip)
            if sent < 0:
                return False
            writer.drop_sent(sent)
            metrics = self._service.observers.metrics
            if metrics is not None:
                metrics.add_sent(sent)
        if self._journal is not None:
            self._journal.note_all_sent(self._transport.peer)
        return True

    def _give_up_streams(self, now_s: float) -> bool:
        """Give up the streams whose deadline has passed; tell whether a client read one of them too slowly."""
        is_stuck = False
        for transfer in [each for each in self._transfers if each.deadline_s < now_s]:
            if transfer.state == CLOSED:  # with the connection, by the reset of another
                break
            if transfer.state == BODY:
                self._refuse(transfer, make_too_slow())
            elif transfer.state == WAITING:
                if transfer.job is not None:  # otherwise it waits for its turn
                    transfer.job.cancel()
                    transfer.job = None
                self._refuse(transfer, make_busy())
            elif self._expire(transfer, now_s):
                is_stuck = True
        return is_stuck

    def _expire(self, transfer: Transfer, now_s: float) -> bool:
        """Give up a transfer whose client read too little; False if it may continue."""
        service = self._service
        if transfer.progress >= service.limits.least_progress:
            transfer.progress = 0
            transfer.deadline_s = now_s + service.limits.write_timeout_s
            return False
        self._cut(transfer, CANCEL)
        return True
