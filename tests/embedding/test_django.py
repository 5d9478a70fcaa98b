"""The middleware for Django: settings, the manifest's names, and both interfaces. frameworks.py has it on servers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.serverprocess import clean_environment

pytest.importorskip("django")

SCRIPT = """
import asyncio, json, sys
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
options = json.loads(sys.argv[1])
calls = options.pop("CALLS")
settings.configure(
    ROOT_URLCONF=type("Urls", (), {"urlpatterns": [path("api", lambda request: HttpResponse("api"))]}),
    ALLOWED_HOSTS=["*"], SECRET_KEY="x", INSTALLED_APPS=["django.contrib.staticfiles"], STATIC_URL="/static/",
    MIDDLEWARE=["fastfile.django.StaticFilesMiddleware"], **options,
)
django.setup()
if options.get("STORAGES"):
    from django.core.management import call_command
    call_command("collectstatic", interactive=False, verbosity=0)
    manifest = json.load(open(options["STATIC_ROOT"] + "/staticfiles.json"))["paths"]
    calls = [call.format(**{key.replace(".", "_"): value for key, value in manifest.items()}) for call in calls]
from django.test import AsyncClient, Client

def show(response, body):
    return [response.status_code, dict(response.headers), body.decode("latin-1")]

def ask():
    client = Client()
    for call in calls:
        response = client.get(call)
        yield show(response, b"".join(response.streaming_content) if response.streaming else response.content)

async def ask_async():
    client = AsyncClient()
    shown = []
    for call in calls:
        response = await client.get(call)
        body = b"" if response.streaming else response.content
        if response.streaming:
            body = b"".join([piece async for piece in response.streaming_content])
        shown.append(show(response, body))
    return shown

print(json.dumps([list(ask()), asyncio.run(ask_async())]))
"""

Answer = tuple[int, dict[str, str], str]


def ask(calls: list[str], **options: Any) -> list[Answer]:
    """Return the responses of a project with these settings; by WSGI and by ASGI they are the same."""
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, json.dumps({"CALLS": calls, **options})],
        env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    sync, by_asgi = json.loads(process.stdout)
    assert sync == by_asgi
    return [(status, {name.lower(): value for name, value in fields.items()}, body) for status, fields, body in sync]


@pytest.fixture
def collected(tmp_path: Path) -> Path:
    root = tmp_path / "collected"
    (root / "css").mkdir(parents=True)
    (root / "css" / "site.css").write_text("body {}")
    (root / "big.bin").write_bytes(b"x" * 200_000)
    return root


def test_it_serves_what_was_collected_and_nothing_else(collected: Path) -> None:
    found = ask(
        ["/static/css/site.css", "/static/big.bin", "/static/missing", "/css/site.css", "/api", "/static/css"],
        STATIC_ROOT=str(collected),
    )
    assert [status for status, _, _ in found] == [200, 200, 404, 404, 200, 404]
    assert found[0][2] == "body {}"
    assert found[0][1]["content-type"] == "text/css; charset=utf-8"
    assert found[0][1]["cache-control"] == "no-cache"
    assert (len(found[1][2]), found[1][1]["content-length"]) == (200_000, "200000")
    assert found[4][2] == "api"


def test_the_names_of_the_manifest_are_immutable(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "app.js").write_text("app")
    storages = {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    }
    hashed, plain = ask(
        ["/static/{app_js}", "/static/app.js"],
        STATIC_ROOT=str(tmp_path / "collected"),
        STATICFILES_DIRS=[str(source)],
        STORAGES=storages,
    )
    assert (hashed[2], hashed[1]["cache-control"]) == ("app", "public, max-age=31536000, immutable")
    assert (plain[2], plain[1]["cache-control"]) == ("app", "no-cache")


def test_settings_are_options(collected: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "robots.txt").write_text("robots")
    css, robots = ask(
        ["/static/css/site.css", "/robots.txt"],
        STATIC_ROOT=str(collected), FASTFILE_ROOT=str(root), FASTFILE_CACHE_CONTROL={"*.css": "max-age=60"},
        FASTFILE_HEADER={"X-A": "b"},
    )  # fmt: skip
    assert (css[1]["cache-control"], css[1]["x-a"]) == ("max-age=60", "b")
    assert robots[2] == "robots"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"FASTFILE_COMPRES": True}, "FASTFILE_COMPRES (from settings): no such option; did you mean compress?"),
        ({"FASTFILE_WORKERS": 2}, "FASTFILE_WORKERS (from settings): has no effect here"),
        ({"FASTFILE_CACHE_SIZE": "big"}, "FASTFILE_CACHE_SIZE (from settings): expected a size"),
    ],
)
def test_a_wrong_setting_is_refused_when_the_project_starts(
    collected: Path, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(AssertionError) as raised:
        ask(["/api"], STATIC_ROOT=str(collected), **options)
    assert text in str(raised.value)


def test_a_project_without_a_folder_goes_on_without_it(tmp_path: Path) -> None:
    [(status, _, body)] = ask(["/api"], STATIC_ROOT=str(tmp_path / "missing"), LOGGING_CONFIG=None)
    assert (status, body) == (200, "api")
