"""The image of deploy/Containerfile, without an engine: its environment, a command line and its health check."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from support.rawclient import RawClient
from support.serverprocess import ServerProcess, clean_environment

CONTAINERFILE = Path(__file__, "../../../deploy/Containerfile").resolve().read_text()


def test_arguments_add_to_the_options_of_the_image_and_its_health_check_sees_the_server(tmp_path):
    (tmp_path / "index.html").write_text("home")
    settings = re.search(r"^ENV (.*)", CONTAINERFILE, re.MULTILINE)
    check = re.search(r"^HEALTHCHECK .* CMD (.*)", CONTAINERFILE, re.MULTILINE)
    assert settings is not None
    assert check is not None
    environment = dict(setting.split("=", 1) for setting in settings[1].split())
    assert environment["FASTFILE_DIRECTORY"] == "/srv/www"
    environment["FASTFILE_DIRECTORY"] = str(tmp_path)
    program, *arguments = json.loads(check[1])
    assert program == "python"

    def is_healthy() -> bool:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=clean_environment() | environment, stderr=subprocess.DEVNULL).returncode == 0

    with ServerProcess(["--spa"], env=environment) as server:
        environment["FASTFILE_PORT"] = str(server.port)
        with RawClient(server.connect()) as client:
            assert client.request("/a/route").body == b"home"
        assert any(is_healthy() for _ in range(5))  # its time limit is short for a busy machine
    assert not is_healthy()
