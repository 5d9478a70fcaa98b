"""``fastfile completions``: print a shell script that completes fastfile's commands, options and values.

shtab 1.13 was tried instead. It fails at least 14 of the 54 completions that tests/commands/test_completions.py tests
in bash, zsh and fish: a value after ``=``, a folder after ``--spa``, and a first word that is a command or a folder.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from textwrap import shorten

from fastfile.cli.arguments import Usage, make_help
from fastfile.commands.vocabulary import Command, Flag, read_commands
from fastfile.config.load import COMMAND_LINE
from fastfile.config.nearest import closest
from fastfile.errors import ConfigError
from fastfile.terminal import printable, write

SHELLS = ("bash", "zsh", "fish")
USAGE = Usage(
    """\
Usage: fastfile completions bash|zsh|fish

Print a script that completes the commands and options of fastfile in a shell.
""",
    (),
    conclusion="""\
To install it:
  bash  fastfile completions bash > \\
          ~/.local/share/bash-completion/completions/fastfile
  zsh   fastfile completions zsh > ~/.zfunc/_fastfile, with
          fpath+=~/.zfunc before compinit in ~/.zshrc
  fish  fastfile completions fish > ~/.config/fish/completions/fastfile.fish

bash without the package bash-completion, in ~/.bashrc:
  eval "$(fastfile completions bash)"
""",
    words=SHELLS,
)
_WIDTH = 72  # the longest description of an option: a menu has one line for each


def main(argv: Sequence[str]) -> int:
    """Print the script for the given shell. Raises ConfigError for any other argument."""
    if any(argument in ("-h", "--help") for argument in argv):
        write(sys.stdout, make_help(USAGE))
        return 0
    shell = argv[0] if len(argv) == 1 else ""
    if shell not in SHELLS:
        got = f'"{printable(" ".join(argv))}"{closest(shell, SHELLS)}' if argv else "nothing"
        raise ConfigError("SHELL", COMMAND_LINE, f"expected one of {', '.join(SHELLS)}, got {got}")
    make = {"bash": make_bash, "zsh": make_zsh, "fish": make_fish}[shell]
    write(sys.stdout, make(read_commands()))
    return 0


_BASH = """\
# bash completion for fastfile, made by: fastfile completions bash
_fastfile() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} option=${{COMP_WORDS[COMP_CWORD - 1]}}
    local command= first=$((COMP_CWORD == 1)) after= words= flags= files=
    # bash makes --name=value three words.
    if [[ $word == "=" ]]; then
        word= after='='
    elif [[ $option == "=" ]]; then
        option=${{COMP_WORDS[COMP_CWORD - 2]}} after='='
    fi
    if ((COMP_CWORD > 1)); then
        case ${{COMP_WORDS[1]}} in
        {commands}) command=${{COMP_WORDS[1]}} first=$((COMP_CWORD == 2)) ;;
        esac
    fi
    case $command in
{cases}    esac
    compopt -o filenames 2>/dev/null
    case $command$after$option in
{values}    *)
        [[ $after ]] && return
        if [[ $word == -* ]]; then
            words=$flags files=
        elif ((first)); then
            words=$first_words
        fi
        ;;
    esac
    local IFS=$' \\t\\n' line
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    if [[ $files ]]; then
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$word")
    fi
    [[ ${{COMPREPLY[0]}} == -* ]] && compopt +o filenames 2>/dev/null
    return 0
}}
complete -F _fastfile fastfile
"""


def make_bash(commands: Sequence[Command]) -> str:
    """Return the script for bash 3.2 or later, without descriptions."""
    words = [command.word for command in commands if command.word]
    cases, values = "", ""
    for command in commands:
        flags = " ".join(spelling for flag in command.flags for spelling in flag.spellings)
        first = " ".join((*command.first, *(() if command.word else words)))
        files = "1" if command.takes_folder else ""
        cases += f"    '{command.word}') flags='{flags}' first_words='{first}' files={files} ;;\n"
        for flag in command.flags:
            if flag.value:
                # A value that follows "=" is never the next word; any other value may be.
                patterns = [f"'{command.word}='{flag.spellings[-1]}"]
                if not flag.joined:
                    patterns += [f"'{command.word}'{spelling}" for spelling in flag.spellings]
                files = "1" if flag.names_file else ""
                values += f"    {' | '.join(patterns)}) words='{' '.join(flag.words)}' files={files} ;;\n"
    script = _BASH.format(commands=" | ".join(words), cases=cases, values=values)
    return script.replace("flags= files=\n", "flags= first_words= files=\n", 1)


_ZSH = """\
#compdef fastfile
# zsh completion for fastfile, made by: fastfile completions zsh
_fastfile_commands() {{
    local -a commands=(
{commands}    )
    _describe -t commands command commands
}}

