"""Trials, beyond a cost per request: a second worker's share, a long run, latency at half the load.

Each returns lines for the reader, the verdict last. They run only by name: `--scenarios second-worker,steady,half`.
"""

import os
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks import scale
from benchmarks.corpus import KIB, make_corpus
from benchmarks.load import judge, run_wrk
from benchmarks.measure import Cores, Running, pick_cores
from benchmarks.peers import CONTENDERS, MissingError
from benchmarks.processes import memory_pss, process_tree
from benchmarks.scenarios import Scenario

LOAD = Scenario("load", "1 KiB", "/1k.js", KIB)
PACED = LOAD._replace(script="paced.lua", connections=256)
STEADY_REQUESTS = 10_000_000
STEADY_SLICES = 20


class Trial(NamedTuple):
    name: str
    title: str
    target: str
    run: Callable[[Path, int, float], list[str]]


def verdict(met: bool, text: str) -> str:
    return f"**{'met' if met else 'missed'}**: {text}"


def load_workers(root: Path, workers: int, cores: list[int], rounds: int, seconds: float) -> float:
    """Return the requests per second of this many workers, a core each, with the last cores as clients."""
    contender = CONTENDERS["fastfile"]
    several = contender._replace(
        command=lambda setting: [*contender.command(setting)[:-1], "--workers", str(workers), str(setting.root)]
    )
    with Running(several, LOAD, root, Cores(cores[0], cores[-1])) as running:
        for index, pid in enumerate(process_tree(running.process.pid)[1:]):
            os.sched_setaffinity(pid, {cores[index % workers]})
        rates = [running.sample(seconds).requests_per_s for _ in range(rounds)]
    return statistics.median(rates)


def second_worker(root: Path, rounds: int, seconds: float) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 4:
        raise MissingError("a second worker needs four cores: two for the workers, two for who loads them")
    one = load_workers(root, 1, cores, rounds, seconds)
    two = load_workers(root, 2, cores, rounds, seconds)
    share = two / one - 1
    return [
        f"one worker: {one:,.0f} requests/s",
        f"two workers: {two:,.0f} requests/s",
        verdict(share >= 0.9, f"the second brings {share:.0%} of the first"),
    ]


def steady(root: Path, rounds: int, seconds: float) -> list[str]:
    """Load one worker until it has served ten million requests; ``rounds`` and ``seconds`` are ignored."""
    del rounds, seconds
    costs: list[float] = []
    with Running(CONTENDERS["fastfile"], LOAD, root, pick_cores()) as running:
        probe = running.sample(2.0)
        slice_s = STEADY_REQUESTS / STEADY_SLICES / probe.requests_per_s
        before = memory_pss(running.process.pid)
        answered = 0.0
        while answered < STEADY_REQUESTS:
            sample = running.sample(slice_s)
            costs.append(sample.cpu_us)
            answered += sample.requests_per_s * slice_s
        after = memory_pss(running.process.pid)
    tenth = max(1, len(costs) // 10)
    first, last = statistics.median(costs[:tenth]), statistics.median(costs[-tenth:])
    return [
        f"{answered:,.0f} requests, CPU µs each: " + ", ".join(f"{cost:.2f}" for cost in costs),
        f"memory: {before / 2**20:.1f} MiB before, {after / 2**20:.1f} MiB after",
        verdict(
            last <= 1.05 * first and after <= 1.05 * before,
            f"the last tenth costs {last / first - 1:+.1%}, memory {after / before - 1:+.1%}",
        ),
    ]


def latency_at(running: Running, rate: float, rounds: int, seconds: float) -> tuple[float, float]:
    """Return the median rate and 99th percentile of paced runs that aim at ``rate`` requests per second."""
    os.environ["PACE_MS"] = f"{1000 * PACED.connections / rate:.3f}"
    loads = []
    for _ in range(rounds):
        summary = run_wrk(PACED, running.port, running.path, (), seconds=seconds, core=running.cores.load)
        loads.append(judge(PACED, running.answer, summary))
    return (
        statistics.median(load.requests / load.duration_s for load in loads),
        statistics.median(load.p99_us for load in loads),
    )


def half_load(root: Path, rounds: int, seconds: float) -> list[str]:
    """Load each with half of what the slower one can take, in turns."""
    names = ("fastfile", "nginx")
    CONTENDERS["nginx"].version()
    with ExitStack() as stack:
        running = {name: stack.enter_context(Running(CONTENDERS[name], PACED, root, pick_cores())) for name in names}
        most = {}
        for name in names:
            running[name].scenario = LOAD
            most[name] = running[name].sample(seconds).requests_per_s
        rate = min(most.values()) / 2
        paced = {name: latency_at(running[name], rate, rounds, seconds) for name in names}
    lines = [
        f"{name}: at most {most[name]:,.0f} requests/s; at {paced[name][0]:,.0f} p99 is {paced[name][1]:,.0f} µs"
        for name in names
    ]
    own, other = (paced[name][1] for name in names)
    return [*lines, verdict(own <= other, f"p99 {own / other - 1:+.0%} against nginx")]


TRIALS = (
    Trial("second-worker", "Throughput of a second worker", "≥ 90 % of the first's", second_worker),
    Trial("steady", "Ten million requests", "the last as cheap as the first, within 5 %", steady),
    Trial("connections", "CPU µs per request by connections", "none: a curve", scale.connections),
    Trial("files", "CPU µs per request by files", "none: a curve", scale.files),
    Trial("workers", "CPU µs and requests/s by workers", "none: a curve", scale.workers),
    Trial("half", "p99 at half of the saturating load", "no worse than nginx's", half_load),
)


def run_trials(names: list[str], folder: Path, *, rounds: int, seconds: float) -> str:
    """Run the trials of these names and write trials.md into ``folder``; return its text."""
    parts = ["# Trials"]
    with tempfile.TemporaryDirectory(prefix="benchmark-root-") as name:
        root = Path(name)
        root.chmod(0o755)
        make_corpus(root)
        for trial in TRIALS:
            if trial.name not in names:
                continue
            try:
                lines = trial.run(root, rounds, seconds)
            except MissingError as error:
                lines = [f"not measured: {error}"]
            shown = [line if line.startswith("|") else f"- {line}" for line in lines]
            parts.append(f"## {trial.title}\n\nTarget: {trial.target}.\n\n" + "\n".join(shown))
    text = "\n\n".join(parts) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trials.md").write_text(text, "utf-8")
    return text
