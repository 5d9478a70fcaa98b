"""Certificates and keys as files: what is refused, in one line, before anything listens."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.certificates import DAY, Pair, make_pair

from fastfile.errors import StartError
from fastfile.server.net.tls.certificates import CertificateFiles
from fastfile.server.net.tls.contexts import Contexts, Policy, find_certificate, load


def load_pair(pair: Pair, password: str | None = None) -> Contexts:
    return load([CertificateFiles(pair.certificate_path, pair.key_path)], Policy(password=password))


def test_a_certificate_tells_its_names_and_its_end(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, ["Example.test", "*.example.test", "192.0.2.7", "::1"])
    certificate = load_pair(pair).certificates[0]
    assert certificate.names == ("example.test", "*.example.test", "192.0.2.7", "0:0:0:0:0:0:0:1")
    assert certificate.expires_s == pair.certificate.not_valid_after_utc.timestamp()


def other_key(folder: Path) -> Pair:
    return make_pair(folder)._replace(key_path=make_pair(folder, stem="other").key_path)


def reversed_chain(folder: Path) -> Pair:
    ca = make_pair(folder, stem="ca", is_authority=True)
    leaf = make_pair(folder, stem="leaf", issuer=ca)
    Path(leaf.certificate_path).write_bytes(ca.pem + leaf.pem)
    return leaf


def strange_chain(folder: Path) -> Pair:
    return make_pair(folder, chain=[make_pair(folder, stem="ca", is_authority=True)])


def not_a_certificate(folder: Path) -> Pair:
    pair = make_pair(folder)
    Path(pair.certificate_path).write_text("hello")
    return pair


def broken(folder: Path) -> Pair:
    pair = make_pair(folder)
    Path(pair.certificate_path).write_text("-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n")
    return pair


def no_key(folder: Path) -> Pair:
    pair = make_pair(folder)
    return pair._replace(key_path=pair.certificate_path)


def not_a_key(folder: Path) -> Pair:
    pair = make_pair(folder)
    Path(pair.key_path).write_text("hello")
    return pair


def missing(folder: Path) -> Pair:
    return make_pair(folder)._replace(certificate_path=str(folder / "none.pem"))


REFUSED: list[tuple[str, Callable[[Path], Pair], str]] = [
    ("an expired one", lambda folder: make_pair(folder, begin=-9 * DAY, end=-DAY), r"expired on \d{4}-\d\d-\d\d"),
    ("one of tomorrow", lambda folder: make_pair(folder, begin=DAY), r"not valid before \d{4}-\d\d-\d\d"),
    ("another key", other_key, r"--tls-key .*other.key: is not the key of .*server.pem"),
    ("a chain that begins with its CA", reversed_chain, r"put the server's certificate first"),
    (
        "a chain with a certificate of another issuer",
        strange_chain,
        r"certificate 2 is not the issuer of certificate 1",
    ),
    ("no PEM", not_a_certificate, r"expected a certificate in PEM"),
    ("broken PEM", broken, r"cannot be used"),
    ("no PEM as the key", not_a_key, r"expected a private key in PEM"),
    ("a certificate and no key", no_key, r"--tls-cert .*server.pem: holds no private key: name .* with --tls-key"),
    ("no file", missing, r"none.pem: cannot be read: No such file or directory"),
    ("a key for all to read", lambda folder: make_pair(folder, mode=0o644), r"any user may read the key \(mode 0644\)"),
    ("an encrypted key", lambda folder: make_pair(folder, password=b"secret"), r"encrypted: give its password with --"),
]


@pytest.mark.parametrize(("make", "problem"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_it_is_refused_in_one_line(make: Callable[[Path], Pair], problem: str, tmp_path: Path) -> None:
    with pytest.raises(StartError) as error:
        load_pair(make(tmp_path))
    assert re.search(problem, str(error.value)), error.value
    assert "\n" not in str(error.value)


def test_an_encrypted_key_needs_its_password(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, password=b"secret")
    assert load_pair(pair, "secret").certificates
    with pytest.raises(StartError, match="the password of --tls-password-file is wrong"):
        load_pair(pair, "wrong")


def test_a_chain_in_order_is_loaded(tmp_path: Path) -> None:
    root = make_pair(tmp_path, stem="root", is_authority=True)
    middle = make_pair(tmp_path, stem="middle", is_authority=True, issuer=root)
    leaf = make_pair(tmp_path, issuer=middle, chain=[middle, root])
    assert load_pair(leaf).certificates[0].names[0] == "localhost"


def test_a_key_that_a_group_may_read_is_accepted(tmp_path: Path) -> None:
    """The server drops root, and a reload needs the key again."""
    assert load_pair(make_pair(tmp_path, mode=0o640)).certificates


def test_a_certificate_is_found_by_its_name_before_a_wildcard(tmp_path: Path) -> None:
    pairs = [
        make_pair(tmp_path, ["a.test"], stem="a"),
        make_pair(tmp_path, ["*.b.test"], stem="wild"),
        make_pair(tmp_path, ["x.b.test"], stem="x"),
    ]
    contexts = load([CertificateFiles(pair.certificate_path, pair.key_path) for pair in pairs], Policy())
    found = {
        name: certificate and os.path.basename(certificate.files.certificate)
        for name in ("a.test", "A.TEST.", "y.b.test", "x.b.test", "z.y.b.test", "b.test", "other.test")
        for certificate in [find_certificate(contexts.certificates, name)]
    }
    assert found == {
        "a.test": "a.pem",
        "A.TEST.": "a.pem",
        "y.b.test": "wild.pem",
        "x.b.test": "x.pem",
        "z.y.b.test": None,
        "b.test": None,
        "other.test": None,
    }
