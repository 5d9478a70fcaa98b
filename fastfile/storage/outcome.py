"""Outcomes: what a failed system call means for a response. site/error_pages.py makes statuses of them."""

from __future__ import annotations

import errno
from enum import Enum


class Outcome(Enum):
    """What a name that could not be opened or read is."""

    MISSING = "missing"  # nothing that a request may have is there
    REFUSED = "refused"  # a file that this process may not read
    BUSY = "busy"  # it may well be readable in a moment
    BROKEN = "broken"  # the disk fails


_MISSING = {
    errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EXDEV, errno.ENXIO, errno.ENODEV, errno.EINVAL,
    errno.EILSEQ, errno.EOPNOTSUPP, errno.EISDIR,
}  # fmt: skip
# EAGAIN: another process has a write lease on the file, as Samba takes them (fcntl(2), F_SETLEASE).
_BUSY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.EAGAIN, errno.EINTR}


def classify(error: OSError) -> Outcome:
    """Return the outcome of an open, a read or a listing that failed."""
    if error.errno in _MISSING:
        return Outcome.MISSING
    if error.errno in (errno.EACCES, errno.EPERM):
        return Outcome.REFUSED
    return Outcome.BUSY if error.errno in _BUSY else Outcome.BROKEN
