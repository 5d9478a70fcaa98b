"""``fastfile compress``: encoded variants beside the files of a folder, made ahead of the first request.

Owns the order of a run and its messages; survey.py reads the folder, variant_file.py writes variants.
"""

from __future__ import annotations

import errno
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

from fastfile.cli.arguments import Usage, make_help, parse_arguments, read_values
from fastfile.commands.compress.savings import Row, make_table
from fastfile.commands.compress.survey import Survey, survey
from fastfile.commands.compress.variant_file import State, Stopped, Task, Writer, judge, remove_leftover
from fastfile.config.config import Config
from fastfile.config.cpus import usable_cpus
from fastfile.config.folder import resolve_clear_directory
from fastfile.config.load import COMMAND_LINE
from fastfile.config.option import Option
from fastfile.config.values import MIB, PATH, SWITCH, WORKERS, Kind, choice, number, size
from fastfile.errors import ConfigError, StartError, tell_missing
from fastfile.progress import Progress
from fastfile.records import NamedTuple
from fastfile.storage.encoders import LEVELS, PACKAGES, available_codings, tell_what_is_missing
from fastfile.storage.root import Root
from fastfile.terminal import printable, write

_INTRODUCTION = """\
Usage: fastfile compress [OPTIONS] [DIR]

Compress the files of a build ahead of time: write .br, .zst and .gz beside each
file that gets smaller, for a server to send. Variants that are up to date stay
as they are. Defaults are in brackets; SIZE is in bytes, or with K, M or G.
"""
_CONCLUSION = """\
Brotli and Zstandard need their libraries: pip install Brotli backports.zstd.
Exit status: 0 when every variant is up to date, 1 when some files could not be
compressed, 2 for a wrong option, 130 when interrupted. No variant is ever left
incomplete.
"""
# Errors that the next file would meet too.
_HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_MAX_FAILURES = 20  # that are listed
_MAX_STRAYS = 3
_TICK_S = 0.1
_WHAT = "What is compressed"
_HOW = "How"


def _parse_type(text: str) -> str:
    main, slash, sub = text.lower().partition("/")
    good = bool(main and sub) if slash else len(text) > 1 and text.rfind(".") == 0
    if not good or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(text)
    return text.lower()


_TYPE = Kind("a media type, a family such as font/*, or an ending such as .dat", _parse_type)

USAGE = Usage(
    _INTRODUCTION,
    (
        Option(
            group=_WHAT,
            name="directory",
            kind=PATH,
            default=None,
            metavar="DIR",
            help="Folder; without it, the build folder that has an index file, such as dist.",
        ),
        Option(
            group=_WHAT,
            name="type",
            kind=_TYPE,
            default=(),
            metavar="TYPE",
            help="Compress these files too: a media type, a family such as font/*, or an extension such as .dat. "
            "Repeat it for more.",
            repeatable=True,
        ),
        Option(
            group=_WHAT,
            name="min_size",
            kind=size(1, MIB),
            default=1024,
            metavar="SIZE",
            help="Smallest file to compress; a smaller one fits into a packet anyway.",
        ),
        Option(
            group=_HOW,
            name="coding",
            kind=choice(*(name.decode() for name in LEVELS)),
            default=(),
            metavar="NAME",
            help="Coding to write: br, zstd or gzip. Repeat it for more; without it, all that are installed.",
            repeatable=True,
        ),
        *(
            Option(
                group=_HOW,
                name=f"{name.decode()}_level",
                kind=number(low, high),
                default=high,
                metavar="N",
                help=f"Level of {title}, {low} to {high}: a lower one is faster and makes larger files.",
            )
            for (name, (low, high)), title in zip(LEVELS.items(), ("Brotli", "Zstandard", "gzip"), strict=True)
        ),
        Option(
            group=_HOW,
            name="jobs",
            kind=WORKERS,
            default=None,
            metavar="N",
            help="Number of files to compress at once; without it, one for each usable CPU.",
            short="-j",
        ),
        Option(
            group=_HOW,
            name="clean",
            kind=SWITCH,
            default=False,
            help="Remove variants that fastfile made for files that no longer exist.",
        ),
        Option(
            group=_HOW,
            name="dry_run",
            kind=SWITCH,
            default=False,
            help="Print what would be done, and do nothing.",
            short="-n",
        ),
    ),
    conclusion=_CONCLUSION,
)


