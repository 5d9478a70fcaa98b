"""``fastfile completions``: the offers of real shells for a partly typed line."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.programs import require_program
from support.serverprocess import TIMEOUT_S, clean_environment

from fastfile.cli.help import COMMANDS
from fastfile.cli.main import main
from fastfile.commands.completions import SHELLS
from fastfile.commands.vocabulary import read_commands

FILES = ("dist/", "report.pdf")
# The typed text, and all offers for it.
ROWS = [
    pytest.param("--log-f", {"--log-format", "--log-file"}, id="options by their beginning"),
    pytest.param("--log-format ", {"auto", "pretty", "common", "combined", "json", "none"}, id="the words of a choice"),
    pytest.param("--log-format c", {"common", "combined"}, id="those that begin so"),
    pytest.param("--log-format=js", {"json"}, id="and after an equals sign"),
    pytest.param("--as ", {"netlify", "cloudflare", "github-pages", "vercel"}, id="hosts"),
    pytest.param("--log-file re", {"report.pdf"}, id="files for a path"),
    pytest.param("--port ", set(), id="nothing for a number"),
    pytest.param("--no-listi", {"--no-listing"}, id="a switch turned off"),
    pytest.param("--compress di", {"dist"}, id="a folder after a switch"),
    pytest.param("--spa di", {"dist"}, id="no value for an option that takes it after = alone"),
    pytest.param("rep", {"report.pdf"}, id="a file in the first place"),
    pytest.param("hash", {"hash-password"}, id="commands there"),
    pytest.param("compress --c", {"--coding", "--clean"}, id="the options of a command"),
    pytest.param("compress --coding ", {"br", "zstd", "gzip"}, id="and their words"),
    pytest.param("compress d", {"dist"}, id="and its folder"),
    pytest.param("explain --fet", {"--fetch"}, id="a switch of a command"),
    pytest.param("explain /x --trailing-slash n", {"never"}, id="the options of serving that a command takes"),
    pytest.param("cert i", {"install"}, id="the actions of a command"),
    pytest.param("cert --store ", {"system", "chromium", "firefox"}, id="and the words of its options"),
    pytest.param("completions ", set(SHELLS), id="the words of a command"),
]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts, each by the name of its shell."""
    folder = tmp_path_factory.mktemp("scripts")
    for name in SHELLS:
        command = [sys.executable, "-m", "fastfile", "completions", name]
        done = subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_S, env=clean_environment())
        assert done.stderr == b""
        (folder / name).write_bytes(done.stdout)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folder")
    (folder / "dist").mkdir()
    (folder / "report.pdf").write_text("")
    return folder


def ask(command: list[str], folder: Path) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S, cwd=folder)
    assert done.stderr == ""
    return [line.rstrip("/") for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("typed", "offered"), ROWS)
def test_bash_offers(typed: str, offered: set[str], scripts: Path, folder: Path) -> None:
    # bash splits a line into words by COMP_WORDBREAKS, which contains the equals sign.
    words = ["fastfile", *typed.replace("=", " = ").split(" ")]
    quoted = " ".join(f"'{word}'" for word in words)
    program = f"source {scripts / 'bash'}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _fastfile; "
    program += 'printf "%s\\n" "${COMPREPLY[@]}"'
    assert set(filter(None, ask([require_program("bash"), "--norc", "-c", program], folder))) == offered


@pytest.mark.parametrize(("typed", "offered"), ROWS)
def test_fish_offers(typed: str, offered: set[str], scripts: Path, folder: Path) -> None:
    program = f"source {scripts / 'fish'}; complete --do-complete 'fastfile {typed}'"
    lines = ask([require_program("fish"), "--no-config", "-c", program], folder)
    values = {line.partition("\t")[0].partition("/")[0] for line in lines}
    assert {value.rpartition("=")[2] for value in values} == offered


class Zsh:
    """An interactive zsh that lists what it would complete."""

    def __init__(self, script: Path, folder: Path) -> None:
        program = require_program("zsh")
        self._terminal, its_side = pty.openpty()
        self._process = subprocess.Popen(
            [program, "-f", "-i"],
            **dict.fromkeys(("stdin", "stdout", "stderr"), its_side),
            env={"TERM": "dumb", "PATH": os.environ["PATH"], "PS1": ""},
            cwd=folder,
            start_new_session=True,
        )
        os.close(its_side)
        self._type(
            # Matches are printed instead of inserted: each after a mark, and then an end mark.
            f"unsetopt prompt_cr prompt_sp; autoload -U compinit; compinit -D -u; source {script}; "
            # Matches are printed too, each between marks; ^X prints the end mark and clears the line.
            'compadd() { local -a found; builtin compadd -O found "$@"; '
            'print -rl -- "<"${^found}">"; builtin compadd "$@" }; '
            "finish() { zle -I; print END; zle kill-buffer }; zle -N finish; bindkey '^X' finish; "
            "bindkey '^I' list-choices; print READY\n"
        )
        self.read_until("\nREADY")

    def _type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def read_until(self, end: str) -> str:
        printed, deadline = "", time.monotonic() + TIMEOUT_S
        while end not in printed.replace("\r", ""):
            ready = select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))[0]
            assert ready, f"zsh said only {printed!r}"
            printed += os.read(self._terminal, 65536).decode(errors="replace")
        return printed

    def offers(self, typed: str) -> set[str]:
        self._type(f"fastfile {typed}\t\x18")
        printed = self.read_until("END")
        return {part.partition(">")[0] for part in printed.split("<")[1:]}

    def close(self) -> None:
        os.close(self._terminal)  # which hangs up
        self._process.wait(TIMEOUT_S)


@pytest.fixture(scope="module")
def zsh(scripts: Path, folder: Path):
    shell_ = Zsh(scripts / "zsh", folder)
    yield shell_
    shell_.close()


@pytest.mark.parametrize(("typed", "offered"), ROWS)
def test_zsh_offers(typed: str, offered: set[str], zsh: Zsh) -> None:
    assert zsh.offers(typed) == offered


def test_each_command_and_option_is_in_each_script(scripts: Path) -> None:
    texts = [(scripts / name).read_text() for name in SHELLS]
    commands = read_commands()
    assert [command.word for command in commands] == ["", *COMMANDS]
    for command in commands:
        assert command.summary
        for flag in command.flags:
            assert flag.help
            for text in texts:
                assert flag.spellings[-1].removeprefix("--") in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "SHELL (from the command line): expected one of bash, zsh, fish, got nothing"),
        (["fsh"], 'expected one of bash, zsh, fish, got "fsh"; did you mean fish?'),
        (["bash", "zsh"], 'expected one of bash, zsh, fish, got "bash zsh"'),
    ],
)
def test_another_shell_is_a_wrong_option(arguments: list[str], complaint: str, capsys) -> None:
    assert main(["completions", *arguments]) == 2
    assert complaint in capsys.readouterr().err
