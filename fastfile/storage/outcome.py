"""Outcomes: the meaning of a failed system call for a response. site/error_pages.py maps them to statuses."""

from __future__ import annotations

import errno
from enum import Enum


class Outcome(Enum):
    """Why a name could not be opened or read."""

    MISSING = "missing"  # there is nothing that a request may get
    REFUSED = "refused"  # a file that this process may not read
    BUSY = "busy"  # it may be readable in a moment
    BROKEN = "broken"  # the disk fails


_MISSING = {
    errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EXDEV, errno.ENXIO, errno.ENODEV, errno.EINVAL,
    errno.EILSEQ, errno.EOPNOTSUPP, errno.EISDIR,
}  # fmt: skip
# EAGAIN: another process has a write lease on the file, as Samba takes them (fcntl(2), F_SETLEASE).
_BUSY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.EAGAIN, errno.EINTR}


def classify(error: OSError) -> Outcome:
    """Return the outcome of a failed open, read or listing."""
    if error.errno in _MISSING:
        return Outcome.MISSING
    if error.errno in (errno.EACCES, errno.EPERM):
        return Outcome.REFUSED
    return Outcome.BUSY if error.errno in _BUSY else Outcome.BROKEN
