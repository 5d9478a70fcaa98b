"""`python -m benchmarks.flame`: the time of a plain request, by perf, as folded stacks and a flame graph.

inferno, flamegraph.pl and speedscope.app read folded stacks ("frame;frame;frame count").
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from html import escape
from pathlib import Path

from benchmarks.corpus import make_corpus
from benchmarks.load import run_wrk
from benchmarks.measure import Running, pick_cores
from benchmarks.peers import CONTENDERS, MissingError, program
from benchmarks.processes import process_tree
from benchmarks.scenarios import SCENARIOS

FREQUENCY = 997  # Hz; a prime, so that it is not in step with the ticks
WIDTH, ROW, CHARACTER = 1200, 17, 6.6
LEAST = 0.002  # share of the width; narrower frames are left out


def fold(script: str) -> Counter[tuple[str, ...]]:
    """Return how often each stack of `perf script` occurs, the outermost frame first."""
    stacks: Counter[tuple[str, ...]] = Counter()
    for block in script.split("\n\n"):
        frames = re.findall(r"^\s+[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)?$", block, re.MULTILINE)
        if frames:
            stacks[tuple(shorten(frame) for frame in reversed(frames))] += 1
    return stacks


def shorten(frame: str) -> str:
    """Return a frame without Cython's prefix."""
    return re.sub(r"^__pyx_p?[fwt]_8fastfile_", "", frame)


def draw(stacks: Counter[tuple[str, ...]]) -> str:
    """Return the flame graph as SVG: a frame's width is its share of the samples, its callers are below it."""
    total = sum(stacks.values())
    shapes: list[str] = []
    depth = 0

    def layer(level: int, left: float, entries: list[tuple[tuple[str, ...], int]]) -> None:
        nonlocal depth
        groups: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for stack, count in entries:
            if len(stack) > level:
                groups.setdefault(stack[level], []).append((stack, count))
        for name, members in sorted(groups.items()):
            share = sum(count for _, count in members) / total
            if share >= LEAST:
                depth = max(depth, level + 1)
                shapes.append(shape(name, level, left, share))
                layer(level + 1, left, members)
            left += share

    layer(0, 0.0, list(stacks.items()))
    height = (depth + 1) * ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace"'
        f' font-size="11">'
        f'<g transform="translate(0 {height}) scale(1 -1)">{"".join(shapes)}</g></svg>\n'
    )


def shape(name: str, level: int, left: float, share: float) -> str:
    x, width, y = left * WIDTH, share * WIDTH, level * ROW
    hue = 20 + sum(name.encode()) % 35
    text = name[: int(width / CHARACTER)] if width > 3 * CHARACTER else ""
    return (
        f"<g><title>{escape(name)}: {share:.1%}</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" fill="hsl({hue} 85% 62%)"/>'
        f'<text transform="translate({x + 2:.1f} {y + 5}) scale(1 -1)">{escape(text)}</text></g>'
    )


def record(scenario_name: str, seconds: float, work: Path) -> str:
    scenario = next(one for one in SCENARIOS if one.name == scenario_name)
    root = work / "root"
    root.mkdir()
    make_corpus(root)
    data = str(work / "perf.data")
    cores = pick_cores()
    with Running(CONTENDERS["fastfile"], scenario, root, cores) as running:
        worker = process_tree(running.process.pid)[-1]
        # The clock, because a virtual machine often has no cycle counter.
        command = [
            program("perf"),
            "record",
            "-q",
            "-e",
            "cpu-clock",
            "-F",
            str(FREQUENCY),
            "--call-graph",
            "dwarf,16384",
            "-o",
            data,
        ]
        perf = subprocess.Popen([*command, "-p", str(worker)])
        run_wrk(scenario, running.port, running.path, running.fields, seconds=seconds, core=cores.load)
        perf.send_signal(signal.SIGINT)
        perf.wait()
    return subprocess.run(
        [program("perf"), "script", "--no-inline", "-F", "ip,sym,symoff", "-i", data],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
    ).stdout  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flame", description=__doc__)
    parser.add_argument("--scenario", default="1k", choices=[s.name for s in SCENARIOS])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="folder (benchmarks/results)")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-flame-") as work:
            Path(work).chmod(0o755)
            stacks = fold(record(arguments.scenario, arguments.seconds, Path(work)))
    except MissingError as error:
        print(f"cannot draw: {error}", file=sys.stderr)
        return 1
    arguments.output.mkdir(parents=True, exist_ok=True)
    lines = [f"{';'.join(stack)} {count}\n" for stack, count in stacks.most_common()]
    (arguments.output / "flame.folded").write_text("".join(lines), "utf-8")
    (arguments.output / "flame.svg").write_text(draw(stacks), "utf-8")
    print(f"{sum(stacks.values())} samples in {arguments.output}/flame.svg and flame.folded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
