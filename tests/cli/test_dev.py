"""fastfile dev, and the QR code of --qr."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.serverprocess import clean_environment

from fastfile.cli.banner import Facts, network_url
from fastfile.config.config import Endpoint


def print_config(*arguments: str, folder: Path) -> str:
    command = [sys.executable, "-m", "fastfile", *arguments, "--print-config"]
    found = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), cwd=folder, check=True)
    return found.stdout


def test_dev_is_short_for_some_options_which_others_override(tmp_path: Path) -> None:
    (tmp_path / "fastfile.toml").write_text("port = 4000\nworkers = 4\nhost = true\n")
    values = {
        line.split("=")[0].strip(): line.split("=")[1].partition("#")[0].strip()
        for line in print_config("dev", folder=tmp_path).splitlines()
        if "=" in line
    }
    expected = {"live": "true", "open": '"/"', "host": "false", "workers": "1", "log-format": '"pretty"'}
    assert {name: values[name] for name in expected} == expected
    assert values["port"] == "4000"
    other = print_config("dev", "--no-open", "--host", folder=tmp_path)
    assert "# open is not set" in other
    assert "host = true" in other


def test_dev_has_a_help_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fastfile", "dev", "--help"]
    found = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), cwd=tmp_path, check=True)
    assert found.stdout.startswith("Usage: fastfile dev [OPTIONS] [DIR]")
    assert "--live --open" in found.stdout


@pytest.mark.parametrize("url", ["http://192.168.1.20:8000/", "https://[fd00::2]:8443/a/long/path/to/a/page/"])
def test_the_code_has_each_module_of_the_url(url: str) -> None:
    segno = pytest.importorskip("segno", reason="of the extra dev")
    from fastfile.cli.qr import BORDER, make_qr

    rows: list[list[bool]] = []
    for line in make_qr(url).splitlines():
        blocks = line.removeprefix("  \x1b[30;107m").removesuffix("\x1b[0m")
        rows += [[block in "▀█" for block in blocks], [block in "▄█" for block in blocks]]
    matrix = [list(map(bool, row)) for row in segno.make(url, error="l", micro=False).matrix]
    inner = [row[BORDER:-BORDER] for row in rows[BORDER : BORDER + len(matrix)]]
    assert inner == matrix
    assert not any(map(any, rows[:BORDER]))


def test_the_code_is_of_a_url_that_others_can_reach() -> None:
    facts = Facts("/srv", [Endpoint("", 8000)], ["192.168.1.20"], 1, "uvloop", "")
    assert network_url(facts) == "http://192.168.1.20:8000/"
    assert network_url(facts._replace(endpoints=[Endpoint("localhost", 8000)])) == ""
