"""Settings: the table, the kinds of value, precedence, sources, and the messages about mistakes."""

import math
import os
from typing import get_type_hints

import pytest
from tools.option_table import PAGE, make_tables, replace_tables

from fastfile.cli.arguments import parse_arguments
from fastfile.cli.help import USAGE
from fastfile.config.config import BY_NAME, OPTIONS, Config
from fastfile.config.cpus import read_quota, usable_cpus
from fastfile.config.load import load
from fastfile.config.options.limits import LimitOptions
from fastfile.config.values import show_size
from fastfile.errors import ConfigError
from fastfile.parser_limits import ParserLimits
from fastfile.terminal import printable


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaint(arguments=None, environ=None):
    with pytest.raises(ConfigError) as caught:
        load(arguments or {}, environ or {})
    return str(caught.value)


# The table


def test_config_has_an_attribute_for_each_option_and_no_other():
    assert {name for name in get_type_hints(Config) if name not in ("sources", "TITLE")} == set(BY_NAME)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_default_is_of_the_type_that_config_declares(option):
    hint = str(get_type_hints(Config)[option.name])
    if option.default is None:
        assert hint.endswith(" | None")
    elif isinstance(option.default, tuple):
        assert hint.startswith("tuple[")
        assert hint.endswith(", ...]")
    else:
        assert f"'{type(option.default).__name__}'" in hint or repr(option.default) in hint


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_default_as_it_is_shown_is_read_as_itself(option):
    if option.shown_default:
        assert getattr(load({option.name: option.shown_default.split(", ")}, {}), option.name) == option.default


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_help_text_is_sentences_and_a_limit_has_its_reason(option):
    assert option.help.endswith(".")
    assert option.reason or option.group != LimitOptions.TITLE


def test_the_parser_gets_its_limits_and_the_defaults_are_the_parser_s_own():
    assert Config().parser_limits == ParserLimits()
    assert Config(limit_request_line=1, limit_chunk_line=7).parser_limits == ParserLimits(request_line=1, chunk_line=7)


def test_the_tables_of_the_page_are_the_table_s():
    text = PAGE.read_text()
    assert make_tables() in text, "run: python tests/tools/option_table.py"
    assert replace_tables(text) == text


# Config


def test_config_cannot_be_changed():
    config = Config()
    with pytest.raises(AttributeError, match="port"):
        config.port = 1


def test_replace_makes_another_with_the_same_sources():
    config = load({"port": ["1"]}, {})
    other = config.replace(workers=3)
    assert (other.port, other.workers, other.source("port"), config.workers) == (1, 3, "the command line", 1)


def test_equal_settings_are_equal_wherever_they_came_from():
    assert load({"port": ["9"]}, {}) == load({}, {"FASTFILE_PORT": "9"}) == Config(port=9) != Config()
    assert hash(Config(port=9)) == hash(Config(port=9))


def test_an_unknown_keyword_is_a_mistake():
    with pytest.raises(TypeError, match="prot"):
        Config(prot=1)


# Values: one row for each spelling

