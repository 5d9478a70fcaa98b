"""``fastfile cert``: its output, and the stores that it changes, with the real tools in folders of the test."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support.programs import require_program
from support.serverprocess import TIMEOUT_S

pytest.importorskip("cryptography", reason="comes with the extra https")

from fastfile.cli.main import main
from fastfile.commands.cert.command import change, find_stores, look, undo
from fastfile.commands.cert.keychain import Keychain
from fastfile.commands.cert.stores import NAME, Absent, Machine, run
from fastfile.commands.cert.system_store import SystemStore, find_system_store
from fastfile.local_ca.authority import Authority
from fastfile.local_ca.folder import Person, find_person
from fastfile.local_ca.library import find_authority, open_library, utc_now


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def authority(home: Path) -> Authority:
    return find_authority(open_library({"HOME": str(home)}), utc_now())


@pytest.fixture
def person(home: Path) -> Person:
    return find_person({"HOME": str(home)})


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Call = Callable[..., Done]


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `fastfile cert` in the test's home; it installs in no store of this machine."""
    for name, value in {"HOME": str(home), "XDG_DATA_HOME": "", "CAROOT": "", "SUDO_UID": ""}.items():
        monkeypatch.setenv(name, value)

    def run_command(*arguments: str) -> Done:
        assert not {"install", "uninstall"} & set(arguments) or "--store" in arguments
        status = main(["cert", *arguments])
        return Done(status, *capsys.readouterr())

    return run_command


def words(outcomes) -> list[str]:
    return [outcome.word for outcome in outcomes]


def make_database(folder: Path) -> Path:
    folder.mkdir(parents=True)
    run([require_program("certutil"), "-N", "--empty-password", "-d", f"sql:{folder}"])
    return folder


def trusted_names(folder: Path) -> str:
    return run(["certutil", "-L", "-d", f"sql:{folder}"])


def test_it_shows_the_ca_and_which_stores_trust_it(home: Path, call: Call) -> None:
    database = make_database(home / ".pki" / "nssdb")
    done = call("--store", "chromium", "--store", "firefox")
    assert (done.returncode, done.stderr) == (0, "")
    path = home / ".local/share/fastfile/ca/fastfile-ca.pem"
    lines = done.stdout.splitlines()
    assert lines[0] == f"Local CA: {path}"
    assert lines[2] == f"  SHA-256 {fingerprint(path)}"
    assert "  for names below localhost, local, test, internal, home.arpa" in lines[3]
    assert f"  not trusted  Chromium ({database})" in lines
    assert "  skipped      Firefox: no profile found" in lines
    assert lines[-1] == "To trust it: fastfile cert install"


