"""Applications of real frameworks on real servers, with fastfile in them: `python -m support.frameworks NAME ROOT FD`.

The socket is listening already, so a client may connect at once and waits until the server takes it up. Each has the
routes /api/found (GET and POST) and its own 404.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import fastfile.asgi
import fastfile.wsgi


class Framework(NamedTuple):
    """``mount`` is where the files are; ``modules`` are imported by it, and may be missing."""

    mount: str
    modules: tuple[str, ...]
    serve: Callable[[str, socket.socket], None]


def serve_starlette(root: str, listening: socket.socket) -> None:
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Mount, Route

    async def found(request: Any) -> JSONResponse:
        return JSONResponse({"method": request.method})

    routes = [Route("/api/found", found, methods=["GET", "POST"]), Mount("/static", fastfile.asgi.StaticFiles(root))]
    run_uvicorn(Starlette(routes=routes), listening)


def serve_fastapi(root: str, listening: socket.socket) -> None:
    from fastapi import FastAPI

    app = FastAPI()
    app.add_middleware(fastfile.asgi.StaticFilesMiddleware, directory=root, spa=True)

    @app.get("/api/found")
    @app.post("/api/found")
    def found() -> dict[str, str]:
        return {"found": "yes"}

    run_hypercorn(app, listening)


def serve_litestar(root: str, listening: socket.socket) -> None:
    from litestar import Litestar, asgi, route

    @route("/api/found", http_method=["GET", "POST"], status_code=200)
    async def found() -> dict[str, str]:
        return {"found": "yes"}

    files = asgi("/static", is_mount=True)(fastfile.asgi.StaticFiles(root))
    run_uvicorn(Litestar(route_handlers=[files, found]), listening)


def make_granian_app() -> Any:
    """Return what each worker of granian loads."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def found(request: Any) -> JSONResponse:
        return JSONResponse({"method": request.method})

    files = Middleware(fastfile.asgi.StaticFilesMiddleware, directory=os.environ["ROOT"], prefix="/static", spa=True)
    return Starlette(routes=[Route("/api/found", found, methods=["GET", "POST"])], middleware=[files])


def serve_granian(root: str, listening: socket.socket) -> None:
    from granian import Granian
    from granian.constants import Interfaces

    os.environ["ROOT"] = root
    host, port = listening.getsockname()
    listening.close()
    target = "support.frameworks:make_granian_app"
    Granian(target, address=host, port=port, interface=Interfaces.ASGI, factory=True, log_access=False).serve()


def configure_django(root: str) -> None:
    from django.conf import settings
    from django.http import JsonResponse
    from django.urls import path

    def found(request: Any) -> JsonResponse:
        return JsonResponse({"method": request.method})

    settings.configure(
        ROOT_URLCONF=type("Urls", (), {"urlpatterns": [path("api/found", found)]}),
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="x",
        STATIC_ROOT=root,
        STATIC_URL="static/",
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "fastfile.django.StaticFilesMiddleware",
            "django.middleware.common.CommonMiddleware",
        ],
    )


def serve_django_asgi(root: str, listening: socket.socket) -> None:
    from django.core.asgi import get_asgi_application

    configure_django(root)
    run_uvicorn(get_asgi_application(), listening)


def serve_django_wsgi(root: str, listening: socket.socket) -> None:
    from django.core.wsgi import get_wsgi_application

    configure_django(root)
    run_gunicorn(get_wsgi_application(), listening)


def make_flask(root: str) -> Any:
    from flask import Flask

    app = Flask(__name__, static_folder=None)

    @app.route("/api/found", methods=["GET", "POST"])
    def found() -> dict[str, str]:
        return {"found": "yes"}

    app.wsgi_app = fastfile.wsgi.StaticFiles(root, app=app.wsgi_app, prefix="/static", spa=True)  # type: ignore[method-assign]
    return app


def serve_flask_on_waitress(root: str, listening: socket.socket) -> None:
    import waitress

    waitress.serve(make_flask(root), sockets=[listening])


def serve_flask_on_gunicorn(root: str, listening: socket.socket) -> None:
    run_gunicorn(make_flask(root), listening)


def run_uvicorn(app: Any, listening: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", ws="none")
    uvicorn.Server(config).run([listening])


def run_hypercorn(app: Any, listening: socket.socket) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listening.fileno()}"]
    config.loglevel = "WARNING"
    asyncio.run(serve(app, config))


def run_gunicorn(app: Any, listening: socket.socket) -> None:
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            settings = {"bind": f"fd://{listening.fileno()}", "worker_class": "gthread", "threads": 4}
            for name, value in {**settings, "loglevel": "warning", "control_socket_disable": True}.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Any:
            return app

    Application().run()


FRAMEWORKS = {
    "Starlette on uvicorn": Framework("/static", ("starlette", "uvicorn"), serve_starlette),
    "FastAPI on hypercorn": Framework("", ("fastapi", "hypercorn"), serve_fastapi),
    "Starlette on granian": Framework("/static", ("starlette", "granian"), serve_granian),
    "Litestar on uvicorn": Framework("/static", ("litestar", "uvicorn"), serve_litestar),
    "Django on uvicorn": Framework("/static", ("django", "uvicorn"), serve_django_asgi),
    "Django on gunicorn": Framework("/static", ("django", "gunicorn"), serve_django_wsgi),
    "Flask on waitress": Framework("/static", ("flask", "waitress"), serve_flask_on_waitress),
    "Flask on gunicorn": Framework("/static", ("flask", "gunicorn"), serve_flask_on_gunicorn),
}

if __name__ == "__main__":
    name, root, fd = sys.argv[1:]
    FRAMEWORKS[name].serve(root, socket.socket(fileno=int(fd)))