GOOD = [
    ("port", "0", 0),
    ("port", "65535", 65535),
    ("port", "080", 80),
    ("workers", "4", 4),
    ("workers", "auto", usable_cpus()),
    ("workers", "0", usable_cpus()),
    ("cache_size", "0", 0),
    ("cache_size", "1000", 1000),
    ("cache_size", "1000B", 1000),
    ("cache_size", "64K", 65536),
    ("cache_size", "64M", 64 << 20),
    ("cache_size", "64MB", 64 << 20),
    ("cache_size", "64MiB", 64 << 20),
    ("cache_size", "64 mib", 64 << 20),
    ("cache_size", "2g", 2 << 30),
    ("grace", "0", 0.0),
    ("grace", "2.5", 2.5),
    ("grace", ".5", 0.5),
    ("grace", "500ms", 0.5),
    ("grace", "10s", 10.0),
    ("grace", "2m", 120.0),
    ("grace", "1h", 3600.0),
    ("listing", "false", False),
    ("listing", "No", False),
    ("listing", "0", False),
    ("dotfiles", "TRUE", True),
    ("dotfiles", "yes", True),
    ("dotfiles", "on", True),
    ("dotfiles", "1", True),
    ("bind", "0.0.0.0", "0.0.0.0"),
    ("bind", "::1", "::1"),
    ("bind", "[::1]", "::1"),
    ("bind", "fe80::1%eth0", "fe80::1%eth0"),
    ("bind", "localhost", "localhost"),
    ("bind", "unix:/run/a b.sock", "unix:/run/a b.sock"),
    ("loop", "asyncio", "asyncio"),
    ("log_format", "json", "json"),
    ("allowed_host", "*", ("*",)),
    ("allowed_host", "*.Ngrok.app", (".ngrok.app",)),
    ("allowed_host", ".ngrok.app", (".ngrok.app",)),
    ("as_", "netlify", "netlify"),
    ("as_", "github", "github-pages"),
    ("as_", "gh-pages", "github-pages"),
    ("as_", "cloudflare-pages", "cloudflare"),
    ("cache_control", "/a/*.js=no-cache", (("/a/*.js", "no-cache"),)),
    ("encoded", "/tiles/**.pbf=gzip", (("/tiles/**.pbf", "gzip"),)),
    ("encoded", "a=b=gzip", (("a=b", "gzip"),)),
    ("cache_control", "max-age=10", (("**", "max-age=10"),)),
    ("cache_control", "no-store", (("**", "no-store"),)),
    ("cache_control", "Public, max-age=60", (("**", "Public, max-age=60"),)),
    ("cache_control", "public/**=no-cache", (("public/**", "no-cache"),)),
    ("spa", "app.html", "app.html"),
    ("spa", "true", "index.html"),
    ("spa", "off", None),
    ("cors", "true", ("*",)),
    ("cors", "false", ()),
    ("allowed_host", "Example.COM", ("example.com",)),
    ("allowed_host", "[::1]", ("[::1]",)),
    ("index", "home.html", ("home.html",)),
    ("log_file", "a b", "a b"),
    ("directory", "./dist", "./dist"),
    ("health", "/healthz", "/healthz"),
    ("open", "true", "/"),
    ("open", "off", None),
    ("open", "/a?b=c#d", "/a?b=c#d"),
    ("socket_mode", "0660", "0660"),
    ("socket_mode", "600", "600"),
    ("metrics", "127.0.0.1:9100", "127.0.0.1:9100"),
    ("metrics", "unix:/run/m.sock", "unix:/run/m.sock"),
]


@pytest.mark.parametrize(("name", "text", "value"), GOOD, ids=[f"{name} {text}" for name, text, _ in GOOD])
def test_a_value_is_read(name, text, value):
    found = getattr(load({name: [text]}, {}), name)
    assert (found, type(found)) == (value, type(value))


