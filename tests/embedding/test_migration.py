"""docs/migration.md, "From Python packages": the packages and their equivalents, asked the same side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.hosted import AsgiHost

import fastfile.asgi

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
