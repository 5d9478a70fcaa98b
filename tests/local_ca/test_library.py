"""The local CA: what it makes, verified by OpenSSL; how it is found, made once, renewed and refused."""

from __future__ import annotations

import os
import shutil
import ssl
import stat
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.programs import require_program
from support.serverprocess import TIMEOUT_S, clean_environment

pytest.importorskip("cryptography", reason="comes with the extra https")

from cryptography import x509

from fastfile.errors import StartError, tell_missing
from fastfile.local_ca.authority import Authority, read_authority
from fastfile.local_ca.leaf import make_leaf
from fastfile.local_ca.library import Library, find_authority, find_leaf, open_library, replace_authority
from fastfile.local_ca.names import LOOPBACK_NAMES, Name, parse_name

NOW = datetime.now(UTC).replace(microsecond=0)
LOCAL = [*LOOPBACK_NAMES, "shop.test", "nas.local", "a.b.internal", "router.home.arpa", "192.168.1.7", "fe80::7"]
FOREIGN = ["example.com", "localhost.example", "8.8.8.8", "2606:4700::1"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def library(home: Path) -> Library:
    return open_library({"HOME": str(home)})


@pytest.fixture
def authority(library: Library) -> Authority:
    return find_authority(library, NOW)


def names(*texts: str) -> list[Name]:
    return [parse_name(text) for text in texts]


def verify(authority: Authority, leaf: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [require_program("openssl"), "verify", "-x509_strict", "-purpose", "sslserver"]
    command += ["-CAfile", authority.path, *options, str(leaf)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)


def write_leaf(folder: Path, authority: Authority, *texts: str, now: datetime = NOW) -> Path:
    certificate, key = make_leaf(authority, names(*texts), now)
    path = folder / "leaf.pem"
    path.write_bytes(certificate + key)
    return path


def test_openssl_accepts_a_certificate_for_local_names(tmp_path: Path, authority: Authority) -> None:
    leaf = write_leaf(tmp_path, authority, *LOCAL)
    done = verify(authority, leaf)
    assert done.returncode == 0, done.stderr
    for text in ("localhost", "shop.test"):
        assert verify(authority, leaf, "-verify_hostname", text).returncode == 0
    for text in ("127.0.0.1", "::1", "192.168.1.7"):
        assert verify(authority, leaf, "-verify_ip", text).returncode == 0
    assert "ostname mismatch" in verify(authority, leaf, "-verify_hostname", "other.test").stderr


@pytest.mark.parametrize("text", FOREIGN)
def test_openssl_refuses_a_certificate_for_another_name(text: str, tmp_path: Path, authority: Authority) -> None:
    assert not authority.may_certify(parse_name(text))
    done = verify(authority, write_leaf(tmp_path, authority, "localhost", text))
    assert "permitted subtree violation" in done.stderr


@pytest.mark.parametrize("text", LOCAL)
def test_the_ca_may_certify_local_names(text: str, authority: Authority) -> None:
    assert authority.may_certify(parse_name(text))


def test_neither_the_ca_nor_a_certificate_can_make_another_ca(tmp_path: Path, authority: Authority) -> None:
    # A leaf is no CA: whoever takes the key of a certificate cannot make more of them.
    leaf = x509.load_pem_x509_certificate(write_leaf(tmp_path, authority, "localhost").read_bytes())
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.path_length == 0


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """Shake hands in memory. Raises what the client raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for step in range(4):
        try:
            ends[step % 2].do_handshake()
        except ssl.SSLWantReadError:
            continue


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "shop.test"])
def test_python_accepts_it_by_its_strictest_rules(host: str, tmp_path: Path, authority: Authority) -> None:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=authority.path)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server.load_cert_chain(write_leaf(tmp_path, authority, *LOCAL))
    handshake(server, client, host)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "other.test")


def test_the_ca_is_made_once_and_only_its_user_reads_the_key(library: Library, authority: Authority) -> None:
    assert find_authority(library, NOW).fingerprint == authority.fingerprint
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in Path(library.folder).rglob("*")}
    assert modes == {"ca": 0o700, "fastfile-ca.pem": 0o644, "fastfile-ca-key.pem": 0o600}


def test_processes_that_start_together_have_one_ca(home: Path) -> None:
    command = [sys.executable, "-m", "fastfile", "cert", "--ca-root"]
    environment = {**clean_environment(), "HOME": str(home), "XDG_DATA_HOME": ""}
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(3)]
    printed = {process.communicate(timeout=TIMEOUT_S)[0] for process in running}
    assert [process.returncode for process in running] == [0] * 3
    assert len(printed) == 1
    folder = Path(open_library({"HOME": str(home)}).folder)
    assert [path.name for path in folder.iterdir()] == ["ca"], "nothing half-made is left"


def test_a_certificate_lasts_ninety_days_and_is_renewed_when_thirty_are_left(
    library: Library, authority: Authority
) -> None:
    wanted = names("localhost", "127.0.0.1")
    first = find_leaf(library, authority, wanted, NOW)
    assert first.expires == NOW + timedelta(days=90)
    assert stat.S_IMODE(os.stat(first.path).st_mode) == 0o600
    assert find_leaf(library, authority, wanted, NOW + timedelta(days=59)) == first
    renewed = find_leaf(library, authority, wanted, NOW + timedelta(days=61))
    assert renewed.path == first.path
    assert renewed.expires == NOW + timedelta(days=151)


def test_a_certificate_does_not_outlive_its_ca(library: Library, authority: Authority) -> None:
    late = authority.certificate.not_valid_after_utc - timedelta(days=5)
    leaf = find_leaf(library, authority, names("localhost"), late)
    assert leaf.expires == authority.certificate.not_valid_after_utc
    assert find_leaf(library, authority, names("localhost"), late + timedelta(days=1)) == leaf


def test_other_names_get_a_certificate_of_their_own(library: Library, authority: Authority) -> None:
    one = find_leaf(library, authority, names("localhost"), NOW)
    content = Path(one.path).read_bytes()
    other = find_leaf(library, authority, names("localhost", "10.0.0.9"), NOW)
    assert other.path != one.path
    assert Path(one.path).read_bytes() == content


def test_names_that_the_ca_may_not_certify_are_left_out(library: Library, authority: Authority) -> None:
    leaf = find_leaf(library, authority, names("localhost", "8.8.8.8", "example.com"), NOW)
    assert leaf.left_out == tuple(names("8.8.8.8", "example.com"))
    assert verify(authority, Path(leaf.path)).returncode == 0


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n", b"\0\xff"])
def test_a_damaged_certificate_is_made_again(content: bytes, library: Library, authority: Authority) -> None:
    leaf = find_leaf(library, authority, names("localhost"), NOW)
    Path(leaf.path).write_bytes(content)
    find_leaf(library, authority, names("localhost"), NOW)
    assert verify(authority, Path(leaf.path)).returncode == 0


def test_a_certificate_of_an_earlier_ca_is_made_again(library: Library, authority: Authority) -> None:
    find_leaf(library, authority, names("localhost"), NOW)
    replace_authority(library, NOW)
    new = find_authority(library, NOW)
    assert new.fingerprint != authority.fingerprint
    assert verify(new, Path(find_leaf(library, new, names("localhost"), NOW).path)).returncode == 0


def test_certificates_that_have_expired_are_cleared_away(library: Library, authority: Authority) -> None:
    old = Path(find_leaf(library, authority, names("10.0.0.1"), NOW).path)
    other = old.with_name("shop.test.pem")
    other.write_bytes(b"of fastfile cert NAME")
    for path in (old, other):
        os.utime(path, (0, (NOW - timedelta(days=100)).timestamp()))
    find_leaf(library, authority, names("10.0.0.2"), NOW)
    assert not old.exists()
    assert other.exists()


def spoil(name: str, content: bytes) -> object:
    return lambda folder: (folder / name).write_bytes(content)


DAMAGES = [
    pytest.param(
        spoil("fastfile-ca.pem", b"nonsense"), "fastfile-ca.pem: this is not a certificate of a CA", id="no PEM"
    ),
    pytest.param(
        spoil("fastfile-ca-key.pem", b""), "fastfile-ca-key.pem: this is not a private key", id="an empty key"
    ),
    pytest.param(
        lambda folder: (folder / "fastfile-ca-key.pem").unlink(),
        "fastfile-ca-key.pem: the local CA cannot be read: No such file or directory",
        id="a key that is gone",
    ),
    pytest.param(
        lambda folder: (folder / "fastfile-ca-key.pem").chmod(0o640), "other users can read the key", id="a public key"
    ),
]


@pytest.mark.parametrize(("damage", "problem"), DAMAGES)
def test_a_damaged_ca_is_one_line_that_says_what_to_do(damage, problem: str, library: Library, authority) -> None:
    damage(Path(library.ca))
    with pytest.raises(StartError) as caught:
        find_authority(library, NOW)
    assert problem in str(caught.value)
    assert "`fastfile cert --new` makes another CA" in str(caught.value)
    assert "\n" not in str(caught.value)
    replace_authority(library, NOW)
    assert find_authority(library, NOW).fingerprint != authority.fingerprint


def test_a_ca_of_another_user_is_refused(library: Library, authority: Authority, monkeypatch) -> None:
    # As in a folder that all may write to, where that user made it first.
    os.chown(f"{library.ca}/fastfile-ca-key.pem", 12345, -1) if os.geteuid() == 0 else None
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(StartError, match="another user owns the key of the local CA"):
        find_authority(library, NOW)


def test_the_key_of_another_ca_is_refused(tmp_path: Path, library: Library, authority: Authority) -> None:
    other = open_library({"HOME": str(tmp_path)})
    find_authority(other, NOW)
    with pytest.raises(StartError, match="this key does not belong to the certificate"):
        read_authority(authority.path, f"{other.ca}/fastfile-ca-key.pem", "", NOW)


def test_a_certificate_that_is_no_ca_is_refused(tmp_path: Path, authority: Authority) -> None:
    leaf = write_leaf(tmp_path, authority, "localhost")
    with pytest.raises(StartError, match="this is not a certificate of a CA"):
        read_authority(str(leaf), str(leaf), "", NOW)


def test_an_expired_ca_says_when_it_expired(library: Library, authority: Authority) -> None:
    with pytest.raises(StartError, match=r"the local CA expired on 20\d\d-\d\d-\d\d; `fastfile cert --new`"):
        find_authority(library, NOW + timedelta(days=3651))


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StartError, match=r"cannot keep the local CA: .*Not a directory; set XDG_DATA_HOME"):
        find_authority(open_library({"HOME": str(tmp_path / "file")}), NOW)


def test_a_relative_data_folder_is_ignored_as_xdg_says(home: Path) -> None:
    assert open_library({"HOME": str(home), "XDG_DATA_HOME": "here"}).folder.startswith(str(home))
    assert open_library({"HOME": str(home), "XDG_DATA_HOME": "/data"}).folder == "/data/fastfile"


@pytest.fixture(scope="module")
def mkcert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root as mkcert makes it: RSA, without constraints, and a key that only its user can read."""
    folder = tmp_path_factory.mktemp("mkcert")
    command = [require_program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9"]
    command += ["-keyout", "rootCA-key.pem", "-out", "rootCA.pem", "-subj", "/O=mkcert development CA/CN=mkcert a@b"]
    command += ["-addext", "keyUsage=critical,keyCertSign", "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=TIMEOUT_S)
    (folder / "rootCA-key.pem").chmod(0o400)
    return folder


def test_the_root_of_mkcert_is_used_where_there_is_no_other(home: Path, mkcert: Path) -> None:
    folder = home / ".local" / "share" / "mkcert"
    shutil.copytree(mkcert, folder)
    library = open_library({"HOME": str(home)})
    authority = find_authority(library, NOW)
    assert authority.path == str(folder / "rootCA.pem")
    assert authority.is_foreign
    assert authority.may_certify("example.com"), "mkcert does not limit its root"
    leaf = find_leaf(library, authority, names("localhost", "192.168.0.3"), NOW)
    assert verify(authority, Path(leaf.path)).returncode == 0
    assert not os.path.exists(library.ca)
    replace_authority(library, NOW)
    assert find_authority(library, NOW).path.startswith(library.ca), "once there is one of our own, it is used"


def test_caroot_goes_before_a_ca_of_our_own(home: Path, mkcert: Path, authority: Authority) -> None:
    library = open_library({"HOME": str(home), "CAROOT": str(mkcert)})
    assert find_authority(library, NOW).path == str(mkcert / "rootCA.pem")
    with pytest.raises(StartError, match="CAROOT names the CA of mkcert"):
        replace_authority(library, NOW)


@pytest.mark.parametrize("words", [["cert"], ["cert", "install"], ["--https", "."]], ids=" ".join)
def test_without_the_package_the_error_says_how_to_install_it(words: list[str], home: Path) -> None:
    script = "import sys; sys.modules['cryptography'] = None; from fastfile.cli.main import main; sys.exit(main())"
    arguments: Sequence[str] = [sys.executable, "-c", script, *words]
    environment = {**clean_environment(), "HOME": str(home)}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 1
    assert done.stderr == f"fastfile: no local certificate: {tell_missing('cryptography')}; or use --tls-cert\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another user")
def test_under_sudo_the_ca_is_that_of_the_caller(home: Path) -> None:
    os.chown(home, 12345, 12345)
    script = (
        "import os, pwd\n"
        "pwd.getpwuid = lambda uid: pwd.struct_passwd(('ada', 'x', 12345, 12345, '', os.environ['THERE'], ''))\n"
        "from fastfile.cli.main import main\n"
        "raise SystemExit(main())\n"
    )
    environment = {**clean_environment(), "HOME": "/root", "SUDO_UID": "12345", "THERE": str(home), "XDG_DATA_HOME": ""}
    command = [sys.executable, "-c", script, "cert", "--ca-root"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.stdout.startswith(str(home)), done.stderr
    assert {path.stat().st_uid for path in home.rglob("*")} == {12345}
