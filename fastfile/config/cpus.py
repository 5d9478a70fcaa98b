"""The number of CPUs that this process may use: the affinity mask, and the CPU quota of its cgroups (cgroups(7))."""

from __future__ import annotations

import math
import os


def usable_cpus() -> int:
    """Return how many CPUs this process may use; a quota of 1.5 CPUs counts as 2."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(count, read_quota())))


def read_quota(groups: str = "/proc/self/cgroup", mount: str = "/sys/fs/cgroup") -> float:
    """Return the smallest CPU quota of this process's control groups, in CPUs; infinite if there is none.

    A container sees its own group at the top of the mount, whatever path /proc shows, so that one is read too.
    """
    quotas = [math.inf]
    for line in _read(groups).splitlines():
        _, controllers, path = line.split(":", 2) if line.count(":") > 1 else ("", "", "")
        if not controllers:
            quotas += [_read_v2(folder) for folder in _folders(mount, path)]
        elif "cpu" in controllers.split(","):
            for name in dict.fromkeys(("cpu", controllers)):
                quotas += [_read_v1(folder) for folder in _folders(os.path.join(mount, name), path)]
    return min(quotas)


def _folders(mount: str, path: str) -> list[str]:
    """Return the folders of a group and its ancestors: each quota applies."""
    parts = [part for part in path.split("/") if part]
    return [os.path.join(mount, *parts[:count]) for count in range(len(parts) + 1) if ".." not in parts]


def _read_v2(folder: str) -> float:
    quota, _, period = _read(os.path.join(folder, "cpu.max")).strip().partition(" ")
    return _divide(quota, period)


def _read_v1(folder: str) -> float:
    quota = _read(os.path.join(folder, "cpu.cfs_quota_us")).strip()
    return _divide(quota, _read(os.path.join(folder, "cpu.cfs_period_us")).strip())


def _divide(quota: str, period: str) -> float:
    # "max" in version 2 and -1 in version 1 mean no limit.
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else math.inf


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""