class _Plan(NamedTuple):
    """The variants to make, and those that are up to date."""

    tasks: list[Task]
    fresh: list[Row]


class _Run:
    """One run over one folder; ``failures`` are lines for the user."""

    def __init__(self, path: str, settings: dict[str, Any], codings: Sequence[bytes]) -> None:
        self._root = Root(os.fsencode(path))
        self._settings = settings
        self._codings = codings
        self._jobs: int = settings["jobs"] or usable_cpus()
        self._failures: list[str] = []
        self._counts: Counter[str] = Counter()
        self._rows: list[Row] = []

    def run(self) -> int:
        """Run the plan, and return the exit status."""
        found = survey(self._root, frozenset(self._settings["type"]))
        for failed, error in found.failures:
            self._fail(failed, error)
        plan = self._plan(found)
        if self._settings["dry_run"]:
            self._rehearse(plan, found)
            interrupted = False
        else:
            self._tidy(found)
            interrupted = self._write(plan)
            self._report(plan, found)
        lines = self._failures[:_MAX_FAILURES]
        if len(lines) < len(self._failures):
            lines.append(f"and {len(self._failures) - len(lines)} more")
        if interrupted:
            lines.append("interrupted")
        write(sys.stderr, "".join(f"fastfile compress: {line}\n" for line in lines))
        return 130 if interrupted else 1 if self._failures else 0

    def _plan(self, found: Survey) -> _Plan:
        plan = _Plan([], [])
        for original in found.originals:
            for coding in self._codings:
                task = Task(original, coding, False)
                try:
                    state = judge(self._root, original, coding)
                    if state is State.FRESH:
                        after = os.stat(self._root.absolute(task.path)).st_size
                        plan.fresh.append(Row(coding, original.status.st_size, after))
                except OSError as error:
                    self._fail(task.path, error)
                    continue
                if state is State.BLOCKED:
                    self._failures.append(f"{_show(task.path)}: a folder or another kind of file has this name")
                elif state is State.STALE:
                    plan.tasks.append(task._replace(exists=True))
                elif state is State.ABSENT and original.status.st_size >= self._settings["min_size"]:
                    plan.tasks.append(task)
        # The longest first, so that the cores finish at the same time; Brotli takes longest, and is first.
        plan.tasks.sort(key=lambda task: -task.original.status.st_size)
        return plan

    def _rehearse(self, plan: _Plan, found: Survey) -> None:
        lines = [f"would write {_show(task.path)}" for task in plan.tasks]
        if self._settings["clean"]:
            lines += [f"would remove {_show(path)}" for path in found.orphans]
        lines.append(f"{len(plan.tasks)} to write if they get smaller, {len(plan.fresh)} fresh")
        write(sys.stdout, "".join(f"{line}\n" for line in lines))

    def _tidy(self, found: Survey) -> None:
        for path in found.leftovers:
            try:
                remove_leftover(self._root.absolute(path))
            except OSError as error:
                self._fail(path, error)
        for path in found.orphans if self._settings["clean"] else ():
            try:
                os.unlink(self._root.absolute(path))
            except OSError as error:
                self._fail(path, error)
            else:
                write(sys.stdout, f"removed {_show(path)}: its original is gone\n")

    def _write(self, plan: _Plan) -> bool:
        """Write all planned variants; tell whether the run was interrupted."""
        progress = Progress(sys.stderr, sum(task.original.status.st_size for task in plan.tasks))
        levels = {coding: self._settings[f"{coding.decode()}_level"] for coding in self._codings}
        writer = Writer(self._root, levels, self._settings["min_size"], progress.advance)
        with ThreadPoolExecutor(self._jobs) as pool:
            try:
                futures = {pool.submit(writer.write, task): task for task in plan.tasks}
                for future in _as_completed(futures, progress):
                    self._note(futures[future], future, writer)
            except KeyboardInterrupt:
                writer.stop()
                pool.shutdown(cancel_futures=True)
                return True
            finally:
                progress.clear()
        return False

    def _note(self, task: Task, future: Future[int | None], writer: Writer) -> None:
        try:
            size = future.result()
        except Stopped:
            self._counts["given up"] += 1
        except OSError as error:
            self._fail(task.path, error)
            if error.errno in _HOPELESS:
                writer.stop()
        else:
            if size is None:
                self._counts["no smaller"] += 1
            else:
                self._counts["written"] += 1
                self._rows.append(Row(task.coding, task.original.status.st_size, size))

    def _report(self, plan: _Plan, found: Survey) -> None:
        write(sys.stdout, make_table([*plan.fresh, *self._rows], self._codings))
        words = [f"{self._counts['written']} written", f"{len(plan.fresh)} fresh"]
        words += [f"{count} {word}" for word, count in sorted(self._counts.items()) if word != "written"]
        write(sys.stdout, f"{', '.join(words)}\n")
        if found.orphans and not self._settings["clean"]:
            write(sys.stdout, f"{len(found.orphans)} variants have no original; --clean removes them\n")
        if found.strays and self._settings["clean"]:
            names = ", ".join(map(_show, found.strays[:_MAX_STRAYS])) + (", ..." if found.strays[_MAX_STRAYS:] else "")
            write(sys.stdout, f"{len(found.strays)} kept, because fastfile may not have made them: {names}\n")

    def _fail(self, path: bytes, error: OSError) -> None:
        self._failures.append(f"{_show(path)}: {error.strerror or error}")


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status. Raises ConfigError and StartError."""
    arguments = parse_arguments(USAGE, argv)
    if "help" in arguments:
        write(sys.stdout, make_help(USAGE))
        return 0
    settings = read_values(USAGE, arguments)
    codings = _choose_codings([name.encode() for name in settings["coding"]])
    return _Run(_find_folder(settings["directory"]), settings, codings).run()


def _choose_codings(wanted: Sequence[bytes]) -> Sequence[bytes]:
    """Return the codings to make, best first; report missing ones. Raises StartError for a requested one."""
    available = available_codings()
    if refused := [name for name in wanted if name not in available]:
        packages = [PACKAGES[name] for name in refused]
        raise StartError(f"--coding {' '.join(map(bytes.decode, refused))}: {tell_missing(*packages)}")
    if not wanted and (notice := tell_what_is_missing()):
        write(sys.stdout, f"{notice}\n")
    return [coding for coding in available if not wanted or coding in wanted]


def _find_folder(directory: str | None) -> str:
    if directory is None:
        directory = resolve_clear_directory(Config())
        if directory == ".":
            # Unlike the server, which only reads, this command writes files, and must not do so all over a checkout.
            raise ConfigError("DIR", COMMAND_LINE, "name the folder: there is no build folder here")
        write(sys.stdout, f"{directory}\n")
    if not os.path.isdir(directory):
        raise StartError(f"{printable(directory)}: no such folder")
    return directory


def _as_completed(futures: Iterable[Future[int | None]], progress: Progress) -> Iterator[Future[int | None]]:
    """Yield each future when it is done, and keep updating the progress meanwhile."""
    done: SimpleQueue[Future[int | None]] = SimpleQueue()
    count = 0
    for future in futures:
        future.add_done_callback(done.put)
        count += 1
    while count:
        progress.show()
        try:
            yield done.get(timeout=_TICK_S)
        except Empty:
            continue
        count -= 1


def _show(path: bytes) -> str:
    return printable(os.fsdecode(path))
