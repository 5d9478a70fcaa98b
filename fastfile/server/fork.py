"""The fork that makes a worker: what it takes with it of the supervisor's process, and what it lets go.

It knows neither when a worker is wanted nor what becomes of it: that is the supervisor's.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import NamedTuple, NoReturn

from fastfile.server.channel import Child, Lifeline
from fastfile.server.log.error import ErrorLog
from fastfile.server.metrics.endpoint import Meter, Metering
from fastfile.server.net.bind import Listening
from fastfile.server.worker import Plan, run_worker

HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)  # by the supervisor


class Generation(NamedTuple):
    """The workers that were started together, by one plan; a later one replaces them all."""

    number: int
    plan: Plan


class Nursery:
    """Forks the workers that serve the sockets of ``listening``. Owns the pipe by which they notice our end."""

    def __init__(self, listening: Listening, errors: ErrorLog, metering: Metering | None) -> None:
        self._listening = listening
        self._errors = errors
        self._metering = metering
        # The workers hold the reading end: it ends when we do, however we die.
        self._lifeline_r, self._lifeline_w = os.pipe()

    def bear(self, index: int, generation: Generation, foreign: Iterable[int]) -> Child:
        """Fork the worker of an index; it closes ``foreign``. Raises OSError: there is no process or descriptor."""
        speech_r, speech_w = os.pipe()
        page = 0 if self._metering is None else self._metering.board.take()
        # Until the child has its own, a signal to it must neither be lost nor run our handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            pid = os.fork()
            if pid == 0:
                os.close(speech_r)
                self._be_worker(index, generation.plan, speech_w, page, foreign)
        except OSError:
            os.close(speech_r)
            self.retire(page)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            os.close(speech_w)
        child = Child(pid, index, generation.number, speech_r)
        child.page = page
        return child

    def retire(self, page: int) -> None:
        """Keep the counts of a worker that has ended."""
        if self._metering is not None:
            self._metering.board.retire(page)

    def _be_worker(self, index: int, plan: Plan, speech_w: int, page: int, foreign: Iterable[int]) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to us too; the supervisor decides
                signal.signal(number, signal.SIG_IGN)
            # SIGUSR1 waits until the worker can hear it: its log may be open already.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, set(HANDLED) - {signal.SIGUSR1})
            for fd in (self._lifeline_w, *foreign):
                os.close(fd)
            self._errors.begin_worker(index)
            sockets = self._listening.take(index, plan.config.workers)
            lifeline = Lifeline(self._lifeline_r, speech_w)
            status = run_worker(plan, sockets, lifeline, self._errors, self._make_meter(page))
        except BaseException as error:
            self._errors.report_failure(error)
        finally:
            os._exit(status)

    def _make_meter(self, page: int) -> Meter | None:
        if self._metering is None:
            return None
        board, listening = self._metering
        return Meter(board.metrics(page), board, listening.take(0, 1)[0])
