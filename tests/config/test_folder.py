"""The folder that is served without DIR, notices about the choice, and the messages about a wrong DIR."""

import os
import socket

import pytest

from fastfile.config.config import Config
from fastfile.config.folder import BUILD_FOLDERS, choose, resolve_clear_directory, resolve_directory
from fastfile.errors import ConfigError, StartError

PAGE = "<!doctype html><p>built"
VITE = '<div id="root"></div><script type="module" src="/src/main.tsx"></script>'
CREATE_REACT_APP = '<link rel="icon" href="%PUBLIC_URL%/favicon.ico">'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*paths, text=PAGE):
    for path in paths:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "w") as file:
            file.write(text)


@pytest.mark.parametrize("pattern", BUILD_FOLDERS)
def test_each_known_build_folder_is_served_when_it_alone_has_an_index(pattern):
    path = pattern.replace("*", "app")
    write(f"{path}/index.html")
    choice = choose(Config())
    assert (os.path.normpath(choice.path), choice.notices, choice.is_clear) == (path, (), True)
    assert resolve_clear_directory(Config()) == choice.path


BUILDS = [
    pytest.param(["public/favicon.ico", "out/index.html"], "./out", id="a Next export: public has no index"),
    pytest.param(["dist/pkg-1.0-py3-none-any.whl"], ".", id="a Python project: dist is full of wheels"),
    pytest.param(["dist/app/browser/index.html"], "./dist/app/browser", id="Angular"),
    pytest.param(["dist/app/index.html"], "./dist/app", id="Angular before 17"),
    pytest.param(["site/index.html", "docs/index.md"], "./site", id="MkDocs"),
    pytest.param(["dist/index.html", "dist/app/index.html"], "./dist", id="a folder inside the build is no choice"),
    pytest.param(["index.html"], ".", id="a site without a build"),
    pytest.param(["_site/home.htm"], ".", id="no index"),
]


@pytest.mark.parametrize(("paths", "expected"), BUILDS)
def test_the_first_folder_with_an_index_is_served_else_the_current_one(paths, expected):
    write(*paths)
    choice = choose(Config())
    assert choice.path == expected
    assert not choice.others


def test_the_first_of_several_is_served_and_the_choice_is_reported():
    write("build/index.html", "dist/index.html", "storybook-static/index.html")
    choice = choose(Config())
    assert choice.path == "./dist"
    assert choice.notices == ("serving ./dist, but ./build, ./storybook-static have an index file too",)
    with pytest.raises(ConfigError, match=r"it could be any of these: ./dist, ./build, ./storybook-static$"):
        resolve_clear_directory(Config())


def test_a_build_beside_the_pages_of_the_current_folder_is_a_choice():
    write("index.html", "dist/index.html")
    choice = choose(Config())
    assert (choice.path, choice.others) == ("./dist", (".",))


def test_without_an_index_the_current_folder_is_served_and_reported():
    write("dist/a.whl", "notes.txt")
    choice = choose(Config())
    assert (choice.path, choice.is_clear) == (".", False)
    assert choice.notices == ("no index.html in ./dist or the current folder",)
    with pytest.raises(ConfigError, match="name the folder: no index"):
        resolve_clear_directory(Config())


SOURCES = [
    pytest.param("index.html", VITE, "./index.html", id="Vite before its first build"),
    pytest.param(
        "index.html", "<SCRIPT src=/src/main.tsx type=module>", "./index.html", id="attributes without quotes"
    ),
    pytest.param("public/index.html", CREATE_REACT_APP, "./public/index.html", id="Create React App"),
]


@pytest.mark.parametrize(("path", "text", "named"), SOURCES)
def test_the_sources_of_an_app_are_not_taken_for_its_build(path, text, named):
    write("package.json", text="{}")
    write(path, text=text)
    choice = choose(Config())
    assert choice.path == "."
    assert choice.notices[0].startswith(f"{named} is the source of an app")
    with pytest.raises(ConfigError, match="the source of an app"):
        resolve_clear_directory(Config())
    write("dist/index.html")
    choice = choose(Config())
    assert (choice.path, choice.notices, choice.is_clear) == ("./dist", (), True)


def test_a_named_folder_with_the_source_of_an_app_is_served_with_a_notice():
    write("app/index.html", text=VITE)
    write("app/package.json", text="{}")
    choice = choose(Config(directory="app/"))
    notice = "app/index.html looks like the source of an app: if the page stays empty, serve the build"
    assert (choice.path, choice.notices, choice.is_clear) == ("app/", (notice,), True)
    write("app/dist/index.html")
    assert choose(Config(directory="app/dist")).notices == ()
    assert choose(Config(directory="app/index.html")).notices == ()


def test_the_index_is_what_the_settings_say():
    write("dist/index.html", "out/start.html")
    assert choose(Config(index=("start.html",))).path == "./out"


def test_a_file_named_build_is_not_taken_for_a_folder():
    write("build", text="#!/bin/sh")
    assert choose(Config()).path == "."


def test_another_current_folder_may_be_named(folder):
    write("a[b]/dist/index.html", "a[b]/dist/x/browser/index.html")
    assert resolve_directory(Config(), "a[b]") == "a[b]/./dist"
    assert resolve_directory(Config(directory="dist"), "a[b]") == "a[b]/dist"
    assert resolve_directory(Config(directory=str(folder)), "a[b]") == str(folder)


def test_dir_may_be_one_file():
    write("page.html")
    assert resolve_directory(Config(directory="page.html")) == "page.html"


def test_a_dir_that_is_not_there_or_not_servable_is_said_in_one_line():
    with pytest.raises(StartError, match=r"^a\\nb: no such folder or file$"):
        resolve_directory(Config(directory="a\nb"))
    os.mkfifo("pipe")
    with pytest.raises(StartError, match=r"^pipe: neither a folder nor a file$"):
        resolve_directory(Config(directory="pipe"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(StartError, match=r"^socket: neither a folder nor a file$"):
            resolve_directory(Config(directory="socket"))


@pytest.mark.parametrize("given", ["current", "current/"])
def test_a_link_that_leads_nowhere_is_said(given):
    os.symlink("releases/7", "current")
    with pytest.raises(StartError, match=f"^{given}: a link to releases/7, which does not exist$"):
        resolve_directory(Config(directory=given))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_dir_without_permission_is_said(folder):
    (folder / "closed").mkdir(mode=0)
    with pytest.raises(StartError, match=r"^closed: no permission to read it$"):
        resolve_directory(Config(directory="closed"))
