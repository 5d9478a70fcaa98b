"""The examples of deploy/: their command lines and probes run as they are written, but for paths and ports."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.activation import activate
from support.published import PublishedFolder
from support.rawclient import RawClient
from support.serverprocess import SOURCE_ROOT, TIMEOUT_S, ServerProcess, clean_environment
from support.watching import until

yaml = pytest.importorskip("yaml")
DEPLOY = Path(SOURCE_ROOT, "deploy")
PAGE = (
    b"<!doctype html><html lang=en><head><meta charset=utf-8><title>Site</title></head><body><p>home</p></body></html>"
)


def read_yaml(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def container(name: str) -> dict[str, Any]:
    """Return the container of a Deployment."""
    found: dict[str, Any] = read_yaml(name)[0]["spec"]["template"]["spec"]["containers"][0]
    return found


def exec_start(name: str) -> list[str]:
    """Return the arguments of the last ExecStart of a unit."""
    program, *arguments = shlex.split(re.findall(r"^ExecStart=(.+)$", (DEPLOY / name).read_text(), re.MULTILINE)[-1])
    assert program == "/opt/fastfile/bin/fastfile"
    return arguments


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Replace the paths of the examples by those of this test."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www/index.html").write_bytes(PAGE)
    published = PublishedFolder(tmp_path / "store")
    published.publish({"index.html": PAGE})
    return {
        "/srv/www": str(tmp_path / "www"),
        "/var/cache/fastfile": str(tmp_path / "cache"),
        "s3://bucket/site": published.location,
    }


def adapt(arguments: list[str], places: dict[str, str]) -> list[str]:
    """Return the arguments with other places, and without a port and all addresses."""
    line = "\0".join(arguments)
    for place, other in places.items():
        line = line.replace(place, other)
    return [word for word in re.sub("\0--port\0[0-9]+|--host(?:\0|$)", "", line).split("\0") if word]


@pytest.mark.parametrize(
    "arguments",
    [
        exec_start("fastfile.service"),
        exec_start("fastfile-releases.conf"),
        container("kubernetes.yaml")["args"],
        container("kubernetes-releases.yaml")["args"],
    ],
    ids=["fastfile.service", "fastfile-releases.conf", "kubernetes.yaml", "kubernetes-releases.yaml"],
)
def test_the_command_lines_start_servers_that_are_healthy(arguments: list[str], places: dict[str, str]) -> None:
    with ServerProcess(adapt(arguments, places)) as server, RawClient(server.connect()) as client:
        assert client.request("/").body == PAGE
        assert client.request("/healthz").status == 200


def test_the_service_with_https_redirects_the_first_socket(places: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    from support.certificates import make_pair

    pair = make_pair(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as plain, socket.create_server(("127.0.0.1", 0)) as secure:
        places |= {"%d/cert.pem": pair.certificate_path, "%d/key.pem": pair.key_path}
        places |= {"http\x0080": f"http\0{plain.getsockname()[1]}"}
        with activate(adapt(exec_start("fastfile-https.conf"), places), plain, secure) as server:
            with RawClient(socket.create_connection(plain.getsockname(), TIMEOUT_S), checks=()) as client:
                assert client.request("/").fields["location"] == f"https://localhost:{server.port}/"
            with RawClient(pair.client().wrap_socket(server.connect(), server_hostname="localhost")) as client:
                assert client.request("/").body == PAGE


@pytest.mark.parametrize("name", ["kubernetes.yaml", "kubernetes-releases.yaml"])
def test_the_parts_of_a_deployment_fit_together(name: str) -> None:
    deployment, service = read_yaml(name)
    pod = deployment["spec"]["template"]
    spec, found = pod["spec"], container(name)
    assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"] == service["spec"]["selector"]
    assert {mount["name"] for mount in found["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
    ports = {port["name"]: port["containerPort"] for port in found["ports"]}
    assert service["spec"]["ports"][0]["targetPort"] in ports
    port = found["args"][found["args"].index("--port") + 1] if "--port" in found["args"] else "8000"
    assert [str(number) for number in ports.values()] == [port]
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        (probe,) = [found[kind][key] for key in ("httpGet", "tcpSocket") if key in found[kind]]
        assert probe["port"] in ports
        assert probe.get("path", "/healthz") == "/healthz"
    pause_s = int(found["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert spec["terminationGracePeriodSeconds"] > pause_s + 8  # the server's own --grace
    written = [mount["mountPath"] for mount in found["volumeMounts"] if not mount.get("readOnly")]
    assert written == [
        word.removeprefix("--store-cache=") for word in found["args"] if word.startswith("--store-cache=")
    ]


def ci_lines(name: str) -> list[str]:
    """Return the commands of the jobs, in their order."""
    (content,) = read_yaml(name)
    if "jobs" in content:
        return [step["run"] for step in content["jobs"]["publish"]["steps"] if "run" in step]
    return [line for job in ("build", "publish", "rollback") for line in content[job]["script"]]


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, str]:
    """An environment in which npm and pip do nothing, and fastfile is that of the checkout."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program, line in {"npm": "", "pip": "", "fastfile": f'exec {sys.executable} -m fastfile "$@"'}.items():
        (folder / program).write_text(f"#!/bin/sh\n{line}\n")
        (folder / program).chmod(0o755)
    environment = clean_environment()
    return {**environment, "PATH": f"{folder}:{environment['PATH']}"}


