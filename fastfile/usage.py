"""What the command line takes: the words around the table of options, and the commands beside serving.

Help, the man page and the completions of shells are made from it.
"""

from __future__ import annotations

from fastfile.arguments import HELP, Usage
from fastfile.options import OPTIONS

INTRODUCTION = """\
Usage: fastfile [OPTIONS] [DIR]
       fastfile check [OPTIONS] [DIR]
       fastfile compress [OPTIONS] [DIR]
       fastfile explain URL [OPTIONS] [DIR]
       fastfile hash-password [USER]
       fastfile completions bash|zsh|fish
       fastfile man

Serve a folder over HTTP, to this machine only unless asked. Defaults are in
brackets. SIZE is in bytes, or with K, M or G; TIME in seconds, or with ms, s, m
or h.
"""

CONCLUSION = """\
Examples:
  fastfile                          serve ./dist, or what is like it
  fastfile --workers 4 ./dist       four processes
  fastfile --host --port 3000 .     to the local network
  fastfile --bind unix:/run/web.sock /srv/www
  FASTFILE_LOG_FORMAT=json fastfile

A switch is turned off again by --no-NAME. Each option is also an environment
variable (--log-file: FASTFILE_LOG_FILE) and a key (log-file) of fastfile.toml
or of [tool.fastfile] in pyproject.toml, both looked for in the current folder.
The command line goes first, then the environment, then the file.
"""

USAGE = Usage(
    INTRODUCTION,
    OPTIONS,
    (
        HELP,
        ("-V, --version", "Show the versions in use."),
        ("--print-config", "Show every setting, its value and where it came from."),
    ),
    CONCLUSION,
)
# What else there is to do, each imported when it is asked for. Its main() takes the arguments after the word and
# returns the exit status; its USAGE says what it takes. A folder of that name is served as ./compress.
COMMANDS = {
    "check": "fastfile.commands.check",
    "completions": "fastfile.commands.completions",
    "compress": "fastfile.commands.compress",
    "explain": "fastfile.commands.explain",
    "hash-password": "fastfile.commands.hash_password",
    "man": "fastfile.commands.man",
}
