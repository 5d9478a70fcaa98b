"""A run of h2load, the load generator for HTTP/2, and its report as a summary like wrk's."""

import os
import re
import subprocess
from collections.abc import Sequence

from benchmarks.scenarios import Scenario

# More than the time that h2load takes to connect and to report.
SPARE_S = 20.0
COUNTS = re.compile(r"(?m)^requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, (\d+) failed, (\d+) errored")
STATUSES = re.compile(r"(?m)^status codes: (\d+) 2xx, \d+ 3xx, (\d+) 4xx, (\d+) 5xx")
TRAFFIC = re.compile(r"(?m)^traffic: .*, \S+ \((\d+)\) headers .*, \S+ \((\d+)\) data")
DURATION = re.compile(r"(?m)^finished in ([\d.]+)(us|ms|s)")
MEAN = re.compile(r"(?m)^time for request: +\S+ +(\S+?)(us|ms|s) +(\S+?)(us|ms|s) ")
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


class ReportError(Exception):
    """h2load's output is not a report; the text is its end."""


def command(scenario: Scenario, port: int, path: str, fields: Sequence[str], seconds: float) -> list[str]:
    """Return the command of a run; ``seconds`` 0 sends one request.

    A run has a number of requests: h2load 1.52 hangs if its connections take longer than a duration.
    """
    if not seconds:
        scenario = scenario._replace(connections=1, streams=1)
    requests = max(1, round(scenario.rate * seconds))
    length = ["-n", str(requests), "-c", str(scenario.connections), "-m", str(scenario.streams)]
    headers = [part for field in fields for part in ("-H", field)]
    where = f"{'https' if scenario.tls else 'http'}://127.0.0.1:{port}{path}"
    return ["h2load", "-t", "1", *length, *headers, where]


def run(
    scenario: Scenario, port: int, path: str, fields: Sequence[str], *, seconds: float, core: int
) -> dict[str, float]:
    """Load the server from `core`, and return a summary in wrk's form. It has the mean as p50, the most as p99."""
    result = subprocess.run(
        command(scenario, port, path, fields, seconds),
        capture_output=True,
        text=True,
        timeout=5 * seconds + SPARE_S,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    return read_summary(result.stdout + result.stderr, scenario.tls)


def read_summary(output: str, tls: bool) -> dict[str, float]:
    """Return the counts of a report. Raises ReportError if there is none, or not of HTTP/2."""
    counts, statuses, traffic = COUNTS.search(output), STATUSES.search(output), TRAFFIC.search(output)
    duration, mean = DURATION.search(output), MEAN.search(output)
    if not (counts and statuses and traffic and duration and mean):
        raise ReportError(output.strip()[-200:])
    if tls and "Application protocol: h2\n" not in output:
        raise ReportError("the server does not select h2")
    return {
        "requests": int(counts[1]),
        "read": int(counts[2]) - int(statuses[2]) - int(statuses[3]) + int(counts[3]),
        "status": int(statuses[2]) + int(statuses[3]),
        "header_bytes": int(traffic[1]),
        "bytes": int(traffic[2]),
        "duration_s": float(duration[1]) * UNITS[duration[2]],
        "p50_us": float(mean[3]) * UNITS[mean[4]] * 1e6,
        "p99_us": float(mean[1]) * UNITS[mean[2]] * 1e6,
        "connect": 0,
        "write": 0,
        "timeout": 0,
    }
