"""What a scanner finds of the TLS of ``--https``: no old version, no weak cipher, no renegotiation, no known hole."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.programs import require_program
from support.serverprocess import TIMEOUT_S, ServerProcess

pytest.importorskip("cryptography", reason="comes with the extra https")

WEAK = ("RC4", "DES", "NULL", "EXPORT", "MD5", "CBC", "-SHA ", "ADH", "AECDH", "PSK", "SRP", "CCM")


def test_sslscan_finds_no_weakness(tmp_path: Path) -> None:
    scanner = require_program("sslscan")
    (tmp_path / "site").mkdir()
    environment = {"HOME": str(tmp_path), "XDG_DATA_HOME": "", "CAROOT": "", "SUDO_UID": ""}
    with ServerProcess(["--https", "--bind", "127.0.0.1", str(tmp_path / "site")], env=environment) as server:
        command = [scanner, "--xml=-", "--sni-name=localhost", f"127.0.0.1:{server.port}"]
        done = subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_S)
    (found,) = ElementTree.fromstring(done.stdout).iter("ssltest")
    enabled = {f"{row.get('type')}v{row.get('version')}" for row in found.iter("protocol") if row.get("enabled") == "1"}
    assert enabled == {"tlsv1.2", "tlsv1.3"}
    ciphers = [row.get("cipher", "") for row in found.iter("cipher")]
    assert ciphers
    assert not [cipher for cipher in ciphers if any(word in f"{cipher} " for word in WEAK)]
    assert all(cipher.startswith(("TLS_", "ECDHE-")) for cipher in ciphers), "each has forward secrecy"
    (renegotiation,) = found.iter("renegotiation")
    assert renegotiation.get("supported") == "0"
    assert {row.get("vulnerable") for row in found.iter("heartbleed")} == {"0"}
    (certificate,) = found.iter("certificate")
    assert certificate.findtext("signature-algorithm") == "ecdsa-with-SHA256"
