"""Hide secrets in this process's command line, which ps shows to every user of the machine."""

from __future__ import annotations

from collections.abc import Iterable


def hide(users: Iterable[str]) -> None:
    """Overwrite the hash of each USER:HASH with asterisks, if Linux gives the address of the arguments (proc(5))."""
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end; fields[0] is the third field of the file
        # Imported here: only a secret on the command line needs it.
        import ctypes
    except (OSError, IndexError, ImportError):
        return
    if not start < end:  # the kernel hides it
        return
    arguments = ctypes.string_at(start, end - start)
    hidden = arguments
    for user in users:
        text = user.encode("utf-8", "surrogateescape")
        name, colon, secret = text.partition(b":")
        hidden = hidden.replace(text, name + colon + b"*" * len(secret))
    if hidden != arguments:
        ctypes.memmove(start, hidden, len(hidden))
