"""Text for terminals of any width, with and without colours and Unicode, in real pseudo-terminals."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from support.serverprocess import TIMEOUT_S, ServerProcess, clean_environment

from fastfile.cli.banner import Facts, make_banner
from fastfile.cli.layout import fit
from fastfile.config.config import Endpoint
from fastfile.terminal import wants_colour

COLOURS = [
    ({}, True, True),
    ({}, False, False),
    ({"NO_COLOR": "1"}, True, False),
    ({"NO_COLOR": ""}, True, True),
    ({"TERM": "dumb"}, True, False),
    ({"FORCE_COLOR": "1"}, False, True),
    ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
    ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
]
FITTED = [
    ("short", 10, "short"),
    ("one two three", 0, "one two three"),
    ("one two three", 8, "one two\nthree"),
    ("  --port N  a number of a port\n\nend", 24, "  --port N  a number of\n            a port\n\nend"),
    ("  --a-long-option  its text goes on", 20, "  --a-long-option\n    its text goes on"),
    ("http://localhost:8000/a/long/path", 10, "http://localhost:8000/a/long/path"),
]


@pytest.mark.parametrize(("environ", "is_terminal", "expected"), COLOURS)
def test_colours_are_for_terminals_unless_the_user_says_otherwise(
    environ: dict[str, str], is_terminal: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"TERM": "xterm"} | environ).items():
        monkeypatch.setenv(name, value)
    assert wants_colour(is_terminal) == expected


@pytest.mark.parametrize(("text", "width", "expected"), FITTED)
def test_a_long_line_continues_in_its_column(text: str, width: int, expected: str) -> None:
    assert fit(text, width) == expected


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_banner_fits_a_terminal(width: int) -> None:
    sandbox = "sandbox: Landlock ABI 7 and seccomp"
    kernels = "pure Python (no extension is built): slower"
    notices = ["only gzip is made: Brotli and backports.zstd are not installed; run: pip install Brotli backports.zstd"]
    endpoints = [Endpoint("localhost", 8000)]
    facts = Facts("./dist", endpoints, [], 1, "uvloop", kernels, notices, sandbox=sandbox)
    lines = make_banner(facts, False, width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line.startswith("  ") for line in lines if line)
    words = make_banner(facts, False).split()
    assert " ".join(lines).split() == words


def run_in_terminal(arguments: list[str], width: int, folder: Path, **environ: str) -> str:
    """Return what a command prints to a terminal of a width."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = clean_environment() | {"TERM": "xterm"} | environ
    command = [sys.executable, "-m", "fastfile", *arguments]
    started = subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment, cwd=folder)
    os.close(terminal)
    shown = b""
    with os.fdopen(screen, "rb", buffering=0) as output:
        try:
            while data := output.read(4096):
                shown += data
        except OSError:  # Linux: the other end is closed
            pass
    started.wait(TIMEOUT_S)
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["check", "--help"]], ids=" ".join)
def test_the_help_fits_a_narrow_terminal(arguments: list[str], tmp_path: Path) -> None:
    shown = run_in_terminal(arguments, 40, tmp_path)
    assert "Usage: fastfile" in shown
    long = [line for line in shown.splitlines() if len(line) > 40 and " " in line.strip()]
    assert long == []


def test_an_error_is_coloured_on_a_terminal_and_one_line(tmp_path: Path) -> None:
    assert run_in_terminal(["nothing"], 80, tmp_path) == (
        "\x1b[1;31mfastfile:\x1b[0m nothing: no such folder or file\n"
    )
    assert run_in_terminal(["nothing"], 80, tmp_path, NO_COLOR="1") == "fastfile: nothing: no such folder or file\n"


def test_an_output_that_is_no_terminal_has_no_escapes(tmp_path: Path) -> None:
    with ServerProcess(["--log-format", "pretty", str(tmp_path)]) as server:
        server.connect().close()
    assert "Press Ctrl+C" in server.stdout
    assert "\x1b" not in server.stdout


def test_without_unicode_everything_is_ascii(tmp_path: Path) -> None:
    with ServerProcess([str(tmp_path)], env=clean_environment() | {"PYTHONIOENCODING": "ascii"}) as server:
        assert "1 worker - " in server.stdout
    assert server.stdout.isascii()


def test_a_code_without_unicode_has_each_module_as_a_colour() -> None:
    segno = pytest.importorskip("segno", reason="of the extra dev")
    from fastfile.cli.qr import BORDER, make_qr

    url = "http://192.168.1.20:8000/"
    shown = make_qr(url, is_unicode=False)
    assert shown.isascii()
    rows = [[piece.startswith("\x1b[40m") for piece in split(line)] for line in shown.splitlines()]
    matrix = [list(map(bool, row)) for row in segno.make(url, error="l", micro=False).matrix_iter(border=BORDER)]
    assert rows == matrix


def split(line: str) -> list[str]:
    """Return the modules of a line, each an escape sequence and two spaces."""
    inner = line.removeprefix("  ").removesuffix("\x1b[0m")
    return [f"\x1b{module}" for module in inner.split("\x1b")[1:]]
