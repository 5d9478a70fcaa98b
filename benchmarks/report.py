"""The results of a run: a Markdown page, JSON with every sample, an SVG chart. Lost rows are shown like others."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from benchmarks.measure import Result, Run
from benchmarks.peers import output_of, program
from benchmarks.scenarios import Scenario

METHOD = (
    "CPU microseconds per request: user + system time of the server's whole process tree (its CPU clocks), divided by "
    "the requests that wrk or h2load saw answered; median of {rounds} rounds of {seconds:g} s, contenders in turns, "
    "server on one core, the load generator (1 thread) on another, everything on 127.0.0.1."
)


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def machine() -> dict[str, str]:
    return {
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "wrk": output_of("/bin/sh", "-c", f"{shlex.quote(program('wrk'))} -v || true").split()[1],
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
    }


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    header = list(header)
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(scenario: Scenario, result: Result | None) -> str:
    if result is None:
        return ""
    value = result.figure(scenario)
    return "–" if value is None else f"{value:.1f}"


def verdict(run: Run, scenario: Scenario) -> list[str]:
    """Return the target's cells: its text, its limit in this run, and whether it was met."""
    target = scenario.target
    if target is None:
        return ["", "", ""]
    limit = target.limit(run.cost)
    cost = run.cost(scenario.name, target.contender)
    if limit is None or cost is None:
        return [target.text, "" if limit is None else f"{limit:.1f}", "not measured"]
    return [target.text, f"{limit:.1f}", "met" if cost <= limit else f"**missed by {100 * (cost / limit - 1):.0f} %**"]


def targets_table(run: Run) -> str:
    # Contenders of only a few scenarios are only in the tables of those.
    half = len(run.scenarios) / 2
    columns = [name for name in run.contenders if sum(name in run.results[s.name] for s in run.scenarios) >= half]
    rows = []
    for scenario in run.scenarios:
        results = run.results[scenario.name]
        target = scenario.target
        # A target for another way to run fastfile shows its cost in fastfile's column.
        shown = {"fastfile": target.contender} if target and target.contender != "fastfile" else {}
        cells = [figure(scenario, results.get(shown.get(name, name))) for name in columns]
        rows.append([scenario.title, *cells, *verdict(run, scenario)])
    return table(["scenario", *columns, "target", "limit", ""], rows)


def latency_table(scenario: Scenario, results: dict[str, Result]) -> str:
    """Return the rows of a scenario that measures only time."""
    done = sorted((result.median("p99_us"), name) for name, result in results.items() if not result.failure)
    rows = []
    for p99_us, name in done:
        result = results[name]
        p99s = [sample.p99_us for sample in result.samples]
        least_and_most = f"{min(p99s):,} – {max(p99s):,}"
        p50_us, rate = result.median("p50_us"), result.median("requests_per_s")
        rows.append([name, f"{p99_us:,.0f}", least_and_most, f"{p50_us:,.0f}", f"{rate:,.0f}"])
    return table(["server", "p99 µs", "least – most", "p50 µs", "requests/s"], rows)


def scenario_table(run: Run, scenario: Scenario) -> str:
    results = run.results[scenario.name]
    if scenario.downloads:
        return f"### {scenario.title}\n\n{latency_table(scenario, results)}\n"
    done = sorted((name for name in results if not results[name].failure), key=lambda name: results[name].cpu_us or 0)
    rows = []
    for name in done:
        result = results[name]
        costs = [sample.cpu_us for sample in result.samples]
        cpu_us = result.cpu_us or 0.0
        rows.append(
            [
                name,
                f"{cpu_us:.2f}",
                f"{result.user_us:.2f}",
                f"{cpu_us - result.user_us:.2f}",
                f"{min(costs):.2f} – {max(costs):.2f}",
                f"{result.median('requests_per_s'):,.0f}",
                f"{result.median('p50_us'):,.0f}",
                f"{result.median('p99_us'):,.0f}",
                f"{result.pss / 2**20:.1f}",
            ]
        )
    header = ["server", "CPU µs", "user", "system", "least – most", "requests/s", "p50 µs", "p99 µs", "PSS MiB"]
    text = f"### {scenario.title}\n\n{table(header, rows)}\n"
    for name, result in results.items():
        text += f"\n{name}: not measured: {result.failure}.\n" if result.failure else ""
    return text


def markdown(run: Run, facts: dict[str, str], method: str) -> str:
    parts = ["# fastfile beside its peers", method, "\n".join(f"- {key}: {value}" for key, value in facts.items())]
    versions = [[name, text if found else f"missing: {text}"] for name, (found, text) in run.contenders.items()]
    parts += ["## Contenders", table(["name", "version"], versions)]
    parts += [
        "## Targets",
        targets_table(run),
        "CPU µs per request, unless the row says otherwise; –: the server failed, see below.",
        "## Scenarios",
    ]
    parts += [scenario_table(run, scenario) for scenario in run.scenarios]
    return "\n\n".join(parts).rstrip() + "\n"


def as_json(run: Run, facts: dict[str, str], method: str) -> str:
    results = {
        scenario: {
            name: {
                "cpu_us": result.cpu_us,
                "user_us": None if result.failure else result.user_us,
                "failure": result.failure or None,
                "pss": result.pss,
                "samples": [sample._asdict() for sample in result.samples],
            }
            for name, result in contenders.items()
        }
        for scenario, contenders in run.results.items()
    }
    contenders = {name: {"found": found, "version": text} for name, (found, text) in run.contenders.items()}
    document = {"method": method, "machine": facts, "contenders": contenders, "results": results}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