BAD = [
    ("port", "http"),
    ("port", ""),
    ("port", "-1"),
    ("port", "65536"),
    ("port", "8_0"),
    ("port", " 80"),
    ("port", "\N{ARABIC-INDIC DIGIT THREE}"),
    ("port", "9" * 5000),
    ("workers", "1025"),
    ("workers", "many"),
    ("cache_size", "M"),
    ("cache_size", "1.5M"),
    ("cache_size", "64T"),
    ("cache_size", "-1"),
    ("limit_request_line", "15"),
    ("limit_request_line", "2M"),
    ("head_timeout", "0"),
    ("head_timeout", "nan"),
    ("head_timeout", "inf"),
    ("head_timeout", "1e3"),
    ("head_timeout", "."),
    ("head_timeout", "s"),
    ("listing", "maybe"),
    ("listing", ""),
    ("bind", ""),
    ("bind", "127.0.0.1:80"),
    ("bind", "[::1]:80"),
    ("bind", "[name]"),
    ("bind", "a b"),
    ("bind", "http://localhost/"),
    ("bind", "unix:"),
    ("loop", "trio"),
    ("log_format", "JSON"),
    ("allowed_host", "example.com:80"),
    ("allowed_host", "http://example.com"),
    ("allowed_host", ""),
    ("allowed_host", "."),
    ("allowed_host", "a.*.example"),
    ("allowed_host", "*.*.example"),
    ("as_", "heroku"),
    ("encoded", "*.pbf"),
    ("encoded", "gzip"),
    ("encoded", "*.pbf=deflate"),
    ("encoded", "=gzip"),
    ("encoded", "*.{a,b}=gzip"),
    ("cache_control", "max-age"),
    ("cache_control", "no-such-directive"),
    ("index", "a/b.html"),
    ("index", ".."),
    ("dotfile", "zgroup"),
    ("dotfile", "a/.b"),
    ("log_file", ""),
    ("directory", "a\0b"),
    ("health", "healthz"),
    ("health", "/"),
    ("health", "/a?b"),
    ("health", "/a%62"),
    ("health", "/../a"),
    ("open", "a"),
    ("open", "//a"),
    ("open", "/a b"),
    ("metrics", "9100"),
    ("metrics", ":9100"),
    ("metrics", "localhost"),
    ("metrics", "localhost:http"),
    ("metrics", "unix:"),
    ("socket_mode", "u=rw"),
    ("socket_mode", "0888"),
    ("socket_mode", "4755"),
    ("socket_mode", "7"),
]


@pytest.mark.parametrize(("name", "text"), BAD, ids=[f"{name} {text[:20]!a}" for name, text in BAD])
def test_a_wrong_value_is_refused_with_what_was_expected(name, text):
    option = BY_NAME[name]
    wanted = f'{option.flag} (from the command line): expected {option.kind.expected}, got "{printable(text)}"'
    assert complaint({name: [text]}) == wanted


def test_a_size_is_shown_shortest_and_exact():
    sizes = (0, 1, 1000, 1024, 1025, 65536, 1 << 20, 3 << 30)
    assert " ".join(map(show_size, sizes)) == "0 1 1000 1K 1025 64K 1M 3G"


def test_what_a_terminal_would_obey_is_escaped():
    assert printable("a\x1b[2Jb\n\udcffé") == r"a\x1b[2Jb\n\udcffé"


def test_the_usable_cpus_are_those_of_the_affinity_mask():
    assert usable_cpus() >= 1
    if hasattr(os, "sched_getaffinity"):
        mask = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(mask)})
        try:
            assert usable_cpus() == 1
        finally:
            os.sched_setaffinity(0, mask)