def fingerprint(path: Path) -> str:
    command = [require_program("openssl"), "x509", "-in", str(path), "-noout", "-fingerprint", "-sha256"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    return done.stdout.strip().partition("=")[2]


def test_ca_root_prints_the_path_alone(home: Path, call: Call) -> None:
    done = call("--ca-root")
    assert done.stdout == f"{home}/.local/share/fastfile/ca/fastfile-ca.pem\n"
    assert os.path.isfile(done.stdout.strip())


def test_install_and_uninstall_change_browsers_and_say_so(home: Path, call: Call) -> None:
    chromium = make_database(home / ".pki/nssdb")
    snap = make_database(home / "snap/chromium/current/.pki/nssdb")
    firefox = make_database(home / ".mozilla/firefox/abc.default")
    stores = ["--store", "chromium", "--store", "firefox"]
    done = call("install", *stores)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("  added  ") == 3
    for folder in (chromium, snap, firefox):
        assert f"({folder})" in done.stdout
        assert f"{NAME} " in trusted_names(folder)
        assert "C,," in trusted_names(folder)
    assert call("install", *stores).stdout.count("there already") == 3
    assert "not trusted" not in call(*stores).stdout
    done = call("uninstall", *stores)
    assert done.returncode == 0
    assert done.stdout.count("  removed  ") == 3
    for folder in (chromium, snap, firefox):
        assert NAME not in trusted_names(folder)
    assert call("uninstall", *stores).stdout.count("not there") == 3


def test_a_new_ca_takes_the_place_of_the_old_one_in_a_store(
    home: Path, person: Person, authority: Authority, call: Call
) -> None:
    folder = make_database(home / ".pki/nssdb")
    call("install", "--store", "chromium")
    done = call("--new", "--ca-root")
    assert done.returncode == 0, done.stderr
    new = find_authority(open_library({"HOME": str(home)}), utc_now())
    assert new.fingerprint != authority.fingerprint
    stores = find_stores(Machine(person), ["chromium"])
    assert words(look(stores, new.pem)) == ["not trusted"]
    call("install", "--store", "chromium")
    assert words(look(stores, new.pem)) == ["trusted"]
    assert words(look(stores, authority.pem)) == ["not trusted"]
    assert trusted_names(folder).count(NAME) == 1


def test_a_store_of_a_browser_that_was_never_started_is_made(
    home: Path, person: Person, authority: Authority, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.path.dirname(require_program('certutil'))}:/usr/bin:/bin")
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    stores = find_stores(Machine(person), ["chromium"])
    assert words(change(stores, authority.path, authority.pem)) == ["added"]
    assert NAME in trusted_names(home / ".pki/nssdb")
    assert stat.S_IMODE((home / ".pki").stat().st_mode) == 0o700


def test_a_missing_tool_is_named_with_its_package_and_keeps_no_other_store_from_it(
    home: Path, person: Person, authority: Authority, tmp_path: Path, monkeypatch
) -> None:
    make_database(home / ".pki/nssdb")
    root = fake_root(tmp_path)
    for program in ("install", "rm", "update-ca-certificates"):
        (tmp_path / program).symlink_to(require_program(program))
    stores = [*find_stores(Machine(person), ["chromium"]), find_system_store(Machine(person, str(root)))]
    path = os.environ["PATH"]
    # update-ca-certificates needs the usual tools, including certutil, so a script calls it.
    (tmp_path / "update-ca-certificates").unlink()
    script = tmp_path / "update-ca-certificates"
    script.write_text(f'#!/bin/sh\nPATH={path} exec update-ca-certificates "$@"\n')
    script.chmod(0o755)
    (tmp_path / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    outcomes = change(stores, authority.path, authority.pem)
    assert words(outcomes) == ["failed", "added"]
    assert "install libnss3-tools (Debian, Ubuntu), nss-tools (Fedora)" in outcomes[0].remark


def fake_root(tmp_path: Path) -> Path:
    """Return a root whose anchors and bundle update-ca-certificates changes instead of this machine's."""
    root = tmp_path / "root"
    for folder in ("usr/local/share/ca-certificates", "etc/ssl/certs", "etc/ca-certificates/update.d"):
        (root / folder).mkdir(parents=True)
    (root / "etc/ca-certificates.conf").write_bytes(b"")
    return root


@pytest.mark.skipif(os.geteuid() != 0, reason="the tools of the system want root")
def test_the_system_store_gets_and_loses_the_ca(tmp_path: Path, person: Person, authority: Authority) -> None:
    require_program("update-ca-certificates")
    root = fake_root(tmp_path)
    other = find_authority(open_library({"HOME": str(tmp_path)}), utc_now())  # the tool makes no empty bundle
    (root / "usr/local/share/ca-certificates/other.crt").write_bytes(other.pem)
    store = find_system_store(Machine(person, str(root)))
    assert isinstance(store, SystemStore)
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    assert words(change([store], authority.path, authority.pem)) == ["added"]
    anchor = root / f"usr/local/share/ca-certificates/fastfile-ca-{person.name}.crt"
    assert anchor.read_bytes() == authority.pem
    assert authority.pem in bundle.read_bytes()
    assert words(change([store], authority.path, authority.pem)) == ["there already"]
    assert words(undo([store])) == ["removed"]
    assert not anchor.exists()
    assert bundle.read_bytes() == other.pem
    assert not [link for link in (root / "etc/ssl/certs").iterdir() if link.is_symlink() and not link.exists()]
    assert words(undo([store])) == ["not there"]


FAMILIES = [
    ("etc/pki/ca-trust/source/anchors", "update-ca-trust", "extract", ".pem"),
    ("etc/ca-certificates/trust-source/anchors", "trust", "extract-compat", ".crt"),
    ("etc/pki/trust/anchors", "update-ca-certificates", "--localcertsdir", ".pem"),
]


@pytest.mark.skipif(os.geteuid() != 0, reason="the tools of the system want root")
@pytest.mark.parametrize(("folder", "tool", "word", "extension"), FAMILIES)
def test_other_distributions_keep_it_elsewhere(
    folder: str, tool: str, word: str, extension: str, tmp_path: Path, person: Person, authority: Authority, monkeypatch
) -> None:
    root = tmp_path / "root"
    (root / folder).mkdir(parents=True)
    calls = stand_in(tmp_path / tool)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    store = find_system_store(Machine(person, str(root)))
    assert words(change([store], authority.path, authority.pem)) == ["added"]
    assert (root / folder / f"fastfile-ca-{person.name}{extension}").read_bytes() == authority.pem
    assert word in calls.read_text()


def stand_in(path: Path, script: str = "") -> Path:
    """Put a script in place of a program that this machine lacks; return the file of its calls."""
    calls = path.with_suffix(".calls")
    path.write_text(f'#!/bin/sh\necho "$@" >>{calls}\n{script}\n')
    path.chmod(0o755)
    return calls


@pytest.mark.skipif(os.geteuid() != 0, reason="the tools of the system want root")
def test_an_anchor_that_the_tool_refuses_is_taken_back(
    tmp_path: Path, person: Person, authority: Authority, monkeypatch
) -> None:
    root = fake_root(tmp_path)
    stand_in(tmp_path / "update-ca-certificates", "echo no room >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    outcomes = change([find_system_store(Machine(person, str(root)))], authority.path, authority.pem)
    assert words(outcomes) == ["failed"]
    assert outcomes[0].remark == "update-ca-certificates: no room"
    assert not list((root / "usr/local/share/ca-certificates").iterdir())


def test_a_system_without_such_a_store_is_told_what_to_install(tmp_path: Path, person: Person) -> None:
    store = find_system_store(Machine(person, str(tmp_path)))
    assert isinstance(store, Absent)
    assert "install the package ca-certificates" in store.reason


def test_without_root_the_commands_to_type_are_shown(
    tmp_path: Path, person: Person, authority: Authority, monkeypatch
) -> None:
    require_program("update-ca-certificates")
    root = fake_root(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    outcomes = change([find_system_store(Machine(person, str(root)))], authority.path, authority.pem)
    assert words(outcomes) == ["failed"]
    anchor = f"{root}/usr/local/share/ca-certificates/fastfile-ca-{person.name}.crt"
    assert outcomes[0].remark.startswith(
        f"this needs root: sudo install -m 644 {authority.path} {anchor} && sudo update-ca-certificates --"
    )
    assert not os.path.exists(anchor)


def test_a_damaged_store_fails_alone(home: Path, person: Person, authority: Authority) -> None:
    bad = make_database(home / ".mozilla/firefox/bad")
    make_database(home / ".mozilla/firefox/good")
    (bad / "cert9.db").write_bytes(b"no database")
    outcomes = change(find_stores(Machine(person), ["firefox"]), authority.path, authority.pem)
    assert words(outcomes) == ["failed", "added"]
    assert outcomes[0].remark.startswith("certutil: ")


# The tool of macOS, as far as it is used: a list of certificates in a file.
SECURITY = """
case $1 in
find-certificate) cat "$KEYCHAIN" 2>/dev/null ;;
add-trusted-cert)
    for last; do :; done
    digest=$(openssl x509 -in "$last" -noout -fingerprint -sha256 | tr -d :)
    echo "SHA-256 hash: ${digest#*=}" >>"$KEYCHAIN" ;;
delete-certificate) rm "$KEYCHAIN" ;;
esac
"""


def test_the_keychain_of_macos_gets_and_loses_it(
    tmp_path: Path, home: Path, person: Person, authority: Authority, monkeypatch
) -> None:
    calls = stand_in(tmp_path / "security", SECURITY)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("KEYCHAIN", str(tmp_path / "keychain"))
    store = Keychain(person)
    assert words(look([store], authority.pem)) == ["not trusted"]
    assert words(change([store], authority.path, authority.pem)) == ["added"]
    assert words(change([store], authority.path, authority.pem)) == ["there already"]
    assert words(undo([store])) == ["removed"]
    assert words(undo([store])) == ["not there"]
    keychain = f"{home}/Library/Keychains/login.keychain-db"
    assert f"add-trusted-cert -r trustRoot -k {keychain} {authority.path}\n" in calls.read_text()
    assert f"delete-certificate -c {NAME} -t {keychain}\n" in calls.read_text()


def test_a_certificate_for_names_is_written_where_it_is_not_served(home: Path, call: Call) -> None:
    done = call("shop.test", "*.shop.test", "10.1.2.3")
    assert done.returncode == 0, done.stderr
    stem = f"{home}/.local/share/fastfile/certificates/shop.test"
    assert f"  fastfile --tls-cert {stem}.pem --tls-key {stem}-key.pem\n" in done.stdout
    assert stat.S_IMODE(os.stat(f"{stem}-key.pem").st_mode) == 0o600
    text = subprocess.run(
        [require_program("openssl"), "x509", "-in", f"{stem}.pem", "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_S,
    ).stdout
    assert "DNS:shop.test, DNS:*.shop.test, IP Address:10.1.2.3" in text


def test_out_names_another_folder(home: Path, tmp_path: Path, call: Call) -> None:
    done = call("*.shop.test", "--out", str(tmp_path / "there"))
    assert done.returncode == 0, done.stderr
    files = sorted(path.name for path in (tmp_path / "there").iterdir())
    assert files == ["_wildcard.shop.test-key.pem", "_wildcard.shop.test.pem"]


REFUSALS = [
    (["example.com"], 'NAME (from the command line): "example.com" is not a local name'),
    (["http://a.test/"], 'NAME (from the command line): expected a host name or an IP address, got "http://a.test/"'),
    (["--store", "opera"], "--store (from the command line): expected one of system, chromium, firefox"),
    (["--ca-rot"], "--ca-rot (from the command line): no such option; did you mean --ca-root?"),
    (["--ca-root", "a.test"], '--ca-root (from the command line): cannot be used with "a.test"'),
    (["--out", "."], "--out (from the command line): is for a certificate: give a NAME too"),
    (["install", "a.test", "--store", "chromium"], 'install (from the command line): takes no name, got "a.test"'),
    (["uninstall", "--new", "--store", "chromium"], "--new (from the command line): cannot be used with uninstall"),
]


@pytest.mark.parametrize(
    ("arguments", "problem"), REFUSALS, ids=lambda value: value[0] if isinstance(value, list) else ""
)
def test_wrong_arguments_are_one_line(arguments: list[str], problem: str, home: Path, call: Call) -> None:
    done = call(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"fastfile: {problem}")
    assert done.stderr.count("\n") == 1


def test_uninstall_works_without_a_ca_and_makes_none(home: Path, call: Call) -> None:
    make_database(home / ".pki/nssdb")
    done = call("uninstall", "--store", "chromium")
    assert done.returncode == 0
    assert "not there" in done.stdout
    assert not (home / ".local").exists()


@pytest.mark.skipif(shutil.which("certutil") is None, reason="a store is needed")
def test_nothing_but_install_changes_a_store(home: Path, call: Call) -> None:
    folder = make_database(home / ".pki/nssdb")
    call("--store", "chromium")
    call("shop.test")
    call("--new", "--ca-root")
    assert NAME not in trusted_names(folder)
