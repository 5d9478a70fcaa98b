"""The contenders: how to find each, its version, and its start in the best fair configuration.

One worker, no log, the server's own caches on, connections kept. Configuration files are in benchmarks/peers/. Programs
come from PATH, Python packages from the running interpreter.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from benchmarks.scenarios import Scenario

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
VERSION_TIMEOUT_S = 20.0


class MissingError(Exception):
    """The contender cannot be measured here; the text says why."""


class Setting(NamedTuple):
    """The values for a command: the scenario, the served folder, a folder for the server's own files, the port."""

    scenario: Scenario
    root: Path
    work: Path
    port: int

    @property
    def log(self) -> Path:
        return self.work / "access.log"


class Contender(NamedTuple):
    name: str
    version: Callable[[], str]
    command: Callable[[Setting], list[str]]
    env: Mapping[str, str] = MappingProxyType({})
    prefix: str = ""
    logs: bool = False


def configured(name: str, setting: Setting) -> str:
    """Fill in benchmarks/peers/NAME and return the path of the result."""
    scenario = setting.scenario
    tags = {
        "#log: ": scenario.log,
        "#encoded: ": scenario.encoded,
        "#tls: ": scenario.tls,
        "#plain: ": not scenario.tls,
        "#h2c: ": scenario.streams and not scenario.tls,
    }
    active = [tag for tag, on in tags.items() if on]
    text = (HERE / "peers" / name).read_text("ascii")
    for tag in active:
        text = text.replace(tag, "")
    names = {"ROOT": setting.root, "WORK": setting.work, "LOG": setting.log, "PORT": setting.port}
    names["HTTP2"] = " http2" if scenario.streams else ""
    if scenario.tls:
        names["CERT"], names["KEY"] = make_certificate(setting.work)
    for key, value in names.items():
        text = text.replace(f"@{key}@", str(value))
    path = setting.work / name
    path.write_text(text, "ascii")
    return str(path)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a self-signed certificate (ECDSA P-256) for 127.0.0.1 in a folder; return its path and that of its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not certificate.exists():
        how = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=benchmark"]
        names = ["-addext", "subjectAltName=IP:127.0.0.1"]
        command = [program("openssl"), "req", "-x509", *how, *names, "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def program(name: str) -> str:
    """Return the path of a program; also searches sbin, where Debian installs servers."""
    path = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise MissingError(f"no program {name} on PATH")
    return path


def output_of(*command: str, env: dict[str, str] | None = None) -> str:
    """Return the output of a command, as one line: its version."""
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, **(env or {})},
        timeout=VERSION_TIMEOUT_S,
        check=False,
    )
    lines = (result.stdout + result.stderr).strip().splitlines()
    if result.returncode or not lines:
        raise MissingError(f"{Path(command[0]).name} {' '.join(command[1:])}: {lines[-1] if lines else 'no output'}")
    return ", ".join(line.strip() for line in lines)


def package(*names: str) -> str:
    try:
        return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingError(f"no Python package {error.name}") from None


def program_version(name: str, *arguments: str) -> Callable[[], str]:
    return lambda: output_of(program(name), *arguments).partition(",")[0]


def floor_program() -> Path:
    """Compile floor.c if it is newer than its program."""
    source, target = HERE / "floor.c", REPOSITORY / "build" / "floor"
    if not target.exists() or target.stat().st_mtime_ns < source.stat().st_mtime_ns:
        compiler = os.environ.get("CC") or shutil.which("cc")
        if compiler is None:
            raise MissingError("no C compiler for floor.c")
        target.parent.mkdir(exist_ok=True)
        subprocess.run([compiler, "-O2", "-o", str(target), str(source)], check=True)
    return target


def floor_version() -> str:
    floor_program()
    return "floor.c"


FLOOR_STATUS = {200: "200 OK", 206: "206 Partial Content", 304: "304 Not Modified", 404: "404 Not Found"}
FLOOR_ERROR_BODY = 300


def floor_command(setting: Setting) -> list[str]:
    scenario = setting.scenario
    size = FLOOR_ERROR_BODY if scenario.body is None else scenario.body
    command = [str(floor_program()), str(setting.port), str(size), FLOOR_STATUS[scenario.status]]
    return [*command, "close"] if scenario.close else command


