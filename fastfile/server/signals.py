"""The signals of the supervisor: held back until it can act on them, then read from a pipe like other events.

SIGHUP has two meanings. A terminal sends it when its window closes: the server must end. A service manager or an
administrator sends it to a server without a terminal: it reloads.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# Their default action would end a server that is still starting. Only SIGTERM and SIGINT may do that.
HELD = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
KILL_MARGIN_S = 1.0  # after the grace period, by which a worker should have ended
TELL_AFTER_S = 1.0  # after Ctrl+C in a terminal, if the stop takes longer


def hold() -> None:
    """Keep the signals of HELD pending; release(), or SignalPipe.open(), ends that."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def release() -> None:
    """Let the signals of HELD take effect again, for commands that do not serve."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


def ends_on_hangup() -> bool:
    """Tell whether SIGHUP ends this process: it has a controlling terminal, and ``nohup`` is not in between."""
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


class SignalPipe:
    """``fd`` is readable when a signal of HANDLED has arrived."""

    def __init__(self) -> None:
        self.fd, self._writing_fd = os.pipe()
        for fd in (self.fd, self._writing_fd):
            os.set_blocking(fd, False)

    def open(self) -> None:
        """Begin to receive signals, including those that hold() kept pending."""
        for number in HANDLED:
            signal.signal(number, _ignore)
        signal.set_wakeup_fd(self._writing_fd, warn_on_full_buffer=False)
        release()

    def take(self) -> bytes:
        """Return the numbers of the signals that have arrived since, a byte each."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.fd, 512)
        return b""

    @staticmethod
    def ignore() -> None:
        """Ignore the signals from now on, so that another SIGTERM does not turn a clean end into a death by signal."""
        for number in HANDLED[1:]:
            signal.signal(number, signal.SIG_IGN)


class Stopping:
    """The deadlines of a stop: when the operator is told that it waits for requests, and when workers are killed."""

    def __init__(self) -> None:
        self.has_begun = False
        self._kill_at_s = self._tell_at_s = float("inf")

    @property
    def due_s(self) -> float:
        """When the next of them passes; infinite if there is none."""
        return min(self._kill_at_s, self._tell_at_s)

    def begin(self, grace_s: float, in_terminal: bool) -> None:
        """Set the deadlines; ``in_terminal``: by Ctrl+C, whose sender waits for the end."""
        self.has_begun = True
        self._kill_at_s = time.monotonic() + grace_s + KILL_MARGIN_S
        if in_terminal:
            self._tell_at_s = time.monotonic() + TELL_AFTER_S

    def is_notice_due(self) -> bool:
        """Tell whether to tell the operator now; True once."""
        if time.monotonic() <= self._tell_at_s:
            return False
        self._tell_at_s = float("inf")
        return True

    def is_over(self) -> bool:
        """Tell whether the workers have had their time."""
        return time.monotonic() > self._kill_at_s


def _ignore(*_: object) -> None:
    """Do nothing in Python's handler: the number arrives through the pipe."""