QUOTAS = [
    pytest.param("0::/\n", {"cpu.max": "max 100000\n"}, math.inf, id="version 2 without a limit"),
    pytest.param("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5, id="version 2: a container sees its group at the top"),
    pytest.param(
        "0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2.0, id="a group around it"
    ),
    pytest.param("0::/../x\n", {"cpu.max": "50000 100000\n"}, math.inf, id="a path that leads out of the mount"),
    pytest.param(
        "4:cpu,cpuacct:/d\n1:name=systemd:/\n",
        {"cpu,cpuacct/cpu.cfs_quota_us": "50000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
        0.5,
        id="version 1",
    ),
    pytest.param(
        "4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, math.inf, id="no limit"
    ),
    pytest.param("", {}, math.inf, id="no control groups"),
    pytest.param("odd\n0::/\n", {"cpu.max": "1 0\n"}, math.inf, id="nonsense"),
]


@pytest.mark.parametrize(("groups", "files", "quota"), QUOTAS)
def test_the_quota_of_the_control_groups_is_read(groups, files, quota, folder):
    (folder / "self").write_text(groups)
    for name, content in files.items():
        (folder / "mount" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "mount" / name).write_text(content)
    assert read_quota(str(folder / "self"), str(folder / "mount")) == quota


# Sources


def test_the_command_line_goes_before_the_environment_before_the_file_before_the_default(folder):
    (folder / "fastfile.toml").write_text("port = 1\nworkers = 1\ngrace = 1\n")
    config = load({"port": ["3"]}, {"FASTFILE_PORT": "2", "FASTFILE_WORKERS": "2"})
    assert (config.port, config.workers, config.grace, config.backlog) == (3, 2, 1.0, 2048)
    assert config.source("port") == "the command line"
    assert config.source("workers") == "FASTFILE_WORKERS"
    assert config.source("grace") == "fastfile.toml"
    assert config.source("backlog") == "default"
    assert config.files == ("fastfile.toml",)


def test_a_list_from_nearer_by_replaces_the_other_whole(folder):
    (folder / "fastfile.toml").write_text('index = ["a.html", "b.html"]\n')
    assert load({}, {}).index == ("a.html", "b.html")
    assert load({}, {"FASTFILE_INDEX": "c.html, d.html"}).index == ("c.html", "d.html")
    assert load({"index": ["e,f.html"]}, {"FASTFILE_INDEX": "c.html"}).index == ("e,f.html",)


def test_an_option_that_is_given_twice_has_its_last_value():
    assert load({"port": ["1", "2"]}, {}).port == 2


def test_an_empty_variable_is_as_good_as_none():
    assert load({}, {"FASTFILE_PORT": "", "FASTFILE_INDEX": ""}) == Config()


def test_variables_of_the_build_of_the_tests_and_of_others_are_left_alone():
    build = ("FASTFILE_NO_EXTENSIONS", "FASTFILE_REQUIRE_EXTENSIONS", "FASTFILE_CFLAGS")
    assert load({}, dict.fromkeys((*build, "FASTFILE_TEST_LOOP", "PORT", "NOT_FASTFILE_PORT"), "x")) == Config()


def test_variables_of_a_kubernetes_service_named_fastfile_are_ignored():
    links = {
        "FASTFILE_SERVICE_HOST": "10.0.0.7",
        "FASTFILE_SERVICE_PORT": "80",
        "FASTFILE_SERVICE_PORT_HTTP": "80",
        "FASTFILE_PORT": "tcp://10.0.0.7:80",
        "FASTFILE_PORT_80_TCP": "tcp://10.0.0.7:80",
        "FASTFILE_PORT_80_TCP_ADDR": "10.0.0.7",
        "FASTFILE_WEB_SERVICE_HOST": "10.0.0.8",
        "FASTFILE_WEB_PORT": "tcp://10.0.0.8:80",
        "FASTFILE_WEB_PORT_80_TCP_PORT": "80",
    }
    assert load({}, links) == Config()


# A file names no other file, and a certificate needs its key.
IN_A_FILE = [option for option in OPTIONS if option.name not in ("config", "tls_cert", "tls_key")]
# Options without a default that do not accept every word.
NOT_ANY_WORD = {
    "auth": "ann:$scrypt$ln=1,r=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "base": "/app",
    "trusted_proxy": "10.0.0.0/8",
    "proxy": "/api=http://localhost:3000",
    "cache_control": "*.html=no-cache",
    "encoded": "*.pbf=gzip",
    "as_": "netlify",
    "cors": "https://app.example",
    "dotfile": ".zgroup",
    "header": "X-A: 1",
    "health": "/x",
    "hsts": "60",
    "store_max_age": "60",
    "metrics": "[::1]:9100",
    "mime": "glsl=text/plain",
    "mount": "/docs=site",
    "open": "/about",
    "redirect_http": "80",
    "referrer_policy": "no-referrer",
    "socket_mode": "0600",
}


@pytest.mark.parametrize("option", IN_A_FILE, ids=lambda option: option.name)
def test_each_option_is_a_variable_and_a_key_with_dashes_or_underscores(option, folder):
    text = option.shown_default or NOT_ANY_WORD.get(option.name, "x")
    value = load({option.name: text.split(", ")}, {})
    config = load({}, {option.variable: text})
    assert (config, config.source(option.name)) == (value, option.variable)
    for key in (option.key, option.name):
        (folder / "fastfile.toml").write_text(f'{key} = "{text}"\n')
        assert load({}, {}) == value
        assert load({}, {}).source(option.name) == "fastfile.toml"


def test_each_option_refuses_types_of_toml_without_a_meaning_in_one_line(folder):
    for option in OPTIONS:
        rows = [("{a = 1}", "a table or a date"), ("[{}]" if option.repeatable else "[[]]", None)]
        rows += [] if option.is_switch or option.bare else [("true", "true")]
        for value, shown in rows if option.name != "config" else ():
            (folder / "fastfile.toml").write_text(f"{option.key} = {value}\n")
            with pytest.raises(ConfigError) as caught:
                load({}, {})
            expected = f"{option.flag} (from fastfile.toml): expected {option.kind.expected}, got "
            assert str(caught.value).startswith(expected + (shown or "a ")), (option.key, value)
            assert "\n" not in str(caught.value)


def test_a_file_may_use_the_types_of_toml(folder):
    (folder / "fastfile.toml").write_text("port = 81\nlisting = false\ngrace = 1.5\nallowed-host = ['a', 'b']\n")
    config = load({}, {})
    assert (config.port, config.listing, config.grace, config.allowed_host) == (81, False, 1.5, ("a", "b"))


def test_a_table_of_a_file_has_the_pairs_of_an_option(folder):
    (folder / "fastfile.toml").write_text(
        'header = { X-Robots-Tag = "none", X-A = "b=c: d" }\nmime = { glsl = "text/plain" }\n'
        '[mount]\n"/docs" = "site"\n[cache-control]\n"*.pdf" = "max-age=60"\n"/data/**" = "no-store"\n'
        '[proxy]\n"/api" = "http://localhost:3000,strip=1"\n'
    )
    config = load({}, {})
    listed = {
        "header": ["X-Robots-Tag: none", "X-A: b=c: d"],
        "mime": ["glsl=text/plain"],
        "mount": ["/docs=site"],
        "cache_control": ["*.pdf=max-age=60", "/data/**=no-store"],
        "proxy": ["/api=http://localhost:3000,strip=1"],
    }
    (folder / "fastfile.toml").unlink()
    assert config == load(listed, {})


def test_pyproject_s_table_is_read_where_there_is_no_fastfile_toml(folder):
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n[tool.fastfile]\nport = 81\n")
    assert load({}, {}).port == 81
    assert load({}, {}).source("port") == "pyproject.toml [tool.fastfile]"
    (folder / "fastfile.toml").write_text("workers = 2\n")
    assert (load({}, {}).port, load({}, {}).workers) == (8000, 2)


def test_a_pyproject_without_us_is_not_even_parsed(folder):
    (folder / "pyproject.toml").write_text("this is [not TOML")
    assert load({}, {}) == Config()
    (folder / "pyproject.toml").write_text("[project]\nname = 'my-fastfile'\n")
    assert load({}, {}) == Config()


# Mistakes, by source


def test_a_wrong_variable_is_named():
    assert complaint(environ={"FASTFILE_PORT": "http"}) == (
        '--port (from FASTFILE_PORT): expected a number from 0 to 65535, got "http"'
    )


def test_an_unknown_variable_is_refused_and_the_nearest_suggested():
    assert complaint(environ={"FASTFILE_WORKER": "4"}) == (
        "FASTFILE_WORKER (from the environment): no such option; did you mean FASTFILE_WORKERS?"
    )


FILE_MISTAKES = [
    ("prot = 1", "prot (from fastfile.toml): no such option; did you mean port?"),
    ("logformat = 'json'", "logformat (from fastfile.toml): no such option; did you mean log-format?"),
    ("zzz = 1", "zzz (from fastfile.toml): no such option"),
    ("port = 'x'", '--port (from fastfile.toml): expected a number from 0 to 65535, got "x"'),
    ("port = 70000", '--port (from fastfile.toml): expected a number from 0 to 65535, got "70000"'),
    ("port = true", "--port (from fastfile.toml): expected a number from 0 to 65535, got true"),
    ("log-file = true", "--log-file (from fastfile.toml): expected a path, got true"),
    ("directory = false", "DIR (from fastfile.toml): expected a path, got false"),
    ("index = [true]", "--index (from fastfile.toml): expected the name of a file, without a slash, got true"),
    ("port = [1]", "--port (from fastfile.toml): expected a number from 0 to 65535, got a list"),
    ("[port]", "--port (from fastfile.toml): expected a number from 0 to 65535, got a table or a date"),
    ("listing = 2", '--listing (from fastfile.toml): expected true or false, got "2"'),
    ("index = [['a']]", "--index (from fastfile.toml): expected the name of a file, without a slash, got a list"),
    ("log-file = 'a'\nlog_file = 'b'", "--log-file (from fastfile.toml): given twice"),
    ("port =", "configuration (from fastfile.toml): not TOML: Invalid value (at end of document)"),
]


@pytest.mark.parametrize(("content", "sentence"), FILE_MISTAKES, ids=[content for content, _ in FILE_MISTAKES])
def test_a_mistake_in_the_file_is_named(content, sentence, folder):
    (folder / "fastfile.toml").write_text(content)
    assert complaint() == sentence


def test_a_pyproject_that_has_us_must_be_right(folder):
    (folder / "pyproject.toml").write_text("[tool]\nfastfile = 3\n")
    assert complaint() == "tool.fastfile (from pyproject.toml): expected a table"
    (folder / "pyproject.toml").write_text("[tool.fastfile\n")
    assert complaint().startswith("configuration (from pyproject.toml): not TOML: ")
    (folder / "pyproject.toml").write_bytes(b"[tool.fastfile]\n#\xff\n")
    assert complaint().startswith("configuration (from pyproject.toml): not TOML: ")


def test_a_file_that_cannot_be_read_is_a_mistake(folder):
    (folder / "fastfile.toml").mkdir()
    assert complaint() == "configuration (from fastfile.toml): cannot be read: Is a directory"


# Undoing a setting of a lower source

UNDONE = [
    ("spa = true", "--no-spa", None),
    ('spa = "app.html"', "--no-spa", None),
    ('cors = "*"', "--no-cors", ()),
    ("cors = true", "--no-cors", ()),
    ('csp = "default-src *"', "--no-csp", None),
    ('auth-file = "users"', "--no-auth-file", None),
    ('base = "/app"', "--no-base", None),
    ('mount = ["/a=b"]', "--no-mount", ()),
    ('log-file = "x.log"', "--no-log-file", None),
    ('header = "X-A: 1"', "--no-header", ()),
    ('as = "netlify"', "--no-as", None),
    ('metrics = "127.0.0.1:9100"', "--no-metrics", None),
    ('immutable = "auto"', "--no-immutable", "off"),
    ('rules = "auto"', "--no-rules", "off"),
    ('sandbox = "require"', "--no-sandbox", "off"),
    ("dotfiles = true", "--no-dotfiles", False),
]


@pytest.mark.parametrize(("content", "flag", "value"), UNDONE, ids=[content for content, _, _ in UNDONE])
def test_what_the_file_says_is_undone_by_no(content, flag, value, folder):
    (folder / "fastfile.toml").write_text(content)
    (option,) = [option for option in OPTIONS if f"--no-{option.key}" == flag]
    assert getattr(load({}, {}), option.name) != value or value == "off"
    config = load(parse_arguments(USAGE, [flag]), {})
    assert (getattr(config, option.name), config.source(option.name)) == (value, "the command line")


@pytest.mark.parametrize("option", IN_A_FILE, ids=lambda option: option.name)
def test_each_option_that_can_be_unset_has_a_no_and_is_false_in_the_file(option, folder):
    if option.off_text is None:
        assert option.default not in (None, ()) or option.name == "directory"
        with pytest.raises(ConfigError):
            parse_arguments(USAGE, [f"--no-{option.key}"])
        return
    (folder / "fastfile.toml").write_text(f"{option.key} = false")
    off = getattr(load({}, {}), option.name)
    assert off in (False, None, (), "off")
    assert getattr(load(parse_arguments(USAGE, [f"--no-{option.key}"]), {"FASTFILE_CONFIG": ""}), option.name) == off


def test_after_no_an_option_may_be_given_again():
    given = parse_arguments(USAGE, ["--mount", "/a=b", "--no-mount", "--mount", "/c=d", "--spa", "--no-spa"])
    config = load(given, {})
    assert (config.mount, config.spa) == ((("/c", "d"),), None)


# --config


def test_another_file_may_be_named(folder):
    (folder / "fastfile.toml").write_text("port = 1")
    (folder / "web.toml").write_text("port = 2")
    (folder / "settings").write_text("port = 3")
    assert load({}, {}).port == 1
    assert load({"config": ["web.toml"]}, {}).port == 2
    assert load({"config": ["web.toml"]}, {}).source("port") == "web.toml"
    assert load({"config": ["settings"]}, {}).files == ("settings",)
    assert load({"config": [str(folder / "web.toml")]}, {"FASTFILE_CONFIG": "settings"}).port == 2
    assert load({}, {"FASTFILE_CONFIG": "settings"}).port == 3
    assert load({"config": []}, {"FASTFILE_CONFIG": "settings"}).port == 8000


def test_a_named_pyproject_has_its_table(folder):
    (folder / "app").mkdir()
    (folder / "app" / "pyproject.toml").write_text("[tool.fastfile]\nport = 4\n")
    assert load({"config": ["app/pyproject.toml"]}, {}).port == 4


def test_a_named_file_has_to_be_there_and_names_no_other(folder):
    assert complaint({"config": ["none.toml"]}) == "--config (from the command line): none.toml: no such file"
    (folder / "folder").mkdir()
    assert complaint(environ={"FASTFILE_CONFIG": "folder"}) == (
        "--config (from FASTFILE_CONFIG): folder: cannot be read: Is a directory"
    )
    for name in ("no.toml", "pyproject.toml"):
        (folder / name).write_text("port =")
        line = complaint({"config": [name]})
        assert line == f"--config (from the command line): {name}: not TOML: Invalid value (at end of document)"
    (folder / "a.toml").write_text("config = 'b.toml'")
    assert complaint({"config": ["a.toml"]}).startswith("config (from a.toml): no such option")


def test_a_byte_order_mark_is_left_out(folder):
    (folder / "fastfile.toml").write_bytes(b"\xef\xbb\xbfport = 81\n")
    assert load({}, {}).port == 81


def test_dir_is_the_folder_in_a_file_and_in_the_environment(folder):
    (folder / "fastfile.toml").write_text("dir = 'web'")
    assert load({}, {}).directory == "web"
    assert load({}, {"FASTFILE_DIR": "site"}).directory == "site"


# --host beside --bind


@pytest.mark.parametrize("text", ["0.0.0.0", "::", "192.168.1.7", "app.example"])
def test_an_address_for_host_is_one_for_bind(text, folder):
    assert load({}, {"FASTFILE_HOST": text}).bind == text
    (folder / "fastfile.toml").write_text(f"host = '{text}'")
    config = load({}, {})
    assert (config.bind, config.host, config.source("bind")) == (text, False, "fastfile.toml")


def test_what_is_no_address_is_refused_for_host():
    assert complaint(environ={"FASTFILE_HOST": "a b"}) == (
        '--host (from FASTFILE_HOST): expected true or false, got "a b"'
    )


def test_host_and_bind_of_one_source_contradict():
    wanted = "--host (from {}): cannot be used with --bind, which gives an address"
    assert complaint({"host": ["true"], "bind": ["::1"]}) == wanted.format("the command line")
    assert complaint(environ={"FASTFILE_HOST": "1", "FASTFILE_BIND": "::1"}) == wanted.format("FASTFILE_HOST")
    assert not load({"host": ["false"], "bind": ["::1"]}, {}).host


def test_of_host_and_bind_the_nearer_one_holds():
    config = load({"host": ["true"]}, {"FASTFILE_BIND": "unix:web.sock"})
    assert (config.host, config.bind, config.source("bind")) == (True, "localhost", "default")
    config = load({"bind": ["::1"]}, {"FASTFILE_HOST": "1"})
    assert (config.host, config.bind, config.source("host")) == (False, "::1", "default")