def fastfile_command(*options: str) -> Callable[[Setting], list[str]]:
    def command(setting: Setting) -> list[str]:
        log = ["none"]
        if setting.scenario.log:
            log = ["combined", "--log-file", str(setting.log)]
        where = ["--workers", "1", "--port", str(setting.port), "--strict-port", "--log-format", *log]
        if setting.scenario.tls:
            certificate, key = make_certificate(setting.work)
            where += ["--tls-cert", str(certificate), "--tls-key", str(key)]
        return [sys.executable, "-m", "fastfile", *where, *options, str(setting.root)]

    return command


def fastfile(name: str, *options: str, pure: bool = False) -> Contender:
    env = {"FASTFILE_NO_EXTENSIONS": "1"} if pure else {}
    version = lambda: output_of(sys.executable, "-m", "fastfile", "--version", env=env)  # noqa: E731
    return Contender(name, version, fastfile_command(*options), env, logs=True)


def aiohttp(name: str, loop: str) -> Contender:
    packages = ("aiohttp", "uvloop") if loop == "uvloop" else ("aiohttp",)
    script = str(HERE / "peers" / "aiohttp_static.py")
    return Contender(
        name,
        lambda: package(*packages),
        lambda setting: [sys.executable, script, str(setting.port), str(setting.root), loop],
    )


def starlette_command(setting: Setting) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(setting.port), "--app-dir", str(HERE / "peers")]
    how = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"]
    root = f"BENCHMARK_ROOT={setting.root}"
    return ["env", root, sys.executable, "-m", "uvicorn", *where, *how, "starlette_static:app"]


def granian_command(setting: Setting) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(setting.port), "--working-dir", str(HERE / "peers")]
    how = ["--interface", "asgi", "--workers", "1", "--no-ws", "--log-level", "error", "--http", "1"]
    static = ["--static-path-route", "/static", "--static-path-mount", str(setting.root)]
    return [sys.executable, "-m", "granian", *where, *how, *static, "granian_static:app"]


def http_server_command(setting: Setting) -> list[str]:
    where = ["--bind", "127.0.0.1", "--directory", str(setting.root), str(setting.port)]
    return [sys.executable, "-m", "http.server", "--protocol", "HTTP/1.1", *where]


def sirv_command(setting: Setting) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(setting.port)]
    return [program("sirv"), str(setting.root), *where, "--quiet", "--etag"]


def serve_command(setting: Setting) -> list[str]:
    where = ["--listen", f"tcp://127.0.0.1:{setting.port}", "--no-port-switching"]
    return [program("serve"), *where, "--no-request-logging", "--no-clipboard", "--no-compression", str(setting.root)]


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("floor", floor_version, floor_command),
        fastfile("fastfile"),
        fastfile("fastfile asyncio", "--loop", "asyncio"),
        fastfile("fastfile pure", pure=True),
        fastfile("fastfile pure asyncio", "--loop", "asyncio", pure=True),
        Contender(
            "nginx",
            program_version("nginx", "-v"),
            lambda setting: [program("nginx"), "-e", "stderr", "-c", configured("nginx.conf", setting)],
            logs=True,
        ),
        Contender(
            "lighttpd",
            program_version("lighttpd", "-v"),
            lambda setting: [program("lighttpd"), "-D", "-f", configured("lighttpd.conf", setting)],
            logs=True,
        ),
        Contender(
            "h2o",
            program_version("h2o", "-v"),
            lambda setting: [program("h2o"), "-c", configured("h2o.yaml", setting)],
            logs=True,
        ),
        Contender(
            "caddy",
            program_version("caddy", "version"),
            lambda setting: [program("caddy"), "run", "--config", configured("Caddyfile", setting)],
            {"GOMAXPROCS": "1"},
            logs=True,
        ),
        Contender("granian", lambda: package("granian"), granian_command, prefix="/static"),
        aiohttp("aiohttp", "uvloop"),
        aiohttp("aiohttp asyncio", "asyncio"),
        Contender("starlette", lambda: package("starlette", "uvicorn", "uvloop", "httptools"), starlette_command),
        Contender("http.server", lambda: f"Python {sys.version.split()[0]}", http_server_command),
        Contender("sirv", program_version("sirv", "--version"), sirv_command),
        Contender("serve", program_version("serve", "--version"), serve_command),
    )
}
