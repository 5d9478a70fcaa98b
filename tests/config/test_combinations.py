"""Combinations of options: contradictions are errors, and options without effect are notices."""

import pytest

from fastfile.config.combinations import check_page, tell_useless
from fastfile.config.config import Config
from fastfile.config.load import load
from fastfile.errors import ConfigError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "index.html").write_text("home")
    return tmp_path


CONTRADICTIONS = [
    ({"sandbox": ["require"], "follow_symlinks": ["true"]}, "require cannot be used with --follow-symlinks"),
    ({"cors": ["*", "https://a.example"]}, "allows any origin"),
    ({"cors": ["*"], "header": ["Access-Control-Max-Age: 1"]}, "cannot be used with --cors"),
    ({"mount": ["/a=x", "/a/=y"]}, "--mount .*: y: /a/ is already used"),
    ({"base": ["/a"], "mount": ["/a=x"]}, "--mount .*: x: /a is already used"),
    (
        {"tls_cert": ["a.pem", "b.pem"], "tls_key": ["a.key"]},
        r"--tls-key \(from the command line\): expected one for each --tls-cert, got 1",
    ),
    ({"tls_key": ["a.key"]}, r"--tls-cert \(from the command line\): expected one for each --tls-key, got 0"),
]


@pytest.mark.parametrize(("arguments", "sentence"), CONTRADICTIONS, ids=[row[1] for row in CONTRADICTIONS])
def test_options_that_contradict_each_other_are_refused(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load(arguments, {})


USELESS = [
    ({"bind": ["unix:web.sock"], "port": ["3000"]}, ["--port"]),
    ({"bind": ["unix:web.sock"], "strict_port": ["true"]}, ["--strict-port"]),
    ({"strict_port": ["true"], "port": ["0"]}, ["--strict-port"]),
    ({"socket_mode": ["0660"]}, ["--socket-mode"]),
    ({"socket_mode": ["0660"], "metrics": ["unix:m.sock"]}, []),
    ({"log_file": ["x.log"], "log_format": ["none"]}, ["--log-file"]),
    ({"listing": ["false"], "archive": ["true"]}, ["--archive"]),
    ({"archive": ["false"], "limit_archive": ["1G"]}, ["--limit-archive"]),
    ({"spa": ["index.html"]}, []),
    ({"hsts": ["300"]}, ["--hsts"]),
    ({"redirect_http": ["80"], "tls_min": ["1.3"]}, ["--tls-min", "--redirect-http"]),
    ({"tls_cert": ["a.pem"], "tls_key": ["a.key"], "hsts": ["300"], "redirect_http": ["80"]}, []),
    ({"port": ["3000"], "strict_port": ["true"], "spa": ["index.html"], "dotfiles": ["true"]}, []),
]


@pytest.mark.parametrize(("arguments", "flags"), USELESS, ids=[" ".join(row[0]) for row in USELESS])
def test_an_option_without_effect_is_reported(arguments, flags):
    notices = tell_useless(load(arguments, {}), ".")
    assert [notice.split()[0] for notice in notices] == flags


def test_defaults_are_never_useless():
    assert tell_useless(Config(), ".") == tell_useless(Config(), "index.html") == []


def test_options_of_folders_have_no_effect_on_one_file():
    config = load({"clean_urls": ["true"], "as_": ["netlify"], "csp": ["default-src 'self'"]}, {})
    notices = tell_useless(config, "index.html")
    assert notices == ["--as has no effect on one file", "--clean-urls has no effect on one file"]


def test_a_page_of_the_app_that_is_not_there_is_refused(folder):
    (folder / "app.html").write_text("app")
    check_page(load({"spa": ["app.html"]}, {}), ".")
    with pytest.raises(ConfigError, match=r"--spa .*: ap.html is not in .; did you mean app.html\?"):
        check_page(load({"spa": ["ap.html"]}, {}), ".")


def test_the_index_may_come_with_the_first_build(folder):
    (folder / "index.html").unlink()
    config = load({"spa": ["true"]}, {})
    check_page(config, ".")
    assert tell_useless(config, ".") == ["--spa has no effect yet: there is no index.html in ."]
