"""The sandbox: what a worker could reach if a bug let a client choose its system calls."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.rawclient import RawClient
from support.serverprocess import ONE_LOOP, SOURCE_ROOT, TIMEOUT_S, ServerProcess, clean_environment

from fastfile.server.confinement import sandbox
from fastfile.server.confinement.sandbox import landlock_abi
from fastfile.storage.root import Root

HAS_LANDLOCK = landlock_abi() > 0
needs_landlock = pytest.mark.skipif(not HAS_LANDLOCK, reason="this kernel has no Landlock")

INSIDE = """
import errno, os, signal, socket, sys
from fastfile.config.config import Config
from fastfile.storage.root import Root
from fastfile.server.confinement.sandbox import enter_sandbox, filter_calls
from fastfile.server.net.handshakes import Handshakes
import ctypes, fcntl, resource, termios
os.chdir(sys.argv[1])
outer = os.getppid()
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
config = Config(sandbox="require")
roots = [Root(os.fsencode(sys.argv[2]))]
before = os.open("project/dist/index.html", os.O_RDONLY)
log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
listening, handshakes = socket.create_server(("127.0.0.1", 0)), Handshakes()
print(enter_sandbox(config, roots, filter_calls(config)), flush=True)
"""


def in_sandbox(folder: Path, code: str, root: str = "project/dist", home: str = "/nowhere") -> str:
    """Run code in a process that is confined to a root, and return its output after that."""
    done = subprocess.run(
        [sys.executable, "-c", INSIDE + textwrap.dedent(code), str(folder), root],
        env={**clean_environment(), "PYTHONPATH": SOURCE_ROOT, "HOME": home},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    said, _, rest = done.stdout.partition("\n")
    assert said.startswith("sandbox: Landlock ABI ")
    return rest.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "project" / "dist"
    root.mkdir(parents=True)
    (root / "index.html").write_text("home")
    (root / "large.bin").write_bytes(bytes(100_000))
    (root / "assets").mkdir()
    (root / "assets" / "app.js").write_text("app")
    return tmp_path


@needs_landlock
def test_a_confined_process_reads_the_site(folder: Path) -> None:
    code = 'print(open("project/dist/index.html").read(), os.listdir("project/dist/assets"))'
    assert in_sandbox(folder, code) == "home ['app.js']"


FORBIDDEN = [
    pytest.param('open("secret.txt")', id="reading beside the parent of the root"),
    pytest.param('open("/etc/passwd")', id="reading the system"),
    pytest.param('open("/proc/self/environ")', id="reading its own environment"),
    pytest.param('os.listdir("/")', id="listing the system"),
    pytest.param('open("project/dist/index.html", "a")', id="writing to the site"),
    pytest.param('open("project/dist/new", "x")', id="making a file"),
    pytest.param('os.mkdir("project/dist/new")', id="making a folder"),
    pytest.param('os.remove("project/dist/index.html")', id="removing a file"),
    pytest.param('os.rmdir("project/dist/assets")', id="removing a folder"),
    pytest.param('os.rename("project/dist/index.html", "project/dist/moved")', id="renaming"),
    pytest.param('os.symlink("/", "project/dist/link")', id="making a link"),
    pytest.param('os.truncate("project/dist/index.html", 0)', id="cutting a file"),
    pytest.param('os.execv("/bin/true", ["true"])', id="running a program"),
    pytest.param('socket.socket().connect(("127.0.0.1", 9))', id="connecting by TCP"),
    pytest.param('socket.socket().bind(("127.0.0.1", 0))', id="listening by TCP"),
    pytest.param('socket.socket(socket.AF_UNIX).bind("project/dist/socket")', id="making a Unix socket"),
    pytest.param("os.kill(outer, signal.SIGCONT)", id="signalling another process"),
    pytest.param("os.kill(-1, 0)", id="signalling all processes"),
    pytest.param("os.kill(0, 0)", id="signalling its group"),
    pytest.param('os.chmod("secret.txt", 0)', id="changing a mode outside"),
    pytest.param('os.chmod("project/dist/index.html", 0)', id="changing a mode inside"),
    pytest.param("os.fchmod(before, 0)", id="changing the mode of an open file"),
    pytest.param('os.chown("secret.txt", -1, -1)', id="changing an owner"),
    pytest.param("os.fchown(before, -1, -1)", id="changing the owner of an open file"),
    pytest.param('os.utime("secret.txt", (0, 0))', id="changing times"),
    pytest.param("os.utime(before, (0, 0))", id="changing the times of an open file"),
    pytest.param('os.setxattr("secret.txt", "user.x", b"")', id="setting an attribute"),
    pytest.param('os.setxattr(before, "user.x", b"")', id="setting an attribute of an open file"),
    pytest.param('os.removexattr("secret.txt", "user.x")', id="removing an attribute"),
    pytest.param("os.ftruncate(log, 0)", id="cutting the log"),
    pytest.param('os.link("secret.txt", "project/dist/link")', id="making a hard link"),
    pytest.param('os.mkfifo("project/dist/pipe")', id="making a pipe"),
    pytest.param("resource.prlimit(outer, resource.RLIMIT_NOFILE)", id="reading the limits of another process"),
    pytest.param("resource.prlimit(outer, resource.RLIMIT_NOFILE, (9, 9))", id="limiting another process"),
    pytest.param("os.setpriority(os.PRIO_PROCESS, outer, 19)", id="slowing another process"),
    pytest.param("os.setpriority(os.PRIO_USER, 0, 19)", id="slowing all processes of its user"),
    pytest.param("os.sched_setaffinity(outer, {0})", id="binding another process to a CPU"),
    pytest.param("os.pidfd_open(outer)", id="holding another process"),
    pytest.param("call(101, 16, outer, 0, 0)", id="tracing another process"),
    pytest.param("call(310, outer, 0, 0, 0, 0, 0)", id="reading the memory of another process"),
    pytest.param("os.fork()", id="forking"),
    pytest.param('socket.socket(socket.AF_UNIX).connect("listening")', id="connecting to a Unix socket"),
    pytest.param('socket.socket(socket.AF_UNIX).connect("\\0abstract")', id="connecting to an abstract Unix socket"),
    pytest.param('socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))', id="sending by UDP"),
    pytest.param(
        'socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", "listening")', id="sending to a socket"
    ),
    pytest.param("socket.socketpair(type=socket.SOCK_DGRAM)", id="making a datagram socket in a pair"),
    pytest.param("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", id="asking the kernel by netlink"),
    pytest.param('fcntl.ioctl(log, termios.TIOCSTI, b"x")', id="typing into its terminal"),
    pytest.param("fcntl.fcntl(before, fcntl.F_SETOWN, outer)", id="having signals sent to another process"),
    pytest.param("call(41 | 0x40000000, 2, 1, 0)", id="calling by the other ABI of x86_64"),
    pytest.param("call(29, 0, 4096, 0o1600)", id="sharing memory"),
    pytest.param("call(272, 0x10000000)", id="making namespaces"),
    pytest.param("call(321, 0, 0, 0)", id="loading a program into the kernel"),
]
ON_X86 = ("call(",)  # by their numbers there


@needs_landlock
@pytest.mark.parametrize("code", FORBIDDEN)
def test_a_confined_process_may_not(folder: Path, code: str) -> None:
    needed = 4 if ".connect" in code or ".bind((" in code else 6 if "kill" in code else 3
    if landlock_abi() < needed:
        pytest.skip(f"Landlock knows this from ABI {needed} on")
    if code.startswith(ON_X86) and os.uname().machine != "x86_64":
        pytest.skip("the number is that of another machine")
    code = f"""
        try:
            {code}
        except PermissionError:
            print("refused")
    """
    assert in_sandbox(folder, code) == "refused"


@needs_landlock
def test_a_confined_process_knows_that_the_kernel_holds_no_clients(folder: Path) -> None:
    """A stop would wait a second and a half otherwise."""
    assert in_sandbox(folder, "print(handshakes.are_pending(listening))") == "False"


@needs_landlock
def test_a_confined_process_gains_no_privileges_by_running_a_program(folder: Path) -> None:
    assert in_sandbox(folder, "print(libc.prctl(39, 0, 0, 0, 0))  # PR_GET_NO_NEW_PRIVS") == "1"


@needs_landlock
def test_a_root_that_holds_the_home_does_not_open_the_folder_above_it(folder: Path) -> None:
    code = """
        try:
            open("project/package.json")
        except PermissionError:
            print("refused", open("project/dist/index.html").read())
    """
    (folder / "project" / "package.json").write_text("{}")
    assert in_sandbox(folder, code, home=str(folder / "project")) == "refused home"
    assert in_sandbox(folder, 'print(open("project/package.json").read())') == "{}"


@pytest.mark.parametrize("home", ["project", "project/alice"], ids=["it is the home", "it holds the home"])
def test_a_parent_that_is_a_home_by_the_password_database_is_not_opened(
    folder: Path, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever $HOME is: sudo leaves it that of root, systemd sets none."""
    passwords = folder / "passwd"
    monkeypatch.setattr(sandbox, "PASSWORD_FILE", str(passwords))
    monkeypatch.setenv("HOME", "/nowhere")
    site, parent = os.fsencode(folder / "project" / "dist"), os.fsencode(folder / "project")
    passwords.write_text("daemon:x:1:1::/usr/sbin:/bin/sh\nnot a line of it\n")
    with contextlib.closing(Root(site)) as root:
        assert sandbox.readable_folders(root) == {site, parent}
        passwords.write_text(f"alice:x:1000:1000:Alice:{folder / home}:/bin/sh\n")
        assert sandbox.readable_folders(root) == {site}


