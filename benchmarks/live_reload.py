"""The time from a write to the browser's navigation, and to a swapped style sheet, for fastfile and others, in one run.

``python -m benchmarks.live_reload NODE_MODULES`` needs Chromium, selenium, and a folder node_modules with browser-sync,
live-server and vite. It prints a table for docs/dev.md.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from selenium.webdriver import Chrome
from support.chromium import open_browser
from support.serverprocess import clean_environment

ROUNDS = 15
PAUSE_S = 0.7
TIMEOUT_S = 30.0
PAGE = """<!doctype html><html><head><title>{0}</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css"></head><body><h1>{0}</h1></body></html>"""


def servers(node_modules: str, port: int) -> dict[str, list[str]]:
    """Return the command of each server; the folder is the current one."""
    run = f"{node_modules}/.bin"
    return {
        "fastfile --live": [sys.executable, "-m", "fastfile", "--live", "--port", str(port), "."],
        "vite (dev server)": [f"{run}/vite", "--port", str(port), "--host", "127.0.0.1"],
        "live-server": [f"{run}/live-server", f"--port={port}", "--no-browser", "--quiet"],
        "browser-sync": [
            *(f"{run}/browser-sync", "start", "--server", ".", "--files", ".", "--port", str(port)),
            *("--no-open", "--no-ui", "--no-notify", "--logLevel", "silent"),
        ],
    }


@contextlib.contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    """Run a server until the block ends; it is ready when the block begins."""
    output, environment = subprocess.DEVNULL, clean_environment()
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=output, stderr=output, process_group=0, env=environment
    )
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(browser: Chrome, expression: str) -> bool:
    """Wait for a condition in the page; return False if it never holds."""
    deadline = time.monotonic() + TIMEOUT_S / 6
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):
            if browser.execute_script(f"return {expression}"):
                return True
        time.sleep(0.002)
    return False


def measure_reloads(browser: Chrome, folder: Path) -> list[float]:
    found = []
    for number in range(ROUNDS):
        time.sleep(PAUSE_S)
        (folder / "index.html").write_text(PAGE.format(f"round {number}"))
        written_ms = time.time() * 1000
        if wait_for(browser, f"document.title === 'round {number}'"):
            found.append(browser.execute_script("return performance.timeOrigin") - written_ms)
    return found


def measure_swaps(browser: Chrome, folder: Path) -> list[float]:
    """Measure in the page itself, frame by frame."""
    found = []
    for number in range(ROUNDS):
        time.sleep(PAUSE_S)
        color = f"rgb(0, 0, {number + 1})"
        browser.execute_script(
            "window.swapped = 0; const look = () => { if (getComputedStyle(document.querySelector('h1')).color ==="
            " arguments[0]) window.swapped = performance.timeOrigin + performance.now();"
            " else setTimeout(look, 1); }; look()",
            color,
        )
        (folder / "style.css").write_text(f"h1 {{ color: {color} }}")
        written_ms = time.time() * 1000
        if wait_for(browser, "window.swapped"):
            found.append(browser.execute_script("return window.swapped") - written_ms)
    return found


def show(times_ms: list[float]) -> str:
    missed = f", {ROUNDS - len(times_ms)} missed" if len(times_ms) < ROUNDS else ""
    return f"{statistics.median(times_ms):.0f} ({max(times_ms):.0f}{missed})" if times_ms else "never"


def main(node_modules: str) -> None:
    print("| | page | style sheet |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as base, open_browser(Path(base, "profile")) as browser:
        for number, name in enumerate(servers(node_modules, 0)):
            port = 18400 + number
            folder = Path(base, f"site-{number}")
            folder.mkdir()
            (folder / "index.html").write_text(PAGE.format("first"))
            (folder / "style.css").write_text("h1 { color: red }")
            with running(servers(node_modules, port)[name], folder, port):
                time.sleep(1)
                browser.get(f"http://127.0.0.1:{port}/")
                wait_for(browser, "document.readyState === 'complete'")
                print(f"| {name} | {show(measure_reloads(browser, folder))} | {show(measure_swaps(browser, folder))} |")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
