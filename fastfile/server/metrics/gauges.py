"""Numbers of the processes, in addition to request counters: CPU time, memory, descriptors, limits.

A worker's sandbox cannot open files of /proc, so they are opened before.
"""

from __future__ import annotations

import os
import resource

from fastfile.server.metrics import counters

# The slot of each number in a worker's page, and in page 0, the supervisor's.
CPU_US, RSS, DESCRIPTORS, WORKERS, MAX_CONNECTIONS = range(counters.SLOTS, counters.SLOTS + 5)
STARTED_MS, RELOADED_MS, RELOAD_WORKED = range(MAX_CONNECTIONS + 1, MAX_CONNECTIONS + 4)
SLOTS = RELOAD_WORKED + 1
OF_THE_LIVING = (counters.OPEN, RSS, DESCRIPTORS, WORKERS, MAX_CONNECTIONS)  # not kept when their worker ends


class Gauges:
    """Writes the numbers of this worker into ``slots``; made before the sandbox, updated about once a second."""

    def __init__(self, slots: memoryview, max_connections: int) -> None:
        self._slots = slots
        slots[WORKERS] = 1
        slots[MAX_CONNECTIONS] = max_connections
        self._memory_fd = _maybe_open("/proc/self/statm")
        self._descriptors_fd = _maybe_open("/proc/self/fd")

    def update(self) -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self._slots[CPU_US] = int((usage.ru_utime + usage.ru_stime) * 1e6)
        if self._memory_fd >= 0:
            pages = os.pread(self._memory_fd, 100, 0).split()[1]
            self._slots[RSS] = int(pages) * resource.getpagesize()
        if self._descriptors_fd >= 0:
            self._slots[DESCRIPTORS] = len(os.listdir(self._descriptors_fd))


def _maybe_open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # without /proc, the numbers stay 0
        return -1
