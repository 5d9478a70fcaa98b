"""The command as a user runs it: a real process, its banner, requests over a raw socket, its exit status."""

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from support.checkout import CHECKOUT

from fastfile.cli.banner import make_url
from fastfile.server.lan import lan_addresses

PASSED_ON = ("FASTFILE_NO_EXTENSIONS",)
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("FASTFILE_") or name in PASSED_ON}
TIMEOUT_S = 60


class Running:
    """A started command; ``banner`` is its output up to the line that says that it is ready."""

    def __init__(self, process):
        self.process = process
        self.banner = ""

    def wait_until_ready(self):
        for line in self.process.stdout:
            self.banner += line
            if "Press Ctrl+C" in line:
                return self
        raise AssertionError(f"ended with {self.process.wait()}: {self.banner}{self.process.stderr.read()}")

    @property
    def port(self):
        return int(re.search(r"http://\S+?:(\d+)/", self.banner)[1])

    def stop(self, signal_number=signal.SIGINT):
        """Send a signal and return the exit status and all of standard error."""
        self.process.send_signal(signal_number)
        _, errors = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, errors


ipv6 = pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "index.html").write_text("<h1>home</h1>")
    (tmp_path / "style.css").write_text("h1 {}")
    return tmp_path


@pytest.fixture
def start(folder):
    """Start a command in ``folder`` and wait for its banner; stop it after the test."""
    with contextlib.ExitStack() as stack:

        def start_one(*arguments, **environ):
            command = [sys.executable, "-m", "fastfile", *arguments]
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=ENVIRON | {"PYTHONPATH": str(CHECKOUT)} | environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.callback(end, process)
            return Running(process).wait_until_ready()

        yield start_one


def run(*arguments, folder, **environ):
    """Run a command that should fail, and return it finished."""
    environ = ENVIRON | {"PYTHONPATH": str(CHECKOUT)} | environ
    command = [sys.executable, "-m", "fastfile", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S)


def end(process):
    """Stop the process if it is still running; the output of an ended one was already read."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def fetch(address, target="/"):
    """Return the whole response to a GET, as bytes."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(TIMEOUT_S)
        client.connect(address)
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: client.recv(65536), b""))


