"""Static files as a WSGI application, alone or in front of another one.

app = fastfile.wsgi.StaticFiles("dist", spa=True)
app = fastfile.wsgi.StaticFiles("static", app=flask_app, prefix="/static")
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from fastfile.embedding.files import PASSED_ON, check_application, make_plan
from fastfile.embedding.heads import make_head, read_environ
from fastfile.embedding.options import FilesOptions
from fastfile.embedding.settings import Directory
from fastfile.embedding.targets import find_wsgi_place
from fastfile.embedding.wsgi_files import Application, Environ, StartResponse, WsgiMounts
from fastfile.message import close_source


class StaticFiles:
    """Serves a folder, or one file, over HTTP; with ``app``, files win and ``app`` handles all other requests.

    ``prefix`` is the path of the folder; a framework may mount the application at another path as well. The options are
    those of the command line. Folders are not listed unless ``listing=True``, and host names are not checked unless
    ``allowed_host`` gives them. Raises ConfigError for an option that is wrong or has no effect here, and StartError if
    the folder cannot be read.

    ``app`` gets every method except GET and HEAD, and every path without a file. With ``spa`` too, its 404 for a
    navigation becomes the page of the single-page app. Whole files are sent with ``wsgi.file_wrapper`` if the host has
    one.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        app: Application | None = None,
        prefix: str = "",
        **options: Unpack[FilesOptions],
    ) -> None:
        self.app = app
        source = f"{type(self).__name__}()"
        check_application(app, source)
        self._mounts = WsgiMounts(make_plan(directory, options, app is not None, prefix, source))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        app = self.app
        method: str = environ["REQUEST_METHOD"]
        if app is not None and method not in ("GET", "HEAD"):
            return app(environ, start_response)
        raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
        mount, target = find_wsgi_place(raw, environ.get("PATH_INFO", ""), environ.get("SCRIPT_NAME", ""))
        query: str = environ.get("QUERY_STRING", "")
        if query:
            target += b"?" + query.encode("latin-1", "replace")
        head = make_head(method, target, read_environ(environ))
        files = self._mounts.find(mount)
        response = files.find(head)
        if app is None or response.status not in PASSED_ON:
            return files.send(response, environ, start_response)
        close_source(response.source)
        return files.ask(app, head, environ, start_response) if files.has_pages else app(environ, start_response)


class StaticFilesMiddleware(StaticFiles):
    """StaticFiles with the application as its first argument."""

    def __init__(
        self, app: Application, directory: Directory, *, prefix: str = "", **options: Unpack[FilesOptions]
    ) -> None:
        super().__init__(directory, app=app, prefix=prefix, **options)
