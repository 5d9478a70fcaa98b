"""Static files as an ASGI application, alone or in front of another one.

app = fastfile.asgi.StaticFiles("dist", spa=True)
app = fastfile.asgi.StaticFiles("static", app=app, prefix="/static")
"""

from __future__ import annotations

from typing import Unpack

from fastfile.embedding.asgi_files import Application, AsgiMounts, Receive, Scope, Send
from fastfile.embedding.files import PASSED_ON, check_application, make_plan
from fastfile.embedding.heads import make_head
from fastfile.embedding.options import FilesOptions
from fastfile.embedding.settings import Directory
from fastfile.embedding.targets import find_place, find_stripped_place
from fastfile.message import Response, close_source


class StaticFiles:
    """Serves a folder, or one file, over HTTP; with ``app``, files win and ``app`` handles all other requests.

    ``prefix`` is the path of the folder; a framework may mount the application at another path as well. The options are
    those of the command line. Folders are not listed unless ``listing=True``, and host names are not checked unless
    ``allowed_host`` gives them. Raises ConfigError for an option that is wrong or has no effect here, and StartError if
    the folder cannot be read.

    ``app`` gets every method except GET and HEAD, every path without a file, and everything that is not HTTP. With
    ``spa`` too, its 404 for a navigation becomes the page of the single-page app.
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
        self._mounts = AsgiMounts(make_plan(directory, options, app is not None, prefix, source))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection scope (ASGI 3)."""
        app = self.app
        if scope["type"] != "http":
            await (app or _refuse_scope)(scope, receive, send)
            return
        method: str = scope["method"]
        if app is not None and method not in ("GET", "HEAD"):
            await app(scope, receive, send)
            return
        raw_path = scope.get("raw_path")
        if "litestar_app" in scope:
            mount, target = find_stripped_place(raw_path, scope["path"])
        else:
            mount, target = find_place(raw_path, scope["path"], scope.get("root_path", ""))
        query = scope.get("query_string")
        head = make_head(method, target + b"?" + query if query else target, scope["headers"])
        files = self._mounts.find(mount)
        found = files.respond(head)
        response = found if isinstance(found, Response) else await files.wait_for(found, head)
        if app is None or response.status not in PASSED_ON:
            await files.send(response, scope, receive, send)
            return
        close_source(response.source)
        if files.has_pages:
            await files.ask(app, head, scope, receive, send)
        else:
            await app(scope, receive, send)


class StaticFilesMiddleware(StaticFiles):
    """StaticFiles with the application as its first argument, for the ``add_middleware`` of frameworks."""

    def __init__(
        self, app: Application, directory: Directory, *, prefix: str = "", **options: Unpack[FilesOptions]
    ) -> None:
        super().__init__(directory, app=app, prefix=prefix, **options)


async def _refuse_scope(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond to a scope that is not HTTP: there are no lifespan events, and no WebSocket."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
    else:
        raise ValueError(f"not a scope of files: {scope['type']}")
