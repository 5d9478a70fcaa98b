"""The running server under wrk, beside http.server: CPU µs per request, printed after the run and kept in extra_info.

pytest-benchmark times a run of wrk of fixed length here; the result is extra_info. The whole comparison is `python -m
benchmarks`.
"""

import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.conftest import COSTS
from benchmarks.corpus import make_corpus
from benchmarks.measure import Running, pick_cores
from benchmarks.peers import CONTENDERS
from benchmarks.scenarios import SCENARIOS

ROUNDS = 3
SECONDS = 0.8
CASES = [
    ("1k", "fastfile"),
    ("1k", "fastfile asyncio"),
    ("1k", "fastfile pure"),
    ("1k", "fastfile pure asyncio"),
    ("1k", "http.server"),
    ("browser", "fastfile"),
    ("100k", "fastfile"),
    ("100k", "http.server"),
    ("random", "fastfile"),
    ("random", "http.server"),
    ("304", "fastfile"),
    ("close", "fastfile"),
    ("pipelined", "fastfile"),
]

pytestmark = [
    pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk on PATH: it makes the requests"),
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux: CPU time is read for a process tree"),
    pytest.mark.skipif(
        not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
        reason="needs two cores: one for the server, one for wrk",
    ),
]


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="benchmark-root-") as folder:
        make_corpus(Path(folder))
        yield Path(folder)


@pytest.mark.parametrize(("name", "contender"), CASES, ids=[f"{name}: {contender}" for name, contender in CASES])
def test_server(benchmark, request, root, name, contender):
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == name)
    benchmark.group = scenario.title
    samples = []
    with Running(CONTENDERS[contender], scenario, root, pick_cores()) as server:
        benchmark.pedantic(lambda: samples.append(server.sample(SECONDS)), rounds=ROUNDS, warmup_rounds=1)
    samples = samples[1:]
    cpu_us = statistics.median(sample.cpu_us for sample in samples)
    requests_per_s = statistics.median(sample.requests_per_s for sample in samples)
    benchmark.extra_info.update(cpu_us_per_request=round(cpu_us, 2), requests_per_s=round(requests_per_s))
    request.config.stash.setdefault(COSTS, {})[name, contender] = (cpu_us, requests_per_s)
