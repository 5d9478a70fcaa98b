"""`python -m benchmarks`: fastfile and other servers, as a Markdown table, JSON and an SVG chart."""

import argparse
import signal
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.measure import run
from benchmarks.peers import CONTENDERS, MissingError, program
from benchmarks.scenarios import SCENARIOS
from benchmarks.trials import TRIALS, run_trials
from fastfile import WHY_PURE

NAMES = [s.name for s in SCENARIOS] + [trial.name for trial in TRIALS]


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--scenarios", help=f"comma-separated, of {', '.join(NAMES)}")
    parser.add_argument("--peers", help=f"comma-separated, for every scenario, of {', '.join(CONTENDERS)}")
    parser.add_argument("--rounds", type=int, help="turns of each contender (5; with --quick 3)")
    parser.add_argument("--seconds", type=float, help="length of one turn (1.5; with --quick 0.7)")
    parser.add_argument("--quick", action="store_true", help="the main scenarios in about two minutes")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="folder (benchmarks/results)")
    return parser


def choose(text: str | None, known: list[str], what: str) -> list[str] | None:
    names = None if text is None else [name.strip() for name in text.split(",")]
    unknown = set(names or ()) - set(known)
    if unknown:
        raise SystemExit(f"unknown {what}: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return names


def main() -> int:
    arguments = make_parser().parse_args()
    names = choose(arguments.scenarios, NAMES, "scenario")
    peers = choose(arguments.peers, list(CONTENDERS), "peer")
    scenarios = [s for s in SCENARIOS if (s.name in names if names else s.quick or not arguments.quick)]
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    seconds = arguments.seconds or (0.7 if arguments.quick else 1.5)
    # The servers end with the run, however it ends, because each has a context manager.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if WHY_PURE:
        print(f"measuring pure Python: {WHY_PURE}; `make build` compiles the checkout", file=sys.stderr)
    try:
        program("wrk")
        if names and set(names) & {trial.name for trial in TRIALS}:
            print(run_trials(names, arguments.output, rounds=rounds, seconds=seconds))
        if not scenarios:
            return 0
        measured = run(scenarios, peers, rounds=rounds, seconds=seconds)
    except MissingError as error:
        print(f"cannot measure: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print("\n" + report.write(measured, arguments.output, rounds=rounds, seconds=seconds))
    return 0


sys.exit(main())
