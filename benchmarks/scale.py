"""Cost curves: CPU per request as connections, files or workers grow. They run only by name, like the trials."""

import os
import resource
import socket
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarks.corpus import KIB, MTIME_S
from benchmarks.load import WrongAnswerError
from benchmarks.measure import Cores, Running, Sample, find_versions, pick_cores
from benchmarks.peers import CONTENDERS, Contender, MissingError, Setting
from benchmarks.processes import memory_pss, process_tree
from benchmarks.scenarios import Scenario

NAMES = ("fastfile", "nginx")
CONNECTIONS = (64, 1_000, 4_000, 8_000, 10_000)
MAX_CONNECTIONS = 12_000
FILES = (1_000, 10_000, 100_000)
FILES_OF_FOLDER = 1_000
# fastfile reserves a file for each connection, and closes idle ones above 90 % of what fits.
DESCRIPTORS_EACH = 2.4
LOAD = Scenario("scale", "1 KiB", "/1k.js", KIB)
MANY = Scenario("files", "4 KiB at random", "/many/0/0.js", 4 * KIB, script="folders.lua")


def present() -> list[str]:
    return [name for name, (is_there, _) in find_versions(NAMES).items() if is_there]


def descriptors() -> int:
    """Raise the soft limit of descriptors, which servers inherit, to the hard one, and return it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def with_options(name: str, *options: str) -> Contender:
    """Return a contender; if it is fastfile, with further options before the folder."""
    contender = CONTENDERS[name]
    if name != "fastfile":
        return contender

    def command(setting: Setting) -> list[str]:
        *program, folder = contender.command(setting)
        return [*program, *options, folder]

    return contender._replace(command=command)


def measure(running: Running, rounds: int, seconds: float) -> list[Sample]:
    """Return the samples of a contender after a round to warm up, which many connections need to be made."""
    samples = []
    for _ in range(rounds + 1):
        with suppress(WrongAnswerError):
            samples.append(running.sample(seconds))
    return samples[1:]


def median_us(samples: Sequence[Sample]) -> str:
    return f"{statistics.median(sample.cpu_us for sample in samples):.2f}" if samples else "failed"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table as one paragraph of Markdown."""
    lines = [head, ["---:"] * len(head), *rows]
    return ["\n".join(f"| {' | '.join(line)} |" for line in lines)]


@contextmanager
def idle_clients(port: int, count: int) -> Iterator[None]:
    """Hold connections that have made one request each."""
    with ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            client.sendall(b"GET /1k.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            if not client.recv(4096).startswith(b"HTTP/1.1 200"):
                raise MissingError(f"a server refused one of {count:,} connections")
        yield


def connections(root: Path, rounds: int, seconds: float) -> list[str]:
    """Return a row for each number of connections: 64 active ones beside idle ones, and all of them active."""
    most = descriptors() / DESCRIPTORS_EACH
    names = present()
    rows = []
    for count in CONNECTIONS:
        if count > most:
            rows.append([f"{count:,}", "needs more descriptors than this system allows", *[""] * (3 * len(names) - 1)])
            continue
        cells = [f"{count:,}"]
        for name in names:
            contender = with_options(name, "--max-connections", str(MAX_CONNECTIONS))
            with Running(contender, LOAD, root, pick_cores()) as running:
                before = memory_pss(running.process.pid)
                with idle_clients(running.port, count):
                    each = (memory_pss(running.process.pid) - before) / count
                    beside = measure(running, rounds, seconds)
            with Running(contender, LOAD._replace(connections=count), root, pick_cores()) as running:
                busy = measure(running, rounds, max(seconds, count / 2_000))
            cells += [median_us(beside), median_us(busy), f"{each / KIB:.1f}"]
        rows.append(cells)
    head = [f"{name}: {what}" for name in names for what in ("64 beside idle, µs", "all active, µs", "KiB each")]
    return table(["connections", *head], rows)


def make_files(root: Path, first: int, end: int) -> None:
    """Write the files of these numbers, a thousand in each folder."""
    for number in range(first, end):
        path = root / "many" / str(number // FILES_OF_FOLDER) / f"{number % FILES_OF_FOLDER}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 4 * KIB)
        os.utime(path, (MTIME_S, MTIME_S))


def files(root: Path, rounds: int, seconds: float) -> list[str]:
    """Return a row for each number of files, which are requested at random: most of them are in no cache at the end."""
    names, rows, made = present(), [], 0
    for count in FILES:
        make_files(root, made, count)
        made = count
        os.environ["FILES"] = str(count)
        cells = [f"{count:,}"]
        for name in names:
            with Running(CONTENDERS[name], MANY, root, pick_cores()) as running:
                cells.append(median_us(measure(running, rounds, seconds)))
                cells.append(f"{memory_pss(running.process.pid) / KIB / KIB:.0f}")
        rows.append(cells)
    return table(["files", *(f"{name}: {what}" for name in names for what in ("µs", "PSS, MiB"))], rows)


def workers(root: Path, rounds: int, seconds: float) -> list[str]:
    """Return a row for each number of workers on all cores, which wrk shares with them."""
    cores = sorted(os.sched_getaffinity(0))
    rows = []
    for count in range(1, len(cores) + 1):
        contender = with_options("fastfile", "--workers", str(count))
        with Running(contender, LOAD, root, Cores(cores[0], cores[-1])) as running:
            for pid in process_tree(running.process.pid):
                os.sched_setaffinity(pid, cores)
            samples = measure(running, rounds, seconds)
            pss = memory_pss(running.process.pid) / KIB / KIB
        rate = statistics.median(sample.requests_per_s for sample in samples)
        rows.append([str(count), median_us(samples), f"{rate:,.0f}", f"{pss:.0f}"])
    note = f"{len(cores)} cores, of which wrk has the last; the server may run on all."
    return [*table(["workers", "µs", "requests/s", "PSS, MiB"], rows), note]
