"""fastfile: a static file server, right about HTTP and cheap per request.

``python -m fastfile DIR`` serves a folder; see README.md for the options and ARCHITECTURE.md for the shape of the code.
"""

import os
import sys

from fastfile._extensions import FOLDERS, reason_against

__version__ = "0.1.0"


def _hide_extensions(package: str) -> None:
    """Make this process import every module of fastfile from its Python source."""
    from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader

    for folder in FOLDERS:
        path = os.path.join(package, folder) if folder else package
        sys.path_importer_cache[path] = FileFinder(path, (SourceFileLoader, SOURCE_SUFFIXES))


def _choose_sources(package: str) -> str:
    """Return why pure Python runs; an empty string where the extensions do."""
    if os.environ.get("FASTFILE_NO_EXTENSIONS", "") not in ("", "0"):
        reason = "FASTFILE_NO_EXTENSIONS is set"
    else:
        reason = reason_against(package)
    # An extension shadows the .py that it was compiled from, so the choice is made before the first import.
    if reason:
        _hide_extensions(package)
    return reason


WHY_PURE = _choose_sources(os.path.dirname(os.path.abspath(__file__)))
