"""A run: for each scenario start its contenders, check their responses, load them in turns, and keep every sample.

The server and wrk use different cores. A contender's failure is recorded as its result; the others continue.
"""

import os
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.corpus import make_corpus
from benchmarks.load import WrongAnswerError, check_answer, judge, run_downloads, run_load
from benchmarks.peers import CONTENDERS, REPOSITORY, Contender, MissingError, Setting
from benchmarks.processes import StartError, cpu_time, free_port, memory_pss, start, stop
from benchmarks.scenarios import Scenario

WARM_UP_S = 0.2


class Cores(NamedTuple):
    server: int
    load: int


class Sample(NamedTuple):
    """One run of the load generator: CPU time of the server's whole tree, and the number of responses."""

    cpu_us: float
    user_ticks: int
    system_ticks: int
    requests_per_s: float
    p50_us: int
    p99_us: int


class Result(NamedTuple):
    """All samples of one contender in one scenario; `failure` says why there are none, or why they do not count."""

    samples: tuple[Sample, ...] = ()
    failure: str = ""
    pss: int = 0

    @property
    def cpu_us(self) -> float | None:
        return None if self.failure else statistics.median(sample.cpu_us for sample in self.samples)

    @property
    def user_us(self) -> float:
        """The user part of cpu_us, by its share of the ticks of all samples, because one sample has few."""
        user = sum(sample.user_ticks for sample in self.samples)
        ticks = user + sum(sample.system_ticks for sample in self.samples)
        return (self.cpu_us or 0.0) * user / ticks if ticks else 0.0

    def figure(self, scenario: Scenario) -> float | None:
        return None if self.failure else self.median(scenario.figure)

    def median(self, field: str) -> float:
        return statistics.median(getattr(sample, field) for sample in self.samples)


class Running:
    """A started contender, with the scenario's request. Ends it on exit."""

    def __init__(self, contender: Contender, scenario: Scenario, root: Path, cores: Cores) -> None:
        if scenario.log and not contender.logs:
            raise WrongAnswerError("is not set up to log")
        self.scenario = scenario
        self.cores = cores
        self.port = free_port()
        self.path = contender.prefix + scenario.path
        with ExitStack() as undo:
            work = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
            work.chmod(0o777)  # a server that drops its privileges opens its log here
            command = contender.command(Setting(scenario, root, work, self.port))
            env = {**contender.env, "PYTHONPATH": str(REPOSITORY)}
            self.process = start(command, port=self.port, core=cores.server, log=work / "output", env=env)
            undo.callback(stop, self.process)
            self.fields, self.answer = check_answer(scenario, self.port, self.path)
            self._undo = undo.pop_all()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *exception: object) -> None:
        self._undo.close()

    def sample(self, seconds: float) -> Sample:
        before = cpu_time(self.process.pid)
        with run_downloads(self.scenario, self.port, core=self.cores.load):
            summary = run_load(self.scenario, self.port, self.path, self.fields, seconds=seconds, core=self.cores.load)
        after = cpu_time(self.process.pid)
        load = judge(self.scenario, self.answer, summary)
        if before.pids - after.pids:
            raise WrongAnswerError("a process of the server ended")
        return Sample(
            (after.total_s - before.total_s) * 1e6 / load.requests,
            after.user_ticks - before.user_ticks,
            after.system_ticks - before.system_ticks,
            load.requests / load.duration_s,
            load.p50_us,
            load.p99_us,
        )


def find_versions(names: Sequence[str]) -> dict[str, tuple[bool, str]]:
    """Return for each contender whether it can be started here, and its version or what is missing."""
    found = {}
    for name in names:
        try:
            found[name] = (True, CONTENDERS[name].version())
        except MissingError as error:
            found[name] = (False, str(error))
    return found


def run_scenario(
    scenario: Scenario, names: Sequence[str], root: Path, cores: Cores, *, rounds: int, seconds: float
) -> dict[str, Result]:
    """Measure the contenders `names` in turns; one that fails once is left out, with its reason."""
    failures: dict[str, str] = {}
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        for name in names:
            try:
                running[name] = stack.enter_context(Running(CONTENDERS[name], scenario, root, cores))
            except (StartError, WrongAnswerError, OSError) as error:
                failures[name] = str(error)
        for turn in range(rounds + 1):
            for name in [name for name in running if name not in failures]:
                try:
                    sample = running[name].sample(seconds if turn else WARM_UP_S)
                except (WrongAnswerError, OSError) as error:
                    failures[name] = str(error)
                else:
                    samples[name] += [sample] if turn else []
        memory = {name: memory_pss(one.process.pid) for name, one in running.items() if name not in failures}
    return {name: Result(tuple(samples[name]), failures.get(name, ""), memory.get(name, 0)) for name in names}


class Run(NamedTuple):
    """What was found and measured: report.py's input."""

    scenarios: tuple[Scenario, ...]
    contenders: dict[str, tuple[bool, str]]
    results: dict[str, dict[str, Result]]

    def cost(self, scenario: str, contender: str) -> float | None:
        """Return the median of the scenario's figure, or None if there is no valid one."""
        result = self.results.get(scenario, {}).get(contender)
        named = next((known for known in self.scenarios if known.name == scenario), None)
        return result.figure(named) if result and named else None


def pick_cores() -> Cores:
    """Return the first and the last core that this process may use."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise MissingError("the benchmarks need two cores: one for the server, one for wrk")
    return Cores(usable[0], usable[-1])


def run(scenarios: Sequence[Scenario], peers: Sequence[str] | None, *, rounds: int, seconds: float) -> Run:
    """Measure the scenarios; `peers` None means each scenario's own contenders."""
    chosen = {s.name: [name for name in (peers or s.contenders) if name in CONTENDERS] for s in scenarios}
    asked = {name for names in chosen.values() for name in names}
    contenders = find_versions([name for name in CONTENDERS if name in asked])
    cores = pick_cores()
    results = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-root-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        make_corpus(root)
        for scenario in scenarios:
            names = [name for name in chosen[scenario.name] if contenders[name][0]]
            print(f"{scenario.name}: {', '.join(names)}", flush=True)
            results[scenario.name] = run_scenario(scenario, names, root, cores, rounds=rounds, seconds=seconds)
            for name, result in results[scenario.name].items():
                figure = result.failure or f"{result.cpu_us:.2f} µs, {result.user_us:.2f} user"
                if scenario.downloads and not result.failure:
                    figure = f"p99 {result.figure(scenario):,.0f} µs"
                print(f"    {name}: {figure}", flush=True)
    return Run(tuple(scenarios), contenders, results)
