"""The commands publish, releases, rollback and prune: arguments, texts, exit statuses."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from support.serverprocess import TIMEOUT_S, clean_environment
from support.stores import write_tree

from fastfile.cli.main import main
from fastfile.commands.releases.shared import AGE
from fastfile.releases.manifest import is_release_id

ID = "20231114T221320Z-0123456789ab"


@pytest.fixture
def location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    write_tree(tmp_path / "dist", {"index.html": b"one", "app-1.js": b"1"})
    return f"file://{tmp_path}/store"


def run(capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> tuple[str, str]:
    assert main(argv) == status
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_the_id_of_the_release_is_printed_and_the_rest_is_beside_it(
    location: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = run(capsys, "publish", "dist", location)
    assert is_release_id(out.removesuffix("\n"))
    assert err.startswith("fastfile publish: 2 files (0.0 kB), uploaded 2 (0.0 kB) in 0.")
    assert run(capsys, "publish", "dist", location)[0] == out


def test_without_a_folder_the_build_is_published(location: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "publishing ./dist\n" in run(capsys, "publish", location)[1]


def test_a_release_is_listed_rolled_back_and_pruned(
    location: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run(capsys, "publish", "dist", location)[0].strip()
    write_tree(tmp_path / "dist", {"index.html": b"two", "app-2.js": b"22"})
    out, err = run(capsys, "publish", "dist", location)
    second = out.strip()
    assert "; 1 assets of earlier releases stay reachable" in err
    lines = run(capsys, "releases", location)[0].splitlines()
    assert [line[:31] for line in lines] == [f"  {first}", f"* {second}"]
    assert lines[1].split()[3:] == ["2", "files", "0.0", "kB"]
    out, err = run(capsys, "rollback", location)
    assert (out, err) == (f"{first}\n", f"fastfile rollback: replaced {second}; 1 of its assets stay reachable\n")
    assert run(capsys, "rollback", location, first)[1] == f"fastfile rollback: {first} is the current release already\n"
    assert "1 assets" not in run(capsys, "rollback", location, second)[1]
    err = run(capsys, "prune", "--keep", "1", "-n", location)[1]
    assert err.endswith("2 releases stay, 1 of them because they are younger than --grace\n")
    out, err = run(capsys, "prune", "--keep", "1", "--grace", "0", "-n", location)
    assert out.splitlines()[0] == f"would delete {first}"
    assert "would delete restored/" in out
    assert run(capsys, "prune", "--keep", "1", "--grace", "0", location)[0] == f"deleted {first}\n"


def test_results_are_json_on_request(location: str, capsys: pytest.CaptureFixture[str]) -> None:
    published = json.loads(run(capsys, "publish", "--json", "dist", location)[0])
    name = published["release"]
    del published["seconds"]
    assert published == {
        "release": name,
        "new": True,
        "files": 2,
        "size": 4,
        "carried": 0,
        "uploaded": 2,
        "uploaded_size": 4,
        "damaged": 0,
    }
    (row,) = json.loads(run(capsys, "releases", "--json", location)[0])
    assert row.pop("created").startswith("20")
    assert row == {"release": name, "files": 2, "size": 4, "carried": 0, "previous": None, "current": True}
    rolled_back = json.loads(run(capsys, "rollback", "--json", location, name)[0])
    assert rolled_back == {"release": name, "before": name, "carried": 0}
    pruned = json.loads(run(capsys, "prune", "--json", "--keep=1", location)[0])
    assert pruned == {"releases": [], "objects": [], "size": 0, "kept": 1, "dry_run": False}


WRONG = [
    (["publish"], "LOCATION", "expected one location, got nothing"),
    (["publish", "dist"], "LOCATION", "expected one location, got nothing"),
    (["publish", "dist", "/srv/x"], "LOCATION", 'expected s3://BUCKET/PREFIX or file:///FOLDER, got "/srv/x"'),
    (["publish", "dist", "s3://b"], "LOCATION", "expected s3:// and a bucket"),
    (["publish", "dist", "https://example.com/x"], "LOCATION", "expected s3://BUCKET/PREFIX or file:///FOLDER"),
    (["publish", "dist", "file://dist"], "LOCATION", "expected file:/// and the absolute path of a folder"),
    (["publish", "a", "b", "file:///s"], "DIR", 'expected one folder, got "a" and "b"'),
    (["publish", "file:///s", "file:///t"], "LOCATION", 'expected one location, got "file:///t" too'),
    (["publish", "--keep-assets=1y", "file:///s"], "--keep-assets", "expected a time up to 3650d"),
    (["publish", "--keep-asset=1d", "file:///s"], "--keep-asset", "no such option; did you mean --keep-assets?"),
    (["releases"], "LOCATION", "expected one location, got nothing"),
    (["releases", "dist"], "LOCATION", "expected s3://BUCKET/PREFIX or file:///FOLDER"),
    (["rollback", "file:///s", "latest"], "ID", 'expected an id as "fastfile releases" prints it, got "latest"'),
    (["prune", "file:///s"], "--keep", "expected --keep N or --older-than TIME, got neither"),
    (["prune", "--keep=0", "file:///s"], "--keep", "expected a number from 1"),
]


@pytest.mark.parametrize(("argv", "option", "problem"), WRONG, ids=lambda value: str(value))
def test_a_wrong_argument_is_one_line_and_status_2(
    argv: list[str], option: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = run(capsys, *argv, status=2)
    assert err.startswith(f"fastfile: {option} (from the command line): {problem}")
    assert (out, err.count("\n")) == ("", 1)


FAILING = [
    (["publish", "nothing", "LOCATION"], "nothing: no such folder"),
    (["publish", "dist/index.html", "LOCATION"], "dist/index.html: no such folder"),
    (["rollback", "LOCATION"], "LOCATION: there is no such folder"),
    (["rollback", "LOCATION", ID], "LOCATION: there is no such folder"),
    (["prune", "--keep=3", "LOCATION"], "LOCATION: there is no such folder"),
]


@pytest.mark.parametrize(("argv", "problem"), FAILING, ids=lambda value: str(value))
def test_what_cannot_be_done_is_one_line_and_status_1(
    location: str, argv: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [word.replace("LOCATION", location) for word in argv]
    assert run(capsys, *argv, status=1) == ("", f"fastfile: {problem.replace('LOCATION', location)}\n")


def test_a_location_without_a_release_is_named_and_stays_as_it_is(
    location: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped location and a disk that is not mounted look like that: a daily prune of it must not succeed."""
    folder = Path(location.removeprefix("file://"))
    assert run(capsys, "releases", location) == ("", f"fastfile releases: {location}: there is no such folder\n")
    for argv in (["rollback", location], ["prune", "--keep=3", location]):
        run(capsys, *argv, status=1)
    assert not folder.exists()
    folder.mkdir()
    assert run(capsys, "releases", location) == ("", f"fastfile releases: {location}: nothing was published yet\n")
    for argv in (["rollback", location], ["prune", "--keep=3", location]):
        assert run(capsys, *argv, status=1) == ("", f"fastfile: {location}: nothing was published yet\n")
    assert list(folder.iterdir()) == []
    assert run(capsys, "publish", "dist", location)[1].endswith(f" s; the first release of {location}\n")
    (tmp_path / "dist/more").touch()
    assert "first release" not in run(capsys, "publish", "dist", location)[1]


