"""Processes of the harness: started in a separate group on one core, timed as a tree, ended by their id.

CPU time is each process's own CPU clock (clock_getcpuclockid(3): nanoseconds, all its threads, including ended ones).
/proc/PID/stat counts the same time, but in ticks of 10 ms; only the user share comes from there.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.02
CPUCLOCK_SCHED = 2  # linux/posix-timers.h: the clock of scheduled time


Process = subprocess.Popen[bytes]


class StartError(Exception):
    """The server did not start; the text says why."""


class CPUTime(NamedTuple):
    total_s: float
    user_ticks: int
    system_ticks: int
    pids: frozenset[int]


def process_tree(pid: int) -> list[int]:
    """Return `pid` and all its descendants."""
    tree = [pid]
    for parent in tree:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            tree.extend(int(child) for child in children.read_text("ascii").split())
    return tree


def cpu_time(pid: int) -> CPUTime:
    """Return the time that the whole tree of `pid` has used so far."""
    total_s, user, system = 0.0, 0, 0
    pids = process_tree(pid)
    for member in pids:
        total_s += time.clock_gettime((~member << 3) | CPUCLOCK_SCHED)
        fields = Path(f"/proc/{member}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        user += int(fields[11])
        system += int(fields[12])
    return CPUTime(total_s, user, system, frozenset(pids))


def memory_pss(pid: int) -> int:
    """Return the tree's proportional share of memory in bytes."""
    total = 0
    for member in process_tree(pid):
        for line in Path(f"/proc/{member}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def start(command: Sequence[str], *, port: int, core: int, log: Path, env: Mapping[str, str]) -> Process:
    """Start a server on `core` and return when `port` accepts; StartError has the end of its output."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **env},
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(POLL_S)
        else:
            return process
    stop(process)
    last_lines = log.read_text("utf-8", "replace").strip().splitlines()[-3:]
    raise StartError(f"did not start: {' / '.join(last_lines) or 'no output'}")


def stop(process: Process) -> None:
    """End the process and its group: first with a request, then by force."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            continue
    process.wait(STOP_TIMEOUT_S)