@pytest.mark.parametrize("name", ["publish-github.yml", "publish-gitlab.yml"])
def test_the_jobs_publish_and_roll_back(name: str, tmp_path: Path, programs: dict[str, str]) -> None:
    pytest.importorskip("brotli")
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / "index.html").write_bytes(PAGE)
    location = f"file://{tmp_path}/store"
    first = PublishedFolder(tmp_path / "store").publish({"index.html": b"an earlier release"})
    lines = ci_lines(name)
    script = "\n".join([*lines, 'fastfile releases --json "$LOCATION"'])
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=tmp_path, env={**programs, "LOCATION": location}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert sum(line.startswith("fastfile publish") for line in lines) == 1
    is_back = any(line.startswith("fastfile rollback") for line in lines)
    assert (first.release in (tmp_path / "store/current").read_text()) == is_back


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("drop_in", ["", "releases", "https"])
def test_systemd_finds_nothing_wrong_with_the_units(drop_in: str, tmp_path: Path) -> None:
    units = {name: name for name in ("fastfile.service", "fastfile.socket")}
    if drop_in:
        units[f"fastfile-{drop_in}.conf"] = f"fastfile.service.d/{drop_in}.conf"
    for name, place in units.items():
        (tmp_path / place).parent.mkdir(exist_ok=True)
        text = (DEPLOY / name).read_text()
        (tmp_path / place).write_text(text.replace("/opt/fastfile/bin/fastfile", "/bin/true"))
    command = ["systemd-analyze", "verify", f"{tmp_path}/fastfile.service", f"{tmp_path}/fastfile.socket"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not [line for line in done.stderr.splitlines() if "fastfile" in line]


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="systemd is not installed")
def test_a_replica_serves_from_the_socket_of_systemd(places: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "socket"
    command = ["systemd-socket-activate", "-l", str(path), "--fdname=fastfile.socket"]
    command += ["-E", f"PYTHONPATH={SOURCE_ROOT}", "-E", f"HOME={tmp_path}", sys.executable, "-m", "fastfile"]
    process = subprocess.Popen(
        [*command, *adapt(exec_start("fastfile-releases.conf"), places)],
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def is_listening() -> bool:  # it has bound the path before
        assert process.poll() is None
        return connection.connect_ex(str(path)) == 0

    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(TIMEOUT_S)
    try:
        with RawClient(connection) as client:
            until(is_listening, "systemd-socket-activate does not listen")
            assert client.request("/").body == PAGE
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)