@pytest.mark.parametrize("place", ["dist", "dist/store", "link/store"])
def test_a_store_is_not_published_into_itself(
    location: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to("dist")
    err = run(capsys, "publish", "dist", f"file://{tmp_path}/{place}", status=1)[1]
    assert err.endswith(f"/{place} is inside dist, the folder to publish: use a store outside it\n")
    assert sorted(os.listdir(tmp_path / "dist")) == ["app-1.js", "index.html"]


def test_a_checkout_is_not_published_by_accident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "index.html").touch()
    err = run(capsys, "publish", f"file://{tmp_path}/store", status=2)[1]
    assert err == "fastfile: DIR (from the command line): name the folder: there is no build folder here\n"
    assert not (tmp_path / "store").exists()


def test_a_secret_in_a_location_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, "publish", "dist", "s3://AKIA:hunter2@bucket/site", status=2)
    assert "a location has no credentials" in err
    assert "hunter2" not in out + err


def test_what_is_left_out_is_named(location: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dist/out.html").symlink_to("/etc/passwd")
    assert (
        "left out, because they lead outside or are not regular files: out.html\n"
        in run(capsys, "publish", location)[1]
    )
    run(capsys, "publish", "--follow-symlinks", location)
    assert "3 files" in run(capsys, "releases", location)[0]


@pytest.mark.parametrize("command", ["publish", "releases", "rollback", "prune"])
def test_help_names_the_location_and_where_credentials_come_from(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = run(capsys, command, "--help")
    assert out.startswith(f"Usage: fastfile {command} ")
    assert "AWS_ACCESS_KEY_ID" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("text", "value"), [("30d", 30 * 86400), ("12h", 43200), ("90m", 5400), ("45s", 45), ("45", 45), ("0", 0)]
)
def test_a_time_is_read_and_shown(text: str, value: int) -> None:
    assert AGE.parse(text) == value
    assert AGE.parse(AGE.show(value)) == value


@pytest.mark.parametrize("text", ["", "d", "1w", "-1d", "1.5d", "3651d", "1_0d", "٣d", "9" * 5000])
def test_any_other_text_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        AGE.parse(text)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_shown_on_a_terminal_and_nowhere_else(location: str, tmp_path: Path, is_terminal: bool) -> None:
    (tmp_path / "dist/large.bin").write_bytes(os.urandom(3_000_000))
    command = [sys.executable, "-m", "fastfile", "publish", "dist", location]
    environment = clean_environment() | {"TERM": "xterm"}
    if is_terminal:
        master, slave = pty.openpty()
        ran = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=slave, cwd=tmp_path, env=environment, timeout=TIMEOUT_S
        )
        os.close(slave)
        shown = os.read(master, 65536)
        os.close(master)
        assert b"] 100% of 3.0 MB" in shown
        assert b"\x1b[3" not in shown  # it has no colours
    else:
        ran = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment, timeout=TIMEOUT_S)
        assert b"\r" not in ran.stderr
    assert ran.returncode == 0
    assert is_release_id(ran.stdout.decode().strip())