# The chart: a panel per scenario, a bar per contender, its user part darker.
PANEL_WIDTH, LABEL_WIDTH, VALUE_WIDTH, BAR, GAP, COLUMNS = 300, 104, 44, 14, 6, 3
TITLE_HEIGHT, PANEL_GAP, TOP = 26, 22, 58
HEAD = "CPU µs per request: less is better"
STYLE = """
text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.head{font-size:16px;font-weight:600}
.note{fill:#59636e}.sys{fill:#c9d1d9}.user{fill:#8b949e}
.own .sys{fill:#4493f8}.own .user{fill:#0b57c4}.own text{font-weight:600}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.note{fill:#9198a1}.sys{fill:#3d444d}.user{fill:#656c76}
.own .sys{fill:#1f6feb}.own .user{fill:#79c0ff}}
"""


def panel(scenario: Scenario, results: dict[str, Result], x: int, y: int) -> tuple[str, int]:
    """Return a scenario's bars, cheapest first, and the height that they take."""
    measured = {name: result for name, result in results.items() if not result.failure}
    bars = sorted((result.cpu_us or 0.0, name, result.user_us) for name, result in measured.items())
    # The scale ends at three times the median, so that slow ones do not squeeze the others; longer bars are broken.
    scale = min(bars[-1][0], 3 * bars[len(bars) // 2][0]) if bars else 1.0
    room = PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH
    out = [f'<text class="title" x="{x}" y="{y + 12}">{escape(scenario.title)}</text>']
    y += TITLE_HEIGHT
    for cpu_us, name, user_us in bars:
        width = room * cpu_us / scale if cpu_us <= scale else room - 12
        user = width * user_us / cpu_us
        own = ' class="own"' if name.startswith("fastfile") else ""
        left = x + LABEL_WIDTH
        end = ""
        if cpu_us > scale:
            end = f'<rect class="sys" x="{left + room - 8}" y="{y}" width="8" height="{BAR}"/>'
        label = escape(name.replace("fastfile ", "… "))
        value = f"{cpu_us:.1f}" if cpu_us < 100 else f"{cpu_us:.0f}"
        out.append(
            f'<g{own}><text x="{left - 6}" y="{y + 11}" text-anchor="end">{label}</text>'
            f'<rect class="sys" x="{left}" y="{y}" width="{width:.1f}" height="{BAR}"/>'
            f'<rect class="user" x="{left}" y="{y}" width="{user:.1f}" height="{BAR}"/>'
            f'{end}<text x="{left + (room if end else width) + 5:.1f}" y="{y + 11}">{value}</text></g>'
        )
        y += BAR + GAP
    return "".join(out), TITLE_HEIGHT + len(bars) * (BAR + GAP) + PANEL_GAP


def legend(y: int, columns: int) -> tuple[str, int]:
    """Return the legend of the shades and the gap, and its height."""
    gap = "A bar with a gap is longer than drawn."
    entries = (("user", 16, "in the program"), ("sys", 140, "in the kernel"))
    shades = "".join(
        f'<rect class="{shade}" x="{x}" y="{y}" width="{BAR}" height="{BAR}"/>'
        f'<text class="note" x="{x + BAR + 6}" y="{y + 11}">{text}</text>'
        for shade, x, text in entries
    )
    if columns > 1:
        return f'{shades}<text class="note" x="260" y="{y + 11}">{gap}</text>', BAR + GAP
    return f'{shades}<text class="note" style="font-size:11px" x="16" y="{y + 31}">{gap}</text>', 2 * (BAR + GAP)


def svg(run: Run, scenarios: Sequence[Scenario], note: str, columns: int = COLUMNS) -> str:
    """Return the chart of these scenarios; panels go to the column that is shortest."""
    heights = [TOP] * columns
    panels = []
    for scenario in scenarios:
        column = heights.index(min(heights))
        body, height = panel(scenario, run.results[scenario.name], 16 + column * (PANEL_WIDTH + 16), heights[column])
        panels.append(body)
        heights[column] += height
    key, key_height = legend(max(heights), columns)
    width, height = 16 + columns * (PANEL_WIDTH + 16), max(heights) + key_height + GAP
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
        f"<title>CPU microseconds per request</title><style>{STYLE}</style>"
        f'<text class="head" x="16" y="24">{HEAD}</text>'
        f'<text class="note" x="16" y="42">{escape(note)}</text>{"".join(panels)}{key}</svg>\n'
    )


def write(run: Run, folder: Path, *, rounds: int, seconds: float) -> str:
    """Write results.md, .json and .svg, and first.svg, its first panel, into `folder`; return the Markdown."""
    facts, method = machine(), METHOD.format(rounds=rounds, seconds=seconds)
    page = markdown(run, facts, method)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(page, "utf-8")
    (folder / "results.json").write_text(as_json(run, facts, method), "utf-8")
    charted = [scenario for scenario in run.scenarios if scenario.figure == "cpu_us"]
    note = f"{facts['processor']}, {facts['cores']} cores, {facts['kernel']}, Python {facts['python']}"
    (folder / "results.svg").write_text(svg(run, charted, note), "utf-8")
    (folder / "first.svg").write_text(svg(run, charted[:1], "one worker, one core", columns=1), "utf-8")
    return page
