"""fastfile: a static file server, correct about HTTP and cheap per request.

``python -m fastfile DIR`` serves a folder; ``--help`` lists the options. In a program:

    with fastfile.serve("dist", spa=True) as server:
        print(server.url)

- ``serve()`` starts a server for a block, ``run()`` serves until SIGINT or SIGTERM
- ``Server`` runs in a thread, ``ProcessServer`` in processes
- ``fastfile.asgi`` and ``fastfile.wsgi`` serve files in a web application, ``fastfile.django`` in Django
- ``ConfigError`` and ``StartError`` say what is wrong

docs/python.md has the reference, ARCHITECTURE.md the structure. The names of the Python API are imported when they are
used, so that ``import fastfile`` costs nothing.
"""

import os
import sys

from fastfile._extensions import FOLDERS, reason_against

TYPE_CHECKING = bool()  # noqa: UP018 - true for type checkers; jedi skips a literal False; importing typing takes 5 ms

if TYPE_CHECKING:
    from fastfile import asgi as asgi
    from fastfile import wsgi as wsgi
    from fastfile.embedding.process_server import ProcessServer as ProcessServer
    from fastfile.embedding.request_log import Request as Request
    from fastfile.embedding.request_log import RequestLog as RequestLog
    from fastfile.embedding.server import Server as Server
    from fastfile.embedding.serving import run as run
    from fastfile.embedding.serving import serve as serve
    from fastfile.errors import ConfigError as ConfigError
    from fastfile.errors import StartError as StartError

__version__ = "0.1.0"
# The Python API: the module of each name. A name without a module is a module itself.
_PUBLIC = {
    "ConfigError": "fastfile.errors",
    "ProcessServer": "fastfile.embedding.process_server",
    "Request": "fastfile.embedding.request_log",
    "RequestLog": "fastfile.embedding.request_log",
    "Server": "fastfile.embedding.server",
    "StartError": "fastfile.errors",
    "asgi": "",
    "run": "fastfile.embedding.serving",
    "serve": "fastfile.embedding.serving",
    "wsgi": "",
}
__all__ = [
    "ConfigError",
    "ProcessServer",
    "Request",
    "RequestLog",
    "Server",
    "StartError",
    "__version__",
    "asgi",
    "run",
    "serve",
    "wsgi",
]


def __getattr__(name: str) -> object:
    """Import a name of the Python API (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'fastfile' has no attribute '{name}'")
    from importlib import import_module

    module = _PUBLIC[name]
    value: object = getattr(import_module(module), name) if module else import_module(f"fastfile.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})


def _hide_extensions(package: str) -> None:
    """Make this process import every module of fastfile from its Python source."""
    from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader

    for folder in FOLDERS:
        path = os.path.join(package, folder) if folder else package
        sys.path_importer_cache[path] = FileFinder(path, (SourceFileLoader, SOURCE_SUFFIXES))


def _choose_sources(package: str) -> str:
    """Return why pure Python runs; an empty string if the extensions do."""
    if os.environ.get("FASTFILE_NO_EXTENSIONS", "") not in ("", "0"):
        reason = "FASTFILE_NO_EXTENSIONS is set"
    else:
        reason = reason_against(package)
    # An extension shadows the .py that it was compiled from, so the choice is made before the first import.
    if reason:
        _hide_extensions(package)
    return reason


WHY_PURE = _choose_sources(os.path.dirname(os.path.abspath(__file__)))
