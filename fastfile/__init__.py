"""fastfile: a static file server, right about HTTP and cheap per request.

``python -m fastfile DIR`` serves a folder; see README.md for the options and ARCHITECTURE.md for the shape of the code.
"""

import os
import sys

__version__ = "0.1.0"


def _hide_extensions() -> None:
    """Make this process import every module of fastfile from its Python source."""
    from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader

    package = os.path.dirname(__file__)
    for folder in ("", "semantics", "files", "server"):
        path = os.path.join(package, folder) if folder else package
        sys.path_importer_cache[path] = FileFinder(path, (SourceFileLoader, SOURCE_SUFFIXES))


# An extension module shadows the .py that it was compiled from, so the choice has to be made before the first import.
NO_EXTENSIONS = os.environ.get("FASTFILE_NO_EXTENSIONS", "") not in ("", "0")
if NO_EXTENSIONS:
    _hide_extensions()
