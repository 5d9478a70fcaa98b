"""``fastfile man``: a page that man itself shows without a warning, with every option and command in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.programs import require_program
from support.serverprocess import TIMEOUT_S

from fastfile.cli.arguments import spelling
from fastfile.cli.main import main
from fastfile.commands.vocabulary import read_commands
from fastfile.config.config import OPTIONS


@pytest.fixture
def page(tmp_path: Path, capsys) -> Path:
    assert main(["man"]) == 0
    path = tmp_path / "fastfile.1"
    path.write_text(capsys.readouterr().out)
    return path


def test_the_page_is_shown_without_a_warning_and_says_everything(page: Path) -> None:
    man = require_program("man")
    environment = {**os.environ, "MANWIDTH": "500", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"}
    command = [man, "--warnings", "--no-hyphenation", "--local-file", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=TIMEOUT_S)
    assert done.stderr == ""
    shown = " ".join(done.stdout.split())
    for option in OPTIONS:
        assert spelling(option) in shown
        assert " ".join(option.help.split()) in shown
        assert option.variable in shown
    for command_ in read_commands():
        assert command_.summary in shown or not command_.word
        for flag in command_.flags:
            assert flag.spellings[0] in shown.replace("--[no-]", "--") or flag.spellings[0].startswith("--no-")


def test_roff_reads_no_text_as_its_own(page: Path) -> None:
    text = page.read_text()
    assert ".B \\-\\-base /PATH\n" in text, "a minus, and not a hyphen, so that it can be searched and copied"
    macros = {line.split()[0] for line in text.splitlines() if line.startswith((".", "'"))}
    assert macros <= {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".BR", ".I", ".IR", ".br", ".nf", ".fi", ".sp"} | {
        *(".nh", ".hy", ".ad")
    }


def test_an_argument_is_a_wrong_option(capsys) -> None:
    assert main(["man", "7"]) == 2
    assert "man takes no argument" in capsys.readouterr().err
