"""The options as Python keywords: the same values, rules and words as on the command line."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from support.checkout import TESTS

import fastfile
from fastfile.asgi import StaticFiles as AsgiFiles
from fastfile.config.config import BY_NAME, OPTIONS
from fastfile.config.load import load
from fastfile.embedding.options import FilesOptions, ProcessOptions, RunOptions, ServerOptions
from fastfile.embedding.settings import make_config, make_texts
from fastfile.errors import ConfigError, StartError
from fastfile.wsgi import StaticFiles as WsgiFiles

SOURCE = "StaticFiles()"

VALUES = [
    pytest.param({"spa": True}, {"spa": ["index.html"]}, id="an option with a value of its own"),
    pytest.param({"spa": "app.html"}, {"spa": ["app.html"]}, id="and with another"),
    pytest.param({"spa": False}, {}, id="turned off"),
    pytest.param({"spa": None}, {}, id="None is not set"),
    pytest.param({"clean_urls": True}, {"clean_urls": ["true"]}, id="a switch"),
    pytest.param({"listing": False}, {"listing": ["false"]}, id="a switch that is on by default"),
    pytest.param({"immutable": False}, {"immutable": ["off"]}, id="a word for off"),
    pytest.param({"cache_size": 1 << 20}, {"cache_size": ["1M"]}, id="a number"),
    pytest.param({"cache_size": "1MiB"}, {"cache_size": ["1M"]}, id="a size as text"),
    pytest.param({"idle_timeout": 2.5}, {"idle_timeout": ["2500ms"]}, id="a time"),
    pytest.param({"index": "home.html"}, {"index": ["home.html"]}, id="one of several"),
    pytest.param({"index": ["a.html", "b.html"]}, {"index": ["a.html", "b.html"]}, id="a list"),
    pytest.param({"index": ("a.html",)}, {"index": ["a.html"]}, id="a tuple"),
    pytest.param({"cors": True}, {"cors": ["*"]}, id="several with a value of their own"),
    pytest.param({"header": {"X-A": "b: c"}}, {"header": ["X-A: b: c"]}, id="headers as a mapping"),
    pytest.param({"header": [("X-A", "b")]}, {"header": ["X-A: b"]}, id="headers as pairs"),
    pytest.param({"mount": {"/docs": Path("/tmp")}}, {"mount": ["/docs=/tmp"]}, id="pairs as a mapping"),
    pytest.param({"mount": [("/docs", "/tmp")]}, {"mount": ["/docs=/tmp"]}, id="pairs as tuples"),
    pytest.param({"mount": "/docs=/tmp"}, {"mount": ["/docs=/tmp"]}, id="a pair as on the command line"),
    pytest.param({"auth_file": Path("users")}, {"auth_file": ["users"]}, id="a path"),
    pytest.param({"as_": "gh-pages"}, {"as_": ["github-pages"]}, id="a name that is a word of Python"),
]


@pytest.mark.parametrize(("options", "texts"), VALUES)
def test_a_keyword_is_what_the_command_line_has(options: dict[str, Any], texts: dict[str, list[str]]) -> None:
    made = make_config(make_texts(options, BY_NAME, SOURCE), SOURCE)
    assert made.values() == load(texts, {}, "/nonexistent").values()
    assert all(made.given(name) for name in texts)


WRONG = [
    ({"clean_urls": "maybe"}, '--clean-urls (from StaticFiles()): expected true or false, got "maybe"'),
    ({"cache_size": "much"}, "--cache-size (from StaticFiles()): expected a size from 0 to "),
    ({"cache_files": -1}, '--cache-files (from StaticFiles()): expected a number from 0 to 1000000, got "-1"'),
    ({"index": ["a/b"]}, "--index (from StaticFiles()): expected the name of a file, without a slash"),
    ({"index": 3.5j}, "got an object of type complex"),
    ({"auth_file": b"bytes"}, "got an object of type bytes"),
    ({"clean_url": True}, "clean_url (from StaticFiles()): no such option; did you mean clean_urls?"),
    ({"html": True}, "html (from StaticFiles()): no such option; not needed: the index.html of a folder is served"),
    ({"max_age": 60}, 'max_age (from StaticFiles()): no such option; use cache_control="max-age=60"'),
    ({"worker": 2}, "worker (from StaticFiles()): no such option; did you mean workers?"),
    ({"workers": 2}, "--workers (from StaticFiles()): has no effect here: it is for fastfile.ProcessServer and fast"),
    ({"port": 80}, "--port (from StaticFiles()): has no effect here: it is for fastfile.run"),
    ({"log_file": "x"}, "--log-file (from StaticFiles()): has no effect here"),
    ({"idle_timeout": 5}, "has no effect here: it is for fastfile.Server and fastfile.ProcessServer and fastfile.run"),
    ({"cors": ["*", "https://a.example"]}, "--cors (from StaticFiles()): * allows any origin"),
    ({"spa": "missing.html"}, "--spa (from StaticFiles()): missing.html is not in "),
    ({"base": "/a", "prefix": "/b"}, "--base (from StaticFiles()): cannot be used with prefix"),
    ({"auth": ["ann:x"], "app": print}, "--auth (from StaticFiles()): "),
    ({"prefix": "/%41"}, "--base (from StaticFiles()): expected a path that begins with a slash"),
]


@pytest.mark.parametrize("application", [AsgiFiles, WsgiFiles])
@pytest.mark.parametrize(("options", "text"), WRONG)
def test_a_wrong_keyword_is_refused_in_the_words_of_the_command(
    tmp_path: Path, application: Any, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        application(tmp_path, **options)
    assert text in str(raised.value)
    assert isinstance(raised.value, ValueError)


WRONG_TYPES: list[tuple[dict[str, Any], str]] = [
    *(({"directory": value}, "directory") for value in (3, 3.5, True, None, b"/tmp", ["/tmp"], object())),
    ({"prefix": 3}, "prefix"),
    ({"prefix": None}, "prefix"),
    ({"prefix": b"/x"}, "prefix"),
    ({"app": "module:app"}, "app"),
    ({"app": 3}, "app"),
    ({"auth_file": 3}, "--auth-file"),
    ({"auth_file": True}, "--auth-file"),
    ({"mount": {"/x": 3}}, "--mount"),
    ({"cors": b"*"}, "--cors"),
    ({"index": [b"a"]}, "--index"),
    ({"cache_size": [1]}, "--cache-size"),
    ({"spa": object()}, "--spa"),
]


@pytest.mark.parametrize("application", [AsgiFiles, WsgiFiles])
@pytest.mark.parametrize(("arguments", "name"), WRONG_TYPES)
def test_a_value_of_a_wrong_type_is_refused_as_such(
    tmp_path: Path, application: Any, arguments: dict[str, Any], name: str
) -> None:
    """It is a TypeError, and a ConfigError as every value that is wrong."""
    with pytest.raises(TypeError, match=r"got an object of type \w+$") as raised:
        application(**{"directory": tmp_path, **arguments})
    assert isinstance(raised.value, ConfigError)
    assert str(raised.value).startswith(f"{name} (from StaticFiles()): expected ")


@pytest.mark.parametrize("server", [fastfile.Server, fastfile.ProcessServer, fastfile.serve])
@pytest.mark.parametrize(
    "arguments", [{"directory": 3}, {"directory": None}, {"host": 3}, {"host": None}, {"host": b"::1"}], ids=str
)
def test_a_server_refuses_a_value_of_a_wrong_type(tmp_path: Path, server: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(
        TypeError, match=rf"^{next(iter(arguments))} \(from .*Server\(\)\): expected .* an object of type"
    ):
        server(**{"directory": tmp_path, **arguments})


def test_run_refuses_a_folder_of_a_wrong_type() -> None:
    with pytest.raises(TypeError, match=r"^directory \(from run\(\)\): expected a path, got an object of type int$"):
        fastfile.run(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("application", [AsgiFiles, WsgiFiles])
def test_a_folder_that_is_not_there_is_refused_when_the_application_is_made(tmp_path: Path, application: Any) -> None:
    with pytest.raises(StartError, match="no such folder or file"):
        application(tmp_path / "missing")


def test_the_types_of_the_keywords_are_made_from_the_options() -> None:
    tool = runpy.run_path(str(TESTS / "tools" / "option_types.py"))
    source = Path(fastfile.__file__).with_name("embedding") / "options.py"
    hint = "run: PYTHONPATH=tests:. python tests/tools/option_types.py >fastfile/embedding/options.py"
    assert source.read_text() == tool["make_module"](), hint


def test_each_option_has_its_place_among_the_keywords() -> None:
    everything = {option.name for option in OPTIONS} - {"directory"}
    assert set(RunOptions.__annotations__) == everything
    for smaller, larger in (
        (FilesOptions, ServerOptions),
        (ServerOptions, ProcessOptions),
        (ProcessOptions, RunOptions),
    ):
        assert set(smaller.__annotations__) < set(larger.__annotations__)