def listen(port=0):
    """Return a listening socket of another program on a loopback port."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    taken.listen()
    return taken


def test_a_folder_is_served_and_the_banner_says_where(start):
    server = start("--port", "0", ".")
    response = fetch(("127.0.0.1", server.port))
    assert response.startswith(b"HTTP/1.1 200 ")
    assert response.endswith(b"<h1>home</h1>")
    assert "\x1b" not in server.banner


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_to_stop_is_status_0_and_no_traceback(start, number, workers):
    server = start("--port", "0", "--workers", workers)
    assert fetch(("127.0.0.1", server.port)).startswith(b"HTTP/1.1 200 ")
    status, errors = server.stop(number)
    assert status == 0
    assert "Traceback" not in errors


def test_a_log_that_cannot_be_opened_is_one_line_and_status_1(folder):
    done = run("--port", "0", "--log-file", "none/x.log", folder=folder)
    assert (done.returncode, done.stderr) == (1, "fastfile: --log-file none/x.log: No such file or directory\n")


def test_what_follows_on_the_terminal_does_not_stand_behind_the_interrupt(folder):
    terminal, end_of_server = pty.openpty()
    command = [sys.executable, "-m", "fastfile", "--port", "0"]
    environ = ENVIRON | {"PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=end_of_server, stderr=end_of_server)
    os.close(end_of_server)
    with open(terminal, "rb", buffering=0) as screen:
        shown = b""
        while not (b"Ctrl+C" in shown and shown.endswith(b"\r\n\r\n")):
            shown += screen.read(4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
        assert screen.read(4096) == b"\r\n"


def test_the_first_known_folder_is_served_and_named(start, folder):
    (folder / "dist").mkdir()
    (folder / "dist" / "index.html").write_text("built")
    server = start("--port", "0")
    assert "serving ./dist" in server.banner
    assert fetch(("127.0.0.1", server.port)).endswith(b"built")


def test_a_file_is_served_at_its_name_and_the_root_leads_there(start):
    server = start("--port", "0", "style.css")
    assert f":{server.port}/style.css" in server.banner
    response = fetch(("127.0.0.1", server.port), "/style.css")
    assert b"\r\nContent-Type: text/css; charset=utf-8\r\n" in response
    assert response.endswith(b"h1 {}")
    response = fetch(("127.0.0.1", server.port))
    assert response.startswith(b"HTTP/1.1 302 ")
    assert b"\r\nLocation: /style.css\r\n" in response
    for other in ("/none", "/style.css/", "/style.css/x"):
        assert not fetch(("127.0.0.1", server.port), other).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("name", ["a b.zip", ".env", "100%.txt", "\N{SNOWMAN}.html", "index.html", "404.html"])
def test_a_file_of_any_name_is_served_at_the_url_of_the_banner(start, folder, name):
    (folder / name).write_text("shared")
    server = start("--port", "0", name)
    url = urlsplit(re.search(r"http://\S+", server.banner)[0])
    response = fetch(("127.0.0.1", server.port), url.path)
    assert response.startswith(b"HTTP/1.1 200 ")
    assert response.endswith(b"shared")
    assert f"\r\nLocation: {url.path}\r\n".encode() in fetch(("127.0.0.1", server.port))


def test_one_file_beside_a_mount_and_at_a_base(start, folder):
    (folder / "more").mkdir()
    (folder / "more" / "index.html").write_text("more")
    server = start("--port", "0", "style.css", "--mount", "/more=more")
    assert fetch(("127.0.0.1", server.port), "/more/").endswith(b"more")
    assert fetch(("127.0.0.1", server.port), "/style.css").endswith(b"h1 {}")
    server = start("--port", "0", "style.css", "--base", "/x.css")
    assert fetch(("127.0.0.1", server.port), "/x.css").endswith(b"h1 {}")
    assert fetch(("127.0.0.1", server.port), "/style.css").startswith(b"HTTP/1.1 404 ")


def test_all_interfaces_are_listened_on_when_asked(start):
    server = start("--port", "0", "--host")
    for address in lan_addresses():
        assert make_url(address, server.port) in server.banner
        assert fetch((address, server.port)).startswith(b"HTTP/1.1 200 ")
    assert fetch(("127.0.0.1", server.port)).startswith(b"HTTP/1.1 200 ")


# Each URL of the banner answers 200: (arguments, paths of its URLs)
BANNERS = [
    pytest.param([], {"/"}, id="a folder"),
    pytest.param(["--base", "/repo"], {"/repo/"}, id="a base"),
    pytest.param(["--base", "/a/b"], {"/a/b/"}, id="a base of two segments"),
    pytest.param(["--base", "/repo", "--mount", "/docs=."], {"/repo/"}, id="a base and a mount"),
    pytest.param(["--mount", "/docs=."], {"/"}, id="a mount"),
    pytest.param(["--host", "--allowed-host", "x.example"], {"/"}, id="all interfaces, and a name"),
    pytest.param(["--host"], {"/"}, id="all interfaces"),
    pytest.param(["--bind", "0.0.0.0", "--allowed-host", "x.example"], {"/"}, id="all interfaces of IPv4"),
    pytest.param(["--bind", "127.0.0.1"], {"/"}, id="one loopback address"),
    pytest.param(["--bind", "127.0.0.2"], {"/"}, id="another loopback address"),
    pytest.param(["--bind", "::1"], {"/"}, id="loopback of IPv6", marks=ipv6),
    pytest.param(["style.css"], {"/style.css"}, id="one file"),
    pytest.param(["style.css", "--base", "/x.css"], {"/x.css"}, id="one file and a base"),
]


@pytest.mark.parametrize(("arguments", "paths"), BANNERS)
def test_each_url_of_the_banner_answers_200(start, arguments, paths):
    server = start("--port", "0", *arguments)
    urls = re.findall(r"http://\S+", server.banner)
    assert {urlsplit(url).path for url in urls} == paths
    for url in urls:
        parts = urlsplit(url)
        found = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
        for family, _, _, _, address in found:
            if family == socket.AF_INET6 and not socket.has_ipv6:
                continue
            with socket.socket(family) as client:
                client.settimeout(TIMEOUT_S)
                client.connect(address)
                request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
                client.sendall(request.encode())
                assert client.recv(13) == b"HTTP/1.1 200 ", url


@ipv6
def test_both_addresses_of_localhost_answer_from_each_worker(start):
    server = start("--port", "0", "--workers", "2")
    for host in ("127.0.0.1", "::1") * 4:
        assert fetch((host, server.port)).endswith(b"<h1>home</h1>")


def test_only_loopback_is_listened_on_unless_asked(start):
    server = start("--port", "0")
    assert "Network:" not in server.banner
    for address in lan_addresses():
        with pytest.raises(ConnectionRefusedError):
            fetch((address, server.port))
    assert fetch(("127.0.0.1", server.port)).startswith(b"HTTP/1.1 200 ")


def test_a_unix_socket_is_listened_on(start, folder):
    server = start("--bind", "unix:web.sock")
    assert "web.sock" in server.banner
    assert fetch(str(folder / "web.sock")).endswith(b"<h1>home</h1>")
    assert server.stop()[0] == 0
    assert not (folder / "web.sock").exists()


@ipv6
@pytest.mark.parametrize("address", ["::1", "[::1]"])
def test_ipv6_is_listened_on(start, address):
    server = start("--bind", address, "--port", "0")
    assert fetch(("::1", server.port)).endswith(b"<h1>home</h1>")


def test_a_busy_port_is_passed_over_and_the_banner_says_so(start):
    with listen() as taken:
        port = taken.getsockname()[1]
        server = start("--port", str(port))
        assert server.port > port
        assert f"port {port} is in use" in server.banner
        assert fetch(("127.0.0.1", server.port)).endswith(b"<h1>home</h1>")


def test_a_port_of_another_fastfile_is_busy(start):
    first = start("--port", "0", "--workers", "2")
    second = start("--port", str(first.port))
    assert second.port != first.port
    assert f"port {first.port} is in use" in second.banner


def test_a_strict_port_that_is_busy_is_one_line_and_status_1(folder):
    with listen() as taken:
        port = str(taken.getsockname()[1])
        done = run("--strict-port", "--port", port, folder=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("fastfile: ")
    assert done.stderr.count("\n") == 1
    assert port in done.stderr
    assert "--port" in done.stderr


def test_an_endpoint_of_another_machine_is_one_line_and_status_1(folder):
    done = run("--bind", "192.0.2.200", "--port", "0", folder=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("fastfile: ")
    assert done.stderr.count("\n") == 1


def test_settings_of_the_environment_and_the_file_reach_the_server(start, folder):
    (folder / "fastfile.toml").write_text('index = "style.css"\nserver-header = false\n')
    server = start(FASTFILE_PORT="0", FASTFILE_WORKERS="2")
    assert "2 workers" in server.banner
    assert "fastfile.toml" in server.banner
    response = fetch(("127.0.0.1", server.port))
    assert response.endswith(b"h1 {}")
    assert b"\r\nServer:" not in response


@pytest.fixture
def broken_uvloop(tmp_path_factory):
    """Return a PYTHONPATH on which uvloop is found but does not load."""
    path = tmp_path_factory.mktemp("broken")
    (path / "uvloop.py").write_text("raise ImportError('no such symbol')")
    return f"{path}{os.pathsep}{CHECKOUT}"


def test_without_uvloop_asyncio_serves_and_the_banner_says_so(start, broken_uvloop):
    server = start("--port", "0", PYTHONPATH=broken_uvloop)
    assert "· asyncio ·" in server.banner
    assert fetch(("127.0.0.1", server.port)).startswith(b"HTTP/1.1 200 ")


def test_a_uvloop_that_was_asked_for_and_is_not_there_is_one_line_and_status_1(folder, broken_uvloop):
    done = run("--loop", "uvloop", "--port", "0", folder=folder, PYTHONPATH=broken_uvloop)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("fastfile: --loop uvloop: uvloop is not installed")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_the_loop_that_was_asked_for_is_named(start, loop):
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    server = start("--port", "0", "--loop", loop)
    assert f"· {loop} ·" in server.banner
    assert fetch(("127.0.0.1", server.port)).startswith(b"HTTP/1.1 200 ")


def test_a_standard_output_without_a_reader_does_not_stop_the_server(folder):
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "fastfile", "--bind", "unix:web.sock", "--log-format", "common"]
    environ = ENVIRON | {"PYTHONPATH": str(CHECKOUT)}
    with os.fdopen(write_end) as stdout:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=stdout, stderr=subprocess.PIPE, text=True)
    try:
        wait_for_socket(folder / "web.sock", process)
        for _ in range(3):
            assert fetch(str(folder / "web.sock")).startswith(b"HTTP/1.1 200 ")
        process.terminate()
        _, errors = process.communicate(timeout=TIMEOUT_S)
    finally:
        end(process)
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_closed_standard_descriptors_never_become_a_socket(folder):
    command = 'exec "$0" -m fastfile --bind unix:web.sock 0<&- 1>&- 2>&-'
    environ = ENVIRON | {"PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(["sh", "-c", command, sys.executable], cwd=folder, env=environ)
    try:
        wait_for_socket(folder / "web.sock", process)
        assert fetch(str(folder / "web.sock"), "/missing").startswith(b"HTTP/1.1 404 ")
        if sys.platform == "linux":
            targets = [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)]
            assert targets == ["/dev/null"] * 3
    finally:
        end(process)
    assert process.returncode == 0


def wait_for_socket(path, process):
    """Return when the socket takes connections; there is no banner to wait for, so the wait is on the process."""
    for _ in range(TIMEOUT_S * 20):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"ended with {process.wait(0.05)}")
    raise AssertionError(f"nothing listens on {path}")