@needs_landlock
def test_the_one_file_that_is_served_opens_its_folder_alone(folder: Path) -> None:
    (folder / "project" / "package.json").write_text("{}")
    code = """
        try:
            open("project/package.json")
        except PermissionError:
            print("refused", open("project/dist/index.html").read())
    """
    assert in_sandbox(folder, code, root="project/dist/index.html") == "refused home"


# A server


def start(folder: Path, *args: str, **environ: str) -> ServerProcess:
    return ServerProcess([*args, str(folder / "project" / "dist")], env={"HOME": "/nowhere", **environ})


def wait_for_successors(server: ServerProcess, workers: list[int]) -> None:
    """Return when other workers, and only they, serve."""
    deadline = time.monotonic() + TIMEOUT_S
    while set(now := server.worker_pids()) & set(workers) or len(now) != len(workers):
        assert time.monotonic() < deadline, f"workers {now} after {workers}"
        time.sleep(0.01)  # there is no event for another process's child: poll


def no_new_privileges(pid: int) -> bool:
    return "NoNewPrivs:\t1\n" in Path(f"/proc/{pid}/status").read_text()


def links(pid: int) -> list[str]:
    return [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]


@needs_landlock
@pytest.mark.parametrize("loop", ONE_LOOP)
def test_everything_works_in_the_sandbox(folder: Path, loop: str) -> None:
    root = folder / "project" / "dist"
    os.symlink(root / "index.html", root / "inside")
    os.symlink(folder / "secret.txt", root / "outside")
    log = folder / "access.log"
    args = [
        "--sandbox",
        "require",
        "--loop",
        loop,
        "--log-format",
        "combined",
        "--log-file",
        str(log),
        "--workers",
        "2",
    ]
    with start(folder, *args) as server:
        assert f"sandbox: Landlock ABI {landlock_abi()}" in server.stdout
        for pid in server.worker_pids():
            assert no_new_privileges(pid)
            assert "Seccomp:\t2\n" in Path(f"/proc/{pid}/status").read_text()
            assert not [name for name in links(pid) if "io_uring" in name], "what goes through it is not filtered"
        with RawClient(server.connect()) as client:
            expected = {
                "/": 200, "/index.html": 200, "/large.bin": 200, "/assets/": 200, "/assets": 301, "/inside": 200,
                "/outside": 404, "/missing": 404, "/%zz": 400, "/assets/app.js/": 404,
            }  # fmt: skip
            for target, status in expected.items():
                for accept in ("text/html", "text/plain", "application/json"):
                    response = client.request(target, "GET", f"Accept: {accept}")
                    assert (target, response.status) == (target, status)
                    assert b"secret" not in response.body
            for method, status in (("HEAD", 200), ("POST", 405), ("BREW", 501), ("OPTIONS", 204)):
                assert client.request("/", method).status == status
            assert client.request("/", "GET", "Range: bytes=0-1,3-3").status == 206
            assert client.request("/", "GET", "Range: bytes=9-").status == 416
            assert client.request("/", "GET", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT").status == 200
            assert client.request("/", "GET", "If-Match: x").status == 412
        with RawClient(server.connect()) as client:
            assert client.request("/", "GET", "Host: a", "Host: b").status == 400
    assert "Traceback" not in server.stderr
    assert log.read_bytes().count(b"\n") >= 30


def test_a_worker_that_is_confined_renews_a_rebuilt_root(folder: Path) -> None:
    root = folder / "project" / "dist"
    with start(folder) as server, RawClient(server.connect()) as client:
        for number in range(3):
            assert client.request("/").status == 200
            shutil.rmtree(root)
            assert client.request("/").status == 404
            root.mkdir()
            (root / "index.html").write_text(f"build {number}")
            response = client.request("/")
            assert (response.status, response.body.decode()) == (200, f"build {number}")


@pytest.mark.parametrize("inner", ["", "public"])
def test_a_worker_that_is_confined_follows_a_switched_release(folder: Path, inner: str) -> None:
    for number in range(3):
        release = folder / "releases" / str(number) / inner
        release.mkdir(parents=True)
        (release / "index.html").write_text(f"release {number}")
    current = folder / "app" / "current"
    current.parent.mkdir()
    os.symlink("../releases/0", current)
    server = ServerProcess([str(current / inner)], env={"HOME": "/nowhere"})
    with server, RawClient(server.connect()) as client:
        for number in range(3):
            os.symlink(f"../releases/{number}", folder / "app" / "next")
            os.rename(folder / "app" / "next", current)
            response = client.request("/")
            assert (response.status, response.body.decode()) == (200, f"release {number}")


@needs_landlock
def test_a_root_that_its_worker_may_not_read_is_served_by_the_next_worker(folder: Path) -> None:
    root = folder / "project" / "dist"
    with start(folder, "--sandbox", "require", HOME=str(folder / "project")) as server:
        workers = server.worker_pids()
        with RawClient(server.connect()) as client:
            assert client.request("/").status == 200
            shutil.rmtree(root)
            root.mkdir()
            (root / "index.html").write_text("again")
            response = client.request("/")
            assert (response.status, response.fields["retry-after"]) == (503, "1")
        wait_for_successors(server, workers)
        with RawClient(server.connect()) as client:
            assert client.request("/").body == b"again"
    assert server.stderr == ""


@needs_landlock
def test_a_rotated_log_is_opened_again_by_the_next_worker(folder: Path) -> None:
    log = folder / "access.log"
    with start(folder, "--sandbox", "require", "--log-file", str(log)) as server:
        workers = server.worker_pids()
        os.rename(log, folder / "access.log.1")
        server.signal(signal.SIGHUP)
        wait_for_successors(server, workers)
        with RawClient(server.connect()) as client:
            client.request("/after")
    assert b"/after" in log.read_bytes()


def test_links_that_lead_outside_turn_the_sandbox_off_and_the_banner_says_so(folder: Path) -> None:
    os.symlink(folder / "secret.txt", folder / "project" / "dist" / "outside")
    with start(folder, "--follow-symlinks") as server, RawClient(server.connect()) as client:
        assert "no sandbox: --follow-symlinks" in server.stdout
        assert client.request("/outside").body == b"secret"


def test_the_sandbox_can_be_left_off(folder: Path) -> None:
    with start(folder, "--sandbox", "off") as server:
        assert "no sandbox: --sandbox off" in server.stdout
        assert not any(no_new_privileges(pid) for pid in server.worker_pids())


def run(*args: str, code: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{code}\nfrom fastfile.cli.main import main\nraise SystemExit(main())", *args]
    return subprocess.run(command, cwd="/", env=clean_environment(), capture_output=True, text=True, timeout=60)


def test_a_required_sandbox_cannot_go_with_links_that_lead_outside(folder: Path) -> None:
    done = run("--sandbox", "require", "--follow-symlinks", str(folder))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fastfile: --sandbox (from the command line): require cannot be used with --follow-symlinks\n"


NO_LANDLOCK = "import fastfile.server.confinement.sandbox as s; s.landlock_abi = lambda: 0"


def test_a_required_sandbox_that_is_not_available_is_one_line_and_status_1(folder: Path) -> None:
    done = run("--sandbox", "require", "--port", "0", str(folder), code=NO_LANDLOCK)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "fastfile: --sandbox require: this system has no Landlock\n"


NO_FILTER = "import fastfile.server.confinement.sandbox as s; s.why_unavailable = lambda: 'this system has no seccomp'"


@needs_landlock
def test_where_the_kernel_has_no_filter_landlock_alone_is_used_unless_both_are_required(folder: Path) -> None:
    done = run("--sandbox", "require", "--port", "0", str(folder), code=NO_FILTER)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "fastfile: --sandbox require: this system has no seccomp\n"
    starter = f"import sys; {NO_FILTER}\nfrom fastfile.cli.main import main\nsys.exit(main())"
    with ServerProcess([str(folder)], interpreter_args=["-c", starter]) as server:
        assert f"sandbox: Landlock ABI {landlock_abi()}, no filter: this system has no seccomp" in server.stdout


@needs_landlock
def test_a_filter_that_the_kernel_refuses_is_one_line(folder: Path) -> None:
    """It refuses one of more than 4096 instructions, for one."""
    code = (
        "import fastfile.server.confinement.seccomp as s; "
        "make = s.make_program; s.make_program = lambda *a: make(*a) * 30"
    )
    done = run("--sandbox", "require", "--port", "0", str(folder), code=code)
    assert (done.returncode, done.stderr) == (1, "fastfile: --sandbox require: seccomp: Invalid argument\n")


def test_the_version_says_which_sandbox_there_is() -> None:
    assert run("--version").stdout.splitlines()[3] == (
        f"sandbox: Landlock ABI {landlock_abi()} and seccomp"
        if HAS_LANDLOCK
        else "no sandbox: this system has no Landlock"
    )


def test_a_sandbox_within_fifteen_others_is_one_too_many_and_auto_goes_on(folder: Path) -> None:
    code = """
        for _ in range(14):
            enter_sandbox(Config(sandbox="require"), [Root(b"project/dist")])
        print(enter_sandbox(Config(), [Root(b"project/dist")]), "|", enter_sandbox(Config(), [Root(b"project/dist")]))
    """
    if HAS_LANDLOCK:
        first, _, last = in_sandbox(folder, code).partition(" | ")
        assert (first, last) == (
            f"sandbox: Landlock ABI {landlock_abi()} and seccomp",
            "no sandbox: Landlock: Argument list too long",
        )


# Another user


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def public() -> Iterator[str]:
    """A site that every user may read: pytest's own folders are only for their user."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        Path(name, "index.html").write_text("home")
        Path(name, "hidden.html").write_text("hidden")
        os.chmod(Path(name, "hidden.html"), 0o600)
        yield name


def ids(pid: int) -> set[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {number for line in lines if line.startswith(("Uid:", "Gid:", "Groups:")) for number in line.split()[1:]}


@needs_root
@pytest.mark.parametrize("user", ["nobody", "65534"])
def test_another_user_serves_once_the_port_is_bound(public: str, user: str) -> None:
    with ServerProcess(["--user", user, "--workers", "2", public]) as server:
        for pid in (server.pid, *server.worker_pids()):
            assert ids(pid) == {"65534"}
        with RawClient(server.connect()) as client:
            assert client.request("/").body == b"home"
            assert client.request("/hidden.html").status == 403


@needs_root
def test_a_group_can_be_chosen_apart_from_the_user(public: str) -> None:
    with ServerProcess(["--user", "nobody", "--group", "daemon", public]) as server:
        assert ids(server.worker_pids()[0]) == {"65534", "1"}


@needs_root
def test_workers_of_another_user_are_replaced_as_that_user(public: str) -> None:
    with ServerProcess(["--user", "nobody", public]) as server:
        workers = server.worker_pids()
        server.signal(signal.SIGHUP)
        wait_for_successors(server, workers)
        assert ids(server.worker_pids()[0]) == {"65534"}
        with RawClient(server.connect()) as client:
            assert client.request("/").body == b"home"


@needs_root
@pytest.mark.parametrize(
    ("args", "problem"),
    [
        pytest.param(["--user", "no-such"], "--user no-such: there is no such user", id="an unknown user"),
        pytest.param(["--group", "no-such"], "--group no-such: there is no such group", id="an unknown group"),
    ],
)
def test_an_unknown_user_is_one_line_and_status_1(public: str, args: list[str], problem: str) -> None:
    done = run(*args, "--port", "0", public)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"fastfile: {problem}\n")


@needs_root
def test_a_root_that_the_user_may_not_read_is_one_line_and_status_1(public: str) -> None:
    os.chmod(public, 0o700)
    done = run("--user", "nobody", "--port", "0", public)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"fastfile: {public}: user nobody has no permission to read it\n"


@needs_root
def test_a_root_that_the_user_may_only_search_is_served(public: str) -> None:
    Path(public, "file.txt").write_bytes(b"content")
    os.chmod(public, 0o711)
    with ServerProcess(["--user", "nobody", public]) as server, RawClient(server.connect()) as client:
        assert client.request("/file.txt").body == b"content"


@needs_root
def test_only_root_can_become_another_user() -> None:
    code = """
import grp, os, pwd
from fastfile.config.config import Config
from fastfile.errors import StartError
from fastfile.server.confinement.privileges import drop_privileges
drop_privileges(Config(user="nobody"), "/")
try:
    drop_privileges(Config(user="daemon"), "/")
except StartError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("--user and --group: only root can become another user\n", "")
