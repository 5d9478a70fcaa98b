"""``fastfile dev``: serve a site during its development. Short for some options of serving, which others override."""

from __future__ import annotations

from fastfile.cli.arguments import Usage
from fastfile.cli.help import CONCLUSION, DEV_OPTIONS, SWITCHES
from fastfile.config.config import OPTIONS

INTRODUCTION = f"""\
Usage: fastfile dev [OPTIONS] [DIR]

Serve a site while you develop it: open it in the browser, and reload open pages
when their files change. Other options, and the configuration file, apply too.
It is short for:
  fastfile {" ".join(DEV_OPTIONS)}
"""
USAGE = Usage(INTRODUCTION, OPTIONS, SWITCHES, CONCLUSION, number="port")
