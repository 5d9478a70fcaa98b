"""The texts of ``fastfile --help``, and the list of commands.

Help, the manual page and shell completions use them.
"""

from __future__ import annotations

from fastfile.cli.arguments import Usage
from fastfile.config.config import OPTIONS

INTRODUCTION = """\
Usage: fastfile [OPTIONS] [DIR|LOCATION]
       fastfile cert [OPTIONS] [NAME...]
       fastfile check [OPTIONS] [DIR]
       fastfile compress [OPTIONS] [DIR]
       fastfile dev [OPTIONS] [DIR]
       fastfile explain URL [OPTIONS] [DIR]
       fastfile hash-password [USER]
       fastfile publish [OPTIONS] [DIR] LOCATION
       fastfile releases|rollback|prune [OPTIONS] LOCATION
       fastfile completions bash|zsh|fish
       fastfile man

Serve a folder over HTTP, by default to this machine only. Defaults are in
brackets. SIZE is in bytes, or with K, M or G; TIME in seconds, or with ms, s, m
or h.
"""

BRIEF = """\
Usage: fastfile [OPTIONS] [DIR]

Serve a folder, or one file, over HTTP, by default to this machine only.
Without DIR: the build folder that has an index file (dist, build, public, out,
_site, site and others), else the current folder.

  -p, --port N         8000, or the next free one; 0 picks any
  --host               serve the local network too (-b ADDR: one address)
  --https              serve HTTPS with a local certificate
  --open[=/PATH]       open the browser
  --live               reload open pages when files change
  --proxy /PATH=URL    forward a path to another server, such as your API
  --spa                serve index.html for the routes of an app
  --clean-urls         redirect /about.html to /about
  --as PROVIDER        netlify, cloudflare, github-pages or vercel
  --header 'NAME: VALUE', --cache-control 'GLOB=VALUE', --auth USER:HASH
  --compress, --cors, --base /PATH, --no-listing, --dotfiles, --follow-symlinks
  -w, --workers N      number of processes, or auto: one for each CPU
  -q, --quiet, --log-format pretty|common|combined|json|none

Commands: cert, check, compress, dev, explain URL, hash-password,
publish, releases, rollback, prune, completions SHELL, man.
Each has its own --help. All options: fastfile --help.
"""

CONCLUSION = """\
Examples:
  fastfile                          serve ./dist, or another build folder
  fastfile 3000                     serve it on port 3000
  fastfile --workers 4 ./dist       run four processes
  fastfile --host --port 3000 .     serve the local network
  fastfile --bind unix:/run/web.sock /srv/www
  fastfile s3://bucket/site         serve published releases, and follow them
  FASTFILE_LOG_FORMAT=json fastfile

--no-NAME turns a switch off, and undoes an option of a file or a variable. Each
option is also an environment variable (--log-file: FASTFILE_LOG_FILE) and a key
(log-file) of fastfile.toml, or of [tool.fastfile] in pyproject.toml, in the
current folder. The command line overrides the environment, and the environment
overrides the file.
"""

SWITCHES = (
    ("-h", "Show the most used options."),
    ("--help", "Show this text."),
    ("-V, --version", "Show the versions in use."),
    ("--print-config", "Show every setting, its value and where it came from."),
    ("--check-config", "Check the settings and certificates as a reload does, and serve nothing."),
)
# What ``fastfile dev`` is short for.
DEV_OPTIONS = ("--live", "--open", "--no-host", "--workers=1", "--log-format=pretty")
# The modules of the commands, imported when used. main() takes the arguments after the command and returns the exit
# status; USAGE describes them. To serve a folder with the name of a command, write ./compress.
COMMANDS = {
    "cert": "fastfile.commands.cert.command",
    "check": "fastfile.commands.check.command",
    "completions": "fastfile.commands.completions",
    "compress": "fastfile.commands.compress.command",
    "dev": "fastfile.commands.dev",
    "explain": "fastfile.commands.explain",
    "hash-password": "fastfile.commands.hash_password",
    "man": "fastfile.commands.man",
    "prune": "fastfile.commands.releases.prune",
    "publish": "fastfile.commands.releases.publish",
    "releases": "fastfile.commands.releases.releases",
    "rollback": "fastfile.commands.releases.rollback",
}
USAGE = Usage(INTRODUCTION, OPTIONS, SWITCHES, CONCLUSION, number="port", commands=(*COMMANDS, "serve"))
