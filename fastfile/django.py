"""Static files of a Django project: a middleware for WSGI and ASGI, in place of whitenoise's.

MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "fastfile.django.StaticFilesMiddleware", ...]
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from fastfile.embedding.asgi_files import AsgiFiles, AsgiMounts
from fastfile.embedding.bodies import OpenFile
from fastfile.embedding.files import PASSED_ON, Plan, logger, make_plan
from fastfile.embedding.heads import make_head, read_environ
from fastfile.embedding.targets import find_place, find_wsgi_place
from fastfile.embedding.wsgi_files import Body, WsgiMounts, whole_file
from fastfile.errors import ConfigError
from fastfile.message import Response, close_source
from fastfile.records import NamedTuple

PREFIX = "FASTFILE_"
# ManifestStaticFilesStorage adds twelve digits of a content hash to a name.
MANIFEST_NAMES = r"\.[0-9a-f]{12}(\.[^./]+)?$"


class Folder(NamedTuple):
    """A folder and the path that begins its URLs; its files for WSGI and ASGI."""

    prefix: str
    wsgi: WsgiMounts
    asgi: AsgiMounts


class StaticFilesMiddleware:
    """Serves STATIC_ROOT at STATIC_URL, and FASTFILE_ROOT, if it is set, at the root of the site.

    Put it after SecurityMiddleware and before all others. ``FASTFILE_`` settings are the options, such as
    ``FASTFILE_COMPRESS = True``. Names that ManifestStaticFilesStorage has hashed are immutable. The project handles
    requests without a file. Works in WSGI and ASGI. Raises ConfigError for a wrong setting.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._folders = [Folder(prefix, WsgiMounts(plan), AsgiMounts(plan)) for prefix, plan in read_plans()]
        if not self._folders:
            raise MiddlewareNotUsed("no folder to serve: set STATIC_ROOT and run collectstatic")
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response to a request, or a coroutine of it."""
        return self._respond_async(request) if self._is_async else self._respond(request)

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        if request.method in ("GET", "HEAD"):
            environ = request.META
            raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
            mount, target = find_wsgi_place(raw, _latin(request.path_info), environ.get("SCRIPT_NAME", ""))
            head = make_head(request.method, _with_query(target, environ), read_environ(environ))
            for folder in self._folders:
                if request.path_info.startswith(folder.prefix):
                    response = folder.wsgi.find(mount).find(head)
                    if response.status not in PASSED_ON:
                        return make_response(response)
                    close_source(response.source)
        passed_on: HttpResponseBase = self.get_response(request)
        return passed_on

    async def _respond_async(self, request: HttpRequest) -> HttpResponseBase:
        scope = getattr(request, "scope", None)
        if scope is not None and request.method in ("GET", "HEAD"):
            mount, target = find_place(scope.get("raw_path"), scope["path"], scope.get("root_path", ""))
            head = make_head(request.method, _with_query(target, request.META), scope["headers"])
            for folder in self._folders:
                if request.path_info.startswith(folder.prefix):
                    files = folder.asgi.find(mount)
                    response = await files.wait_for(files.respond(head), head)
                    if response.status not in PASSED_ON:
                        return make_async_response(files, response)
                    close_source(response.source)
        passed_on: HttpResponseBase = await self.get_response(request)
        return passed_on


def read_plans() -> list[tuple[str, Plan]]:
    """Return the folders of the settings, with the paths that begin their URLs. Raises ConfigError."""
    names = [name for name in dir(settings) if name.startswith(PREFIX) and name != f"{PREFIX}ROOT"]
    options: Any = {name.removeprefix(PREFIX).lower(): getattr(settings, name) for name in names}
    if "as" in options:
        options["as_"] = options.pop("as")
    plans = []
    if _exists("STATIC_ROOT"):
        prefix = urlsplit(settings.STATIC_URL or "/static/").path
        prefix = "/" + prefix.removeprefix(settings.FORCE_SCRIPT_NAME or "").strip("/") + "/"
        defaults: Any = {"immutable": MANIFEST_NAMES} if _has_manifest() else {}
        own: Any = {**defaults, **options}
        plans.append((prefix, _make_plan(settings.STATIC_ROOT, own, prefix)))
    if _exists(f"{PREFIX}ROOT"):
        plans.append(("/", _make_plan(settings.FASTFILE_ROOT, options, "")))
    return plans


def _make_plan(folder: Any, options: Any, prefix: str) -> Plan:
    """Return the plan of a folder; an error names the setting of the option."""
    try:
        return make_plan(folder, options, True, prefix, "settings")
    except ConfigError as error:
        option = error.option.removeprefix("--").replace("-", "_").upper()
        raise type(error)(f"{PREFIX}{option}", error.source, error.problem) from None


def make_response(response: Response) -> HttpResponseBase:
    """Return Django's response for WSGI."""
    content = _content(response)
    if content is not None:
        return _with_head(HttpResponse(content), response)
    file = whole_file(response)
    if file is not None:
        return _with_head(FileResponse(OpenFile(file)), response)
    return _with_head(StreamingHttpResponse(Body(response)), response)


def make_async_response(files: AsgiFiles, response: Response) -> HttpResponseBase:
    """Return Django's response for ASGI."""
    content = _content(response)
    if content is not None:
        return _with_head(HttpResponse(content), response)

    async def pieces() -> AsyncIterator[bytes]:
        async with aclosing(files.pieces(response)) as body:
            async for piece in body:
                yield piece

    return _with_head(StreamingHttpResponse(pieces()), response)


def _content(response: Response) -> bytes | None:
    """Return a body that is in memory."""
    if response.source is None and all(isinstance(part, bytes) for part in response.parts):
        return b"".join(part for part in response.parts if isinstance(part, bytes))
    return None


def _with_head(made: HttpResponseBase, response: Response) -> HttpResponseBase:
    made.status_code = response.status
    for name in list(made.headers):
        del made[name]
    for field, value in response.fields:
        made[field.decode("latin-1")] = value.decode("latin-1")
    return made


def _with_query(target: bytes, environ: dict[str, Any]) -> bytes:
    query: str = environ.get("QUERY_STRING", "")
    return target + b"?" + query.encode("latin-1", "replace") if query else target


def _latin(path: str) -> str:
    """Return a path of Django as WSGI has it."""
    return path.encode("utf-8", "surrogateescape").decode("latin-1")


def _exists(name: str) -> bool:
    folder = getattr(settings, name, None)
    if not folder:
        return False
    if not os.path.isdir(folder):
        logger.warning("%s does not exist: %s", name, folder)
        return False
    return True


def _has_manifest() -> bool:
    if "django.contrib.staticfiles" not in settings.INSTALLED_APPS:
        return False
    from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage

    return isinstance(staticfiles_storage, ManifestFilesMixin)
