"""``fastfile dev``: serve a site that is being made. Short for some options of serving, which others override."""

from __future__ import annotations

from fastfile.cli.arguments import Usage
from fastfile.cli.help import CONCLUSION, DEV_OPTIONS, SWITCHES
from fastfile.config.config import OPTIONS

INTRODUCTION = f"""\
Usage: fastfile dev [OPTIONS] [DIR]

Serve a site that is being made: open it in the browser, and reload it when its
files change. Short for {" ".join(DEV_OPTIONS[:2])}
{" ".join(DEV_OPTIONS[2:])}; other options, and those of
the configuration file, apply too.
"""
USAGE = Usage(INTRODUCTION, OPTIONS, SWITCHES, CONCLUSION, number="port")
