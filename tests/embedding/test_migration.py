"""docs/migration.md, "From Python packages": the packages and their equivalents, asked the same side by side."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.hosted import AsgiHost, WsgiHost
from support.rawclient import Received

import fastfile.asgi
import fastfile.wsgi

starlette = pytest.importorskip("starlette")
servestatic = pytest.importorskip("servestatic")

from starlette.applications import Starlette  # noqa: E402
from starlette.routing import Mount  # noqa: E402
from starlette.staticfiles import StaticFiles  # noqa: E402


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "docs").mkdir(parents=True)
    (site / "index.html").write_text("home")
    (site / "docs" / "index.html").write_text("docs")
    (site / "404.html").write_text("nothing here")
    (site / "a.txt").write_text("0123456789")
    (site / "link").symlink_to("a.txt")
    (site / "outside").symlink_to(tmp_path / "other.txt")
    (tmp_path / "other.txt").write_text("other")
    return site


class Lenient(AsgiHost):
    """A host that takes what other packages send."""

    async def ask(self, scope: dict[str, Any]) -> Any:
        messages: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in messages[1:])
        headers = {name.decode().lower(): value.decode() for name, value in messages[0]["headers"]}
        return messages[0]["status"], headers, body


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"the app's"})


SAME = ["/", "/a.txt", "/docs/", "/link", "/missing"]


def test_starlette_and_its_equivalent(site: Path) -> None:
    theirs = Lenient(Starlette(routes=[Mount("/", StaticFiles(directory=site, html=True))]))
    ours = Lenient(fastfile.asgi.StaticFiles(site))
    for target in SAME:
        (status, fields, body), mine = theirs.request(target), ours.request(target)
        assert (mine[0], mine[2]) == (status, body), target
        if target != "/link":  # its name has no extension; Starlette looks at that of the file it leads to
            assert mine[1]["content-type"] == fields["content-type"], target
    assert theirs.request("/docs")[1]["location"].startswith("http://localhost")  # an absolute URL of the Host field
    assert ours.request("/docs")[1]["location"] == "/docs/"
    assert theirs.request("/outside")[0] == ours.request("/outside")[0] == 404
    for follow, option in ((True, {"follow_symlink": True}), (False, {})):
        linked = Lenient(Starlette(routes=[Mount("/", StaticFiles(directory=site, **option))]))
        equivalent = Lenient(fastfile.asgi.StaticFiles(site, follow_symlinks=follow))
        assert linked.request("/outside")[0] == equivalent.request("/outside")[0]
        linked.close()
        equivalent.close()
    with pytest.raises(RuntimeError):
        StaticFiles(directory=site / "missing")
    with pytest.raises(fastfile.StartError):
        fastfile.asgi.StaticFiles(site / "missing")
    theirs.close()
    ours.close()


def test_servestatic_and_its_equivalent(site: Path) -> None:
    theirs = Lenient(servestatic.ServeStaticASGI(nothing, root=str(site), prefix="static/", index_file=True))
    ours = Lenient(fastfile.asgi.StaticFiles(site, app=nothing, prefix="/static"))
    # It collects its files at the first request of its event loop.
    for target in ("/static/a.txt", "/static/docs/", "/static/missing", "/a.txt"):
        (status, _, body), mine = theirs.request(target), ours.request(target)
        assert (mine[0], mine[2]) == (status, body), target
    (site / "new.txt").write_text("new")
    assert theirs.request("/static/new.txt")[0] == 404  # it does not see what comes later, without autorefresh
    assert ours.request("/static/new.txt")[2] == b"new"
    theirs.close()
    ours.close()


def no_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("404 Not Found", [("Content-Length", "9")])
    return [b"the app's"]


def add_header(headers: Any, path: str, url: str) -> None:
    headers["X-Test"] = "yes"


# The settings of whitenoise and their equivalents: (theirs, ours, target, the field that is the same).
WHITENOISE = [
    ({"max_age": 60}, {"cache_control": ["max-age=60, public"]}, "/static/a.txt", "cache-control"),
    ({"index_file": True}, {}, "/static/docs/", "content-type"),
    ({"mimetypes": {".glsl": "text/plain"}}, {"mime": {"glsl": "text/plain"}}, "/static/a.glsl", "content-type"),
    ({}, {"cors": True}, "/static/a.txt", "access-control-allow-origin"),
    ({"allow_all_origins": False}, {}, "/static/a.txt", "access-control-allow-origin"),
    ({"add_headers_function": add_header}, {"header": {"X-Test": "yes"}}, "/static/a.txt", "x-test"),
    ({}, {}, "/static/a.txt", "last-modified"),
]


@pytest.mark.parametrize(("theirs", "ours", "target", "field"), WHITENOISE)
def test_a_setting_of_whitenoise_and_its_equivalent(
    site: Path, theirs: dict[str, Any], ours: dict[str, Any], target: str, field: str
) -> None:
    whitenoise = pytest.importorskip("whitenoise")
    (site / "a.glsl").write_text("void main() {}")
    old = WsgiHost(whitenoise.WhiteNoise(no_app, root=str(site), prefix="static/", **theirs)).request(target)
    new = WsgiHost(fastfile.wsgi.StaticFiles(site, app=no_app, prefix="/static", **ours)).request(target)
    assert (old.status, old.body) == (new.status, new.body)
    assert old.status == 200
    assert _plain(old.fields.get(field)) == _plain(new.fields.get(field))


def _plain(value: str | None) -> str | None:
    """Return a field without the differences of spelling that mean the same."""
    return value and value.lower().replace('"', "")


def test_whitenoise_and_its_equivalent(site: Path) -> None:
    whitenoise = pytest.importorskip("whitenoise")
    theirs = WsgiHost(whitenoise.WhiteNoise(no_app, root=str(site), prefix="static/"))
    ours = WsgiHost(fastfile.wsgi.StaticFiles(site, app=no_app, prefix="/static"))
    for target in ("/static/a.txt", "/static/missing", "/a.txt"):
        old, new = theirs.request(target), ours.request(target)
        assert (old.status, old.body) == (new.status, new.body), target
    (site / "new.txt").write_text("new")
    assert theirs.request("/static/new.txt").status == 404  # it does not see what comes later, without autorefresh
    assert ours.request("/static/new.txt").body == b"new"


def test_static_files_of_aiohttp_and_their_equivalent(site: Path) -> None:
    """They run on its server alone, so each is asked through a socket."""
    web = pytest.importorskip("aiohttp.web")

    async def run() -> None:
        application = web.Application()
        application.router.add_static("/plain", site)
        application.router.add_static("/listed", site, show_index=True, follow_symlinks=True)
        runner = web.AppRunner(application)
        await runner.setup()
        tcp = web.TCPSite(runner, "127.0.0.1", 0)
        await tcp.start()
        port = runner.addresses[0][1]

        async def ask(port: int, target: str, *fields: str) -> Received:
            return await asyncio.to_thread(_ask, port, target, *fields)

        with (
            fastfile.serve(site, base="/plain") as plain,
            fastfile.serve(site, base="/listed", listing=True, follow_symlinks=True, index=["none"]) as listed,
        ):
            for target in ("/plain/a.txt", "/plain/docs/index.html"):
                old, new = await ask(port, target), await ask(plain.port, target)
                assert (old.status, old.body) == (new.status, new.body), target
            assert (await ask(port, "/plain/docs/")).status == 403  # it serves no index.html
            assert (await ask(plain.port, "/plain/docs/")).body == b"docs"
            assert (await ask(port, "/plain/outside")).status == (await ask(plain.port, "/plain/outside")).status == 404
            assert (
                (await ask(port, "/listed/outside")).body
                == (await ask(listed.port, "/listed/outside")).body
                == b"other"
            )
            for response in (await ask(port, "/listed/"), await ask(listed.port, "/listed/")):
                assert (response.status, b"a.txt" in response.body) == (200, True)
            ranges = "Range: bytes=0-1,4-5"
            assert (await ask(port, "/plain/a.txt", ranges)).status == 416
            several = await ask(plain.port, "/plain/a.txt", ranges)
            assert [content for _, content in several.parts()] == [b"01", b"45"]
        await runner.cleanup()

    asyncio.run(run())


def _ask(port: int, target: str, *lines: str) -> Received:
    """Return a response of any server, chunked or not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", target, headers=dict(line.split(": ") for line in lines))
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Received(response.status, fields, response.read())
    finally:
        connection.close()
