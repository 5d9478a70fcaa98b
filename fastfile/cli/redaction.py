"""This process's command line as ps shows it to every user of the machine: what is secret in it is crossed out."""

from __future__ import annotations

from collections.abc import Iterable


def hide(users: Iterable[str]) -> None:
    """Write asterisks over the hash of each USER:HASH, where Linux tells where the arguments are (proc_pid_stat(5))."""
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end; the third field is the first of these
        # Imported here: only a secret on the command line pays for it.
        import ctypes
    except (OSError, IndexError, ImportError):
        return
    if not start < end:  # a kernel that does not tell
        return
    arguments = ctypes.string_at(start, end - start)
    hidden = arguments
    for user in users:
        text = user.encode("utf-8", "surrogateescape")
        name, colon, secret = text.partition(b":")
        hidden = hidden.replace(text, name + colon + b"*" * len(secret))
    if hidden != arguments:
        ctypes.memmove(start, hidden, len(hidden))
