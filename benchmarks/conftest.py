"""Prints the results of test_bench_server.py, for which pytest-benchmark's own table has no column."""

import pytest

# (scenario, contender) -> (CPU µs per request, requests/s)
COSTS = pytest.StashKey[dict[tuple[str, str], tuple[float, float]]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    costs = terminalreporter.config.stash.get(COSTS, {})
    if not costs:
        return
    terminalreporter.section("CPU µs per request (user + system, the server's whole process tree)")
    for (scenario, contender), (cpu_us, requests_per_s) in sorted(costs.items()):
        terminalreporter.line(f"{scenario:<10} {contender:<24} {cpu_us:>10.2f} µs {requests_per_s:>12,.0f} requests/s")