_fastfile() {{
    local context curcontext=$curcontext state line
    typeset -A opt_args
    if ((CURRENT > 2)); then
        case $words[2] in
{cases}        esac
    fi
    _arguments -s -S \\
{serving}}}

# The file is a function of fpath, or is read by source.
if [[ $funcstack[1] == _fastfile ]]; then
    _fastfile "$@"
else
    compdef _fastfile fastfile
fi
"""


def make_zsh(commands: Sequence[Command]) -> str:
    """Return the script for zsh: the file ``_fastfile`` in a folder of fpath."""
    named = [command for command in commands if command.word]
    described = "".join(f"        {_quote(f'{command.word}:{command.summary}')}\n" for command in named)
    cases = ""
    for command in named:
        specs = _zsh_specs(command, " " * 16)
        cases += f"        {command.word})\n            shift words; ((CURRENT--))\n"
        cases += f"            _arguments -s -S \\\n{specs}            return\n            ;;\n"
    return _ZSH.format(commands=described, cases=cases, serving=_zsh_specs(commands[0], " " * 8))


def _zsh_specs(command: Command, indent: str) -> str:
    specs = [_zsh_spec(flag, spelling) for flag in command.flags for spelling in flag.spellings]
    if command.first:
        specs.append(f"1:word:({' '.join(command.first)})")
    elif not command.word:
        specs.append('1:folder:{_alternative "commands:command:_fastfile_commands" "files:folder or file:_files"}')
    elif command.takes_folder:
        specs.append("*:folder:_files")
    return "".join(f"{indent}{_quote(spec)} \\\n" for spec in specs).removesuffix(" \\\n") + "\n"


def _zsh_spec(flag: Flag, spelling: str) -> str:
    others = "*" if flag.repeatable else f"({' '.join(flag.spellings)})" if len(flag.spellings) > 1 else ""
    text = _brief(flag).translate({ord(c): f"\\{c}" for c in "[]:\\"})
    if not flag.value:
        return f"{others}{spelling}[{text}]"
    action = "_files" if flag.names_file else f"({' '.join(flag.words)})" if flag.words else " "
    equals, colon = ("=-", "::") if flag.joined else ("=" if spelling.startswith("--") else "+", ":")
    value = flag.value.replace(":", "\\:")
    return f"{others}{spelling}{equals}[{text}]{colon}{value}:{action}"


_FISH = """\
# fish completion for fastfile, made by: fastfile completions fish
function __fastfile_is
    set -l typed (commandline -opc)
    set -l command ''
    if test (count $typed) -gt 1; and contains -- $typed[2] {commands}
        set command $typed[2]
    end
    test "$command" = "$argv[1]"
end

function __fastfile_at -a place
    test (count (commandline -opc)) -eq $place
end

complete -c fastfile -f
"""


def make_fish(commands: Sequence[Command]) -> str:
    """Return the script for fish."""
    named = [command for command in commands if command.word]
    lines = [
        f"complete -c fastfile -n '__fastfile_at 1' -a {command.word} -d {_quote(command.summary)}" for command in named
    ]
    for command in commands:
        start = f"complete -c fastfile -n \"__fastfile_is '{command.word}'\""
        if command.takes_folder:
            lines.append(f"{start} -F")
        if command.first:
            lines.append(
                f"complete -c fastfile -n \"__fastfile_is '{command.word}'; and __fastfile_at 2\" "
                f"-a '{' '.join(command.first)}'"
            )
        lines += [f"{start} {_fish_flag(flag)}" for flag in command.flags]
    return _FISH.format(commands=" ".join(command.word for command in named)) + "\n".join(lines) + "\n"


def _fish_flag(flag: Flag) -> str:
    parts = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.spellings]
    if flag.value and not flag.joined:
        parts.append("-r -F" if flag.names_file else "-x")
    if flag.words:
        parts.append(f"-a '{' '.join(flag.words)}'")
    return " ".join([*parts, "-d", _quote(_brief(flag))])


def _brief(flag: Flag) -> str:
    """Return the description of an option, shortened to one line of a menu."""
    return shorten(flag.help.partition(";")[0].removesuffix("."), _WIDTH, placeholder=" …")


def _quote(text: str) -> str:
    """Return the text in single quotes, as all three shells read it."""
    return "'" + text.replace("'", "'\\''") + "'"
