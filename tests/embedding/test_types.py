"""Typed use of the Python API, checked by mypy --strict and pyright from an installed wheel."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.checkout import CHECKOUT
from support.serverprocess import clean_environment

GOOD = """
from pathlib import Path
from typing import Any

import fastfile
from fastfile.pytest_plugin import MakeStaticServer, ServeFiles


async def app(scope: Any, receive: Any, send: Any) -> None: ...


files = fastfile.asgi.StaticFiles("dist", app=app, spa=True, cache_control={"/assets/**": "max-age=60"})
middleware = fastfile.asgi.StaticFilesMiddleware(app, Path("dist"), prefix="/static", clean_urls=True)
wsgi = fastfile.wsgi.StaticFiles("static", header={"X-A": "b"}, mime={"glsl": "text/plain"}, cors=True, as_="netlify")

with fastfile.Server("dist", idle_timeout=2.5, cache_size="1M") as server:
    url: str = server.url
    request: fastfile.Request = server.requests.wait_for("/", timeout=1)
    status: int = server.requests[0].status
with fastfile.ProcessServer("dist", workers="auto", sandbox="off") as processes:
    pid: int = processes.pid
with fastfile.serve("dist", workers=2) as either:
    port: int = either.port


async def use() -> None:
    async with fastfile.Server("dist") as one:
        print(one.url_for("a b"))


def test_it(serve_files: ServeFiles, make_static_server: MakeStaticServer) -> None:
    a: fastfile.Server = serve_files({"index.html": b""}, spa="app.html")
    b: fastfile.Server = make_static_server(listing=True)


try:
    code: int = fastfile.run("dist", port=80, open=True)
except (fastfile.ConfigError, fastfile.StartError) as error:
    print(error)
"""
# One mistake a line; a checker has to find each.
BAD = """import fastfile
fastfile.asgi.StaticFiles("dist", workers=2)
fastfile.asgi.StaticFiles("dist", clean_urls="yes")
fastfile.wsgi.StaticFiles("dist", trailing_slash="sometimes")
fastfile.Server("dist", sandbox="off")
fastfile.Server(1)
fastfile.ProcessServer("dist", log_format="json")
fastfile.run("dist", spelled_wrong=True)
fastfile.Server("dist").start().requests.assert_requested(1)
fastfile.nothing
"""
# pyright knows the names of a module with __getattr__ by its stub part alone; mypy lets any pass.
MISTAKES = set(range(2, 10))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a wheel has it, unpacked where a checker looks."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), "."]
    source = folder / "source"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{CHECKOUT}", str(source)], check=True)
    environment = {**clean_environment(), "FASTFILE_NO_EXTENSIONS": "1"}
    subprocess.run(command, cwd=source, env=environment, check=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    entry_points = next((folder / "site").glob("*.dist-info")) / "entry_points.txt"
    assert "[pytest11]\nfastfile = fastfile.pytest_plugin" in entry_points.read_text()
    return folder / "site"


def check(checker: str, installed: Path, folder: Path) -> tuple[dict[str, set[int]], str]:
    """Return the lines with mistakes that a checker finds in each program, and what it printed."""
    programs = {"good.py": GOOD, "bad.py": BAD}
    for name, text in programs.items():
        (folder / name).write_text(text)
    if checker == "mypy":
        command = ["-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), *programs]
    else:
        settings = {"extraPaths": [str(installed)], "typeCheckingMode": "standard", "include": list(programs)}
        (folder / "pyrightconfig.json").write_text(json.dumps(settings))
        command = ["-m", "pyright", "--outputjson"]
    environment = {**clean_environment(), "PYTHONPATH": str(installed), "MYPYPATH": ""}
    process = subprocess.run(
        [sys.executable, "-P", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode in (0, 1), process.stderr
    found: dict[str, set[int]] = {name: set() for name in programs}
    if checker == "mypy":
        for parts in [line.split(":") for line in process.stdout.splitlines()]:
            if parts[0] in found and parts[2].strip() == "error":
                found[parts[0]].add(int(parts[1]))
        return found, process.stdout
    for item in json.loads(process.stdout)["generalDiagnostics"]:
        if item["severity"] == "error":
            found[Path(item["file"]).name].add(item["range"]["start"]["line"] + 1)
    return found, process.stdout


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_the_api_is_typed_as_it_is_installed(checker: str, installed: Path, tmp_path: Path) -> None:
    pytest.importorskip(checker)
    found, printed = check(checker, installed, tmp_path)
    assert not found["good.py"], printed
    assert found["bad.py"] >= MISTAKES, printed
