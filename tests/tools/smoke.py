"""Tries the installed fastfile, with nothing but the standard library: ``python tests/tools/smoke.py [--compiled]``.

It checks the version, that a file is served, that the data files are there, and the exit codes. For wheels, in an
environment without a compiler.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

TIMEOUT_S = 60


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "fastfile", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def check_version(kernels: str) -> None:
    done = run("--version")
    assert done.returncode == 0, done
    assert kernels in done.stdout, done.stdout


def check_exit_codes(folder: Path) -> None:
    for arguments, status in ((["--no-such-option"], 2), ([str(folder / "missing")], 1)):
        done = run(*arguments)
        assert done.returncode == status, done
        assert "Traceback" not in done.stderr, done.stderr


def check_serving(folder: Path) -> None:
    (folder / "hello.txt").write_text("hello")
    command = [sys.executable, "-P", "-u", "-m", "fastfile", "--port", "0", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        try:
            printed = ""
            while not (url := re.search(r"http://\S+:\d+/", printed)):
                line = server.stdout.readline()
                assert line, f"the server ended: {printed}"
                printed += line
            with urllib.request.urlopen(f"{url[0]}hello.txt", timeout=TIMEOUT_S) as response:
                assert response.read() == b"hello"
            with urllib.request.urlopen(url[0], timeout=TIMEOUT_S) as response:
                assert "<style>" in response.read().decode(), "the listing has no style sheet"
        finally:
            server.terminate()
    assert server.returncode == 0, server.returncode


def main() -> None:
    check_version("compiled kernels" if "--compiled" in sys.argv else "pure Python")
    with tempfile.TemporaryDirectory() as folder:
        check_exit_codes(Path(folder))
        check_serving(Path(folder))
    sys.stdout.write("fastfile works\n")


if __name__ == "__main__":
    main()
