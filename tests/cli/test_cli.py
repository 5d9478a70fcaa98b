"""The command line without a server: help, version, mistakes as processes see them, and the banner as a function."""

import ipaddress
import itertools
import os
import pty
import re
import subprocess
import sys

import pytest
from support.checkout import CHECKOUT
from support.serverprocess import ServerProcess

from fastfile import __version__
from fastfile.cli import main as cli
from fastfile.cli.arguments import make_help, maybe_parse, parse_any, parse_arguments
from fastfile.cli.banner import Facts, make_banner
from fastfile.cli.foreign import BY_SPELLING
from fastfile.cli.help import BRIEF, COMMANDS, USAGE
from fastfile.config.config import OPTIONS, Config, Endpoint
from fastfile.errors import ConfigError
from fastfile.server.lan import lan_addresses
from fastfile.server.net.tls.channels import describe_channel

ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("FASTFILE_")}
TIMEOUT_S = 60
LOCAL = Endpoint("localhost", 8000)


def run(*arguments, folder, **environ):
    """Run the command in ``folder`` and return it finished."""
    environ = ENVIRON | {"PYTHONPATH": str(CHECKOUT)} | environ
    command = [sys.executable, "-m", "fastfile", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S)


# --help and --version


def test_help_names_every_option_and_its_default():
    text = " ".join(make_help(USAGE).split())
    for option in OPTIONS:
        assert option.flag in text or f"--[no-]{option.key}" in text
        assert option.is_switch or f"[{option.shown_default}]" in text or not option.shown_default


def test_help_fits_80_columns_and_the_brief_one_a_screen():
    assert max(map(len, [*make_help(USAGE).splitlines(), *BRIEF.splitlines()])) <= 80
    assert BRIEF.count("\n") <= 24


def test_the_brief_help_names_options_and_commands_that_there_are():
    flags = {f"--{word}" for option in OPTIONS for word in (option.key, f"no-{option.key}")} | {"--help"}
    assert set(re.findall(r"--[a-z-]+", BRIEF)) <= flags
    _, _, commands = BRIEF.partition("Commands: ")
    assert set(re.findall(r"[a-z-]+", commands.partition(".")[0])) == {*COMMANDS}


@pytest.mark.parametrize(("flag", "text"), [("-h", BRIEF), ("--help", make_help(USAGE))])
def test_help_goes_to_standard_output_and_succeeds(flag, text, tmp_path):
    done = run(flag, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, text, "")


def test_help_helps_also_where_the_settings_are_wrong(tmp_path):
    (tmp_path / "fastfile.toml").write_text("nonsense = 1")
    assert run("--help", "--prot", "80", folder=tmp_path, FASTFILE_PORT="x").returncode == 0


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version_names_python_uvloop_and_each_kernel(flag, tmp_path):
    done = run(flag, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, third, _, fifth = done.stdout.splitlines()
    assert first == f"fastfile {__version__}"
    assert second.startswith("Python {}.{}.{}, ".format(*sys.version_info))
    assert second.partition(", ")[2].startswith(("uvloop ", "no uvloop"))
    if not os.environ.get("FASTFILE_NO_EXTENSIONS"):
        assert third == cli.describe_kernels()
        assert fifth == describe_channel()
    assert fifth.startswith("TLS: OpenSSL ")


def test_version_tells_that_the_extensions_are_switched_off(tmp_path):
    done = run("--version", folder=tmp_path, FASTFILE_NO_EXTENSIONS="1")
    assert done.stdout.splitlines()[2] == "pure Python (FASTFILE_NO_EXTENSIONS is set): slower"


def test_the_printout_says_every_setting_its_value_and_its_source(tmp_path):
    (tmp_path / "fastfile.toml").write_text("workers = 3\nallowed-host = ['a', 'b']\n")
    done = run("--print-config", "--port", "81", 'a "b"\\\x01é', folder=tmp_path, FASTFILE_LIMIT_HEAD="64K")
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: line.split(None, 1)[1] for line in done.stdout.splitlines() if line[0] != "#"}
    said = {key: " ".join(rest.split()) for key, rest in lines.items()}
    assert said["port"] == "= 81 # the command line"
    assert said["workers"] == "= 3 # fastfile.toml"
    assert said["allowed-host"] == '= ["a", "b"] # fastfile.toml'
    assert said["limit-head"] == '= "64K" # FASTFILE_LIMIT_HEAD'
    assert said["grace"] == '= "8s" # default'
    assert said["directory"] == '= "a \\"b\\"\\\\\\u0001é" # the command line'
    assert all(option.key in done.stdout for option in OPTIONS)
    (tmp_path / "fastfile.toml").write_text(done.stdout, encoding="utf-8")
    again = run("--print-config", folder=tmp_path)
    values = [line.rpartition("#")[0] for line in done.stdout.splitlines()]
    assert [line.rpartition("#")[0] for line in again.stdout.splitlines()] == values


CHECKED = [
    pytest.param("port = 81\ndirectory = '.'\n", 0, "fastfile: the settings are right; they serve .\n", id="right"),
    pytest.param(
        "hsts = true\ndirectory = '.'\n", 0, "fastfile: --hsts has no effect without HTTPS\n", id="of no effect"
    ),
    pytest.param("prot = 81\n", 2, "fastfile: prot (from fastfile.toml): no such option", id="mistyped"),
    pytest.param("port = 81\n[\n", 2, "fastfile: configuration (from fastfile.toml): not TOML", id="not TOML"),
    pytest.param("directory = 'none'\n", 1, "fastfile: none: no such folder", id="no folder"),
    pytest.param("tls-cert = ['none']\n", 1, "fastfile: --tls-cert none: cannot be read", id="no certificate"),
]


@pytest.mark.parametrize(("settings", "status", "line"), CHECKED)
def test_settings_are_checked_before_a_reload(settings, status, line, tmp_path):
    """As `nginx -t` does. Nothing listens: the port of the first row would need root."""
    (tmp_path / "fastfile.toml").write_text(settings)
    done = run("--check-config", folder=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(line)
    assert sorted(os.listdir(tmp_path)) == ["fastfile.toml"]


def test_a_reader_that_is_gone_is_no_traceback(tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "fastfile", "--help"]
    environ = ENVIRON | {"PYTHONPATH": str(CHECKOUT)}
    with os.fdopen(write_end) as stdout:
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, stdout=stdout, stderr=subprocess.PIPE, timeout=TIMEOUT_S
        )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_descriptors_are_no_failure(closed, tmp_path):
    script = f'exec "$0" -m fastfile --help {closed}'
    environ = ENVIRON | {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        ["sh", "-c", script, sys.executable], cwd=tmp_path, env=environ, capture_output=True, timeout=TIMEOUT_S
    )
    assert (done.returncode, done.stderr) == (0, b"")


# Mistakes: arguments, and their one-line error

MISTAKES = [
    (["--prot", "80"], "--prot (from the command line): no such option; did you mean --port?"),
    (["--no-listng"], "--no-listng (from the command line): no such option; did you mean --no-listing?"),
    (["--limit-hea=3"], "--limit-hea (from the command line): no such option; did you mean --limit-head?"),
    (["--zzzzzzzz"], "--zzzzzzzz (from the command line): no such option"),
    (["--log\x1b[2J"], r"--log\x1b[2J (from the command line): no such option"),
    (["a", "b"], 'DIR (from the command line): expected one folder, got "a" and "b"'),
    (["a", "-d", "b"], 'DIR (from the command line): expected one folder, got "b" and "a"'),
    (["deev", "a"], 'DIR (from the command line): expected one folder, got "deev" and "a"; did you mean dev?'),
    (
        ["--quiet", "releases", "file:///a"],
        'DIR (from the command line): expected one folder, got "releases" and "file:///a"; write a command before all '
        "options: fastfile releases",
    ),
    (
        ["explan", "/a", "b"],
        'DIR (from the command line): expected one folder, got "explan" and "/a" and "b"; did you mean explain?',
    ),
    (
        ["--no-cache"],
        "--no-cache (from the command line): no such option; not needed: browsers revalidate all files; "
        "--cache-control '**=no-store' prevents storing",
    ),
    (["-d"], "--directory (from the command line): expected a path, got nothing"),
    (["99999"], '--port (from the command line): expected a number from 0 to 65535, got "99999"'),
    (["--single", "a"], "--single (from the command line): no such option; use --spa"),
    (["-l3000"], "-l3000 (from the command line): no such option; use --port N, with --bind ADDR or --host"),
    (
        ["--cors", "https://app.example", "a"],
        '--cors (from the command line): "https://app.example" is not a folder or file; to give a value, write '
        "--cors=https://app.example",
    ),
    (
        ["--open", "/about"],
        '--open (from the command line): "/about" is not a folder or file; to give a value, write --open=/about',
    ),
    (
        ["--open=about"],
        "--open (from the command line): expected a path on the server, such as /about?tab=2, as the browser's address "
        'bar shows it, got "about"',
    ),
    (
        ["--open=//evil.example/"],
        "--open (from the command line): expected a path on the server, such as /about?tab=2, as the browser's address "
        'bar shows it, got "//evil.example/"',
    ),
    (["--port"], "--port (from the command line): expected a number from 0 to 65535, got nothing"),
    (["-p"], "--port (from the command line): expected a number from 0 to 65535, got nothing"),
    (["--port", "-1"], '--port (from the command line): expected a number from 0 to 65535, got "-1"'),
    (["--port="], '--port (from the command line): expected a number from 0 to 65535, got ""'),
    (
        ["-p", "HTTP/1.1", "-d", ".", "8000"],
        '--port (from the command line): "HTTP/1.1" is a protocol, not a port: leave it out, because fastfile speaks '
        "HTTP/1.1, and HTTP/1.0 with old clients",
    ),
    (
        ["--host=a/b"],
        '--host (from the command line): expected an address or a host name without a port, or unix:PATH, got "a/b"',
    ),
    (["--config=."], "--config (from the command line): .: cannot be read: Is a directory"),
    (["-q=1"], "--quiet (from the command line): takes no value"),
    (["--listing=yes"], "--listing (from the command line): takes no value"),
    (["--no-dotfiles=1"], "--no-dotfiles (from the command line): takes no value"),
    (["--help=me"], "--help (from the command line): takes no value"),
    (["--loop", "trio"], '--loop (from the command line): expected one of auto, uvloop, asyncio, got "trio"'),
]


@pytest.mark.parametrize(("arguments", "line"), MISTAKES, ids=[" ".join(map(ascii, row[0])) for row in MISTAKES])
def test_a_mistake_is_one_line_and_status_2(arguments, line, tmp_path):
    done = run(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"fastfile: {line}\n")


def test_a_wrong_variable_and_a_wrong_file_are_status_2(tmp_path):
    done = run(folder=tmp_path, FASTFILE_PORT="http")
    line = 'fastfile: --port (from FASTFILE_PORT): expected a number from 0 to 65535, got "http"\n'
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
    (tmp_path / "fastfile.toml").write_text("portt = 80")
    done = run(folder=tmp_path)
    assert done.stderr == "fastfile: portt (from fastfile.toml): no such option; did you mean port?\n"
    assert (done.returncode, done.stdout) == (2, "")


def test_a_folder_that_is_not_there_is_one_line_and_status_1(tmp_path):
    done = run("nowhere", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "fastfile: nowhere: no such folder or file\n")


MISSPELT = [("dits", "dist"), ("./dits", "./dist"), ("sub/on", "sub/one"), ("chekc", "check"), ("helpp", "--help")]


@pytest.mark.parametrize(("word", "meant"), MISSPELT, ids=[word for word, _ in MISSPELT])
def test_what_may_have_been_meant_by_a_folder_that_is_not_there_is_said(word, meant, tmp_path):
    (tmp_path / "dist").mkdir()
    (tmp_path / "sub" / "one").mkdir(parents=True)
    done = run(word, folder=tmp_path)
    assert done.stderr == f"fastfile: {word}: no such folder or file; did you mean {meant}?\n"


@pytest.mark.parametrize("spelling", BY_SPELLING)
def test_the_error_for_an_option_of_another_server_names_the_equivalent(spelling):
    with pytest.raises(ConfigError, match="no such option; ") as raised:
        parse_arguments(USAGE, [spelling, "dist"])
    flags = {f"--{word}" for option in OPTIONS for word in (option.key, f"no-{option.key}")} | {"--version"}
    assert set(re.findall(r"(?<=[ ,])--(?!to )[a-z-]+", str(raised.value))) <= flags


def test_a_name_that_is_no_text_is_one_line_too(tmp_path):
    done = run(os.fsdecode(b"\xff\n"), folder=tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (1, "fastfile: \\udcff\\n: no such folder or file\n")


# Arguments

ARGUMENTS = [
    ([], {}),
    (["dist"], {"directory": ["dist"]}),
    (["--port", "1", "dist", "--host"], {"port": ["1"], "directory": ["dist"], "host": ["true"]}),
    (["--host", "dist"], {"host": ["true"], "directory": ["dist"]}),
    (["-p1", "-w", "auto", "-b::1"], {"port": ["1"], "workers": ["auto"], "bind": ["::1"]}),
    (["-q", "dist"], {"quiet": ["true"], "directory": ["dist"]}),
    (["-qp1"], {"quiet": ["true"], "port": ["1"]}),
    (["--port=1", "--port=2"], {"port": ["1", "2"]}),
    (["--listing", "--no-listing"], {"listing": ["false"]}),
    (["--", "-dir"], {"directory": ["-dir"]}),
    (["-d", "dist"], {"directory": ["dist"]}),
    (["--directory=8080"], {"directory": ["8080"]}),
    (["8080"], {"port": ["8080"]}),
    (["8080", "-d", "dist", "-b", "::"], {"port": ["8080"], "directory": ["dist"], "bind": ["::"]}),
    (["-d", "dist", "8080"], {"port": ["8080"], "directory": ["dist"]}),
    (["-p1", "8080"], {"port": ["1"], "directory": ["8080"]}),
    (["--spa", "dist"], {"spa": ["index.html"], "directory": ["dist"]}),
    (["8081", "dist"], {"port": ["8081"], "directory": ["dist"]}),
    (["dist", "8081"], {"port": ["8081"], "directory": ["dist"]}),
    (["dist", "--spa", "8081"], {"port": ["8081"], "directory": ["dist"], "spa": ["index.html"]}),
    (["--host", "0.0.0.0"], {"bind": ["0.0.0.0"]}),
    (["--host", "::", "dist"], {"bind": ["::"], "directory": ["dist"]}),
    (["--host", "localhost"], {"bind": ["localhost"]}),
    (["--host=192.168.1.7", "8081"], {"bind": ["192.168.1.7"], "port": ["8081"]}),
    (["--host=true"], {"host": ["true"]}),
    (["--no-spa", "--no-mount"], {"spa": [], "mount": []}),
]

WORDS = [
    (["serve", "dist"], ["dist"]),
    (["serve"], []),
    (["help"], ["--help"]),
    (["help", "check"], ["check", "--help"]),
    (["help", "me"], ["--help"]),
    (["version"], ["--version"]),
    (["dist", "serve"], ["dist", "serve"]),
]


@pytest.mark.parametrize(("argv", "read"), WORDS, ids=[" ".join(argv) for argv, _ in WORDS])
def test_words_of_other_programs_are_read_unless_a_folder_has_the_name(argv, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.translate_word(argv) == read
    for word in ("serve", "help", "version"):
        (tmp_path / word).mkdir()
    assert cli.translate_word(argv) == argv


def test_two_folders_or_two_numbers_are_too_many(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for argv in (["a", "b"], ["1", "2", "a"], ["a", "1", "b"]):
        with pytest.raises(ConfigError, match="expected one folder"):
            parse_arguments(USAGE, argv)


NOT_NEAR = ["--nosuch", "--zzz", "--no"]


@pytest.mark.parametrize("word", NOT_NEAR)
def test_a_word_that_is_like_no_option_suggests_none(word):
    with pytest.raises(ConfigError) as caught:
        parse_arguments(USAGE, [word])
    assert str(caught.value) == f"{word} (from the command line): no such option"


@pytest.mark.parametrize(("argv", "texts"), ARGUMENTS, ids=[" ".join(row[0]) or "nothing" for row in ARGUMENTS])
def test_arguments_are_texts_by_option(argv, texts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dist").mkdir()
    assert parse_arguments(USAGE, argv) == texts


PARSED_HERE = [
    "dist",
    "",
    "-p",
    "--port",
    "--port=1",
    "--port=",
    "--listing",
    "--host=a=b",
    "-d",
    "--directory=x",
    "--qr",
]
PARSED_BY_ARGPARSE = ["-", "--", "-p1", "-p=1", "--no-listing", "--listing=on", "--nosuch", "-5", "-h"]


def test_simple_command_lines_are_parsed_as_argparse_parses_them():
    parsed = 0
    for count in (1, 2, 3):
        for argv in itertools.product(PARSED_HERE, repeat=count):
            simple = maybe_parse(USAGE, argv)
            assert simple is None or simple == parse_any(USAGE, argv), argv
            parsed += simple is not None
    assert parsed > 300


@pytest.mark.parametrize("argument", PARSED_BY_ARGPARSE)
def test_any_other_command_line_is_left_to_argparse(argument):
    assert maybe_parse(USAGE, ["dist", argument]) is None
    assert maybe_parse(USAGE, [argument, "dist"]) is None
    assert maybe_parse(USAGE, ["--port", argument]) is None


def test_a_number_that_names_a_folder_is_that_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "2024").mkdir()
    assert parse_arguments(USAGE, ["2024"]) == {"directory": ["2024"]}


def test_options_are_not_abbreviated():
    with pytest.raises(ConfigError, match="did you mean --listing"):
        parse_arguments(USAGE, ["--listin"])


# The banner


def make_facts(**changes):
    facts = Facts(root_path="./dist", endpoints=[LOCAL], lan=[], workers=1, loop="uvloop", kernels="compiled kernels")
    return facts._replace(**changes)


def test_the_banner_says_what_where_and_by_what():
    assert make_banner(make_facts(workers=4), colour=False) == (
        "\n"
        f"  fastfile {__version__}  serving ./dist\n"
        "\n"
        "  Local:    http://localhost:8000/\n"
        "  4 workers · uvloop · compiled kernels\n"
        "  Press Ctrl+C to stop\n"
        "\n"
    )


def test_the_first_url_of_the_banner_is_that_of_the_site(tmp_path):
    with ServerProcess(["--proxy", "/api=http://localhost:3000/v1", "--proxy", "/ws=3001", str(tmp_path)]) as server:
        lines = [line.strip() for line in server.stdout.splitlines() if "http://" in line]
    assert lines == [
        f"Local:    http://localhost:{server.port}/",
        "Proxy:    /api -> http://localhost:3000/v1",
        "Proxy:    /ws -> http://localhost:3001",
    ]


URLS = [
    ("port 80 is left out", [Endpoint("localhost", 80)], ["Local: http://localhost/"]),
    ("both loopback addresses", [Endpoint("localhost", 81)], ["Local: http://localhost:81/"]),
    ("one of them: localhost may be another server", [Endpoint("127.0.0.1", 81)], ["Local: http://127.0.0.1:81/"]),
    ("IPv6 loopback", [Endpoint("::1", 81)], ["Local: http://[::1]:81/"]),
    ("another loopback address", [Endpoint("127.0.0.2", 81)], ["Local: http://127.0.0.2:81/"]),
    ("an address of the network", [Endpoint("192.168.1.9", 81)], ["Network: http://192.168.1.9:81/"]),
    ("an IPv6 address has brackets", [Endpoint("2001:db8::5", 81)], ["Network: http://[2001:db8::5]:81/"]),
    (
        "all interfaces, IPv4",
        [Endpoint("0.0.0.0", 81)],
        ["Local: http://127.0.0.1:81/", "Network: http://192.168.1.20:81/"],
    ),
    (
        "all interfaces, both families",
        [Endpoint("::", 81)],
        ["Local: http://localhost:81/", "Network: http://192.168.1.20:81/", "Network: http://[2001:db8::2]:81/"],
    ),
    (
        "a Unix socket",
        [Endpoint("", 0, "/run/web.sock")],
        ["Socket: /run/web.sock (curl --unix-socket /run/web.sock http://localhost/)"],
    ),
]


@pytest.mark.parametrize(("endpoints", "lines"), [row[1:] for row in URLS], ids=[row[0] for row in URLS])
def test_the_banner_s_urls(endpoints, lines):
    banner = make_banner(make_facts(endpoints=endpoints, lan=["192.168.1.20", "2001:db8::2"]), colour=False)
    assert [" ".join(line.split()) for line in banner.splitlines()[3 : 3 + len(lines)]] == lines
    assert banner.splitlines()[3 + len(lines)] == "  1 worker · uvloop · compiled kernels"


def test_the_banner_tells_notices_and_files_of_settings():
    facts = make_facts(notices=["port 8000 is in use; serving on 8001"], files=["fastfile.toml"])
    lines = make_banner(facts, colour=False).splitlines()
    assert lines[3] == "  port 8000 is in use; serving on 8001"
    assert lines[5] == "  Settings: fastfile.toml"


def test_a_folder_s_name_cannot_paint_the_terminal():
    banner = make_banner(make_facts(root_path="a\x1b[2J\nb"), colour=False)
    assert r"serving a\x1b[2J\nb" in banner
    assert "\x1b" not in banner


def test_colour_adds_nothing_but_colour():
    painted = make_banner(make_facts(), colour=True)
    for code in ("\x1b[1;32m", "\x1b[1m", "\x1b[36m", "\x1b[2m", "\x1b[0m"):
        assert code in painted
        painted = painted.replace(code, "")
    assert painted == make_banner(make_facts(), colour=False)


def test_lan_addresses_are_addresses_that_others_can_reach():
    found = lan_addresses()
    assert len(found) == len(set(found))
    for endpoint in map(ipaddress.ip_address, found):
        assert not any((endpoint.is_loopback, endpoint.is_link_local, endpoint.is_unspecified))


# Where the banner goes


def announce():
    cli.announce(Config(), "./dist", [LOCAL], ["a notice"])


def test_the_banner_is_flushed_and_without_colour_if_it_is_not_on_a_terminal(capfd):
    announce()
    out = capfd.readouterr().out
    assert "serving ./dist" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["a terminal", "NO_COLOR empty", "NO_COLOR", "a dumb terminal"],
)
def test_the_banner_is_coloured_on_a_terminal(environ, coloured, monkeypatch):
    for name, value in ({"TERM": "xterm"} | environ).items():
        monkeypatch.setenv(name, value)
    if "NO_COLOR" not in environ:
        monkeypatch.delenv("NO_COLOR", raising=False)
    master, terminal = pty.openpty()
    with os.fdopen(master, "rb", buffering=0) as screen, os.fdopen(terminal, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        announce()
        shown = screen.read(4096)
    assert b"serving" in shown
    assert (b"\x1b[" in shown) == coloured


def test_a_banner_that_ascii_cannot_write_is_written_with_escapes(monkeypatch):
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as pipe, os.fdopen(write_end, "w", encoding="ascii") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        announce()
        stdout.close()
        assert b"1 worker - " in pipe.read()


def test_a_pipe_that_is_full_does_not_hold_up_the_server():
    imports = "from fastfile.cli.main import announce; from fastfile.config.config import Config"
    program = f"{imports}; announce(Config(), '.', [], [])"
    environ = ENVIRON | {"PYTHONPATH": str(CHECKOUT)}
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb"), os.fdopen(write_end, "wb", buffering=0) as stdout:
        os.set_blocking(write_end, False)
        while stdout.write(b"x" * 4096):
            pass
        os.set_blocking(write_end, True)
        subprocess.run([sys.executable, "-c", program], env=environ, stdout=stdout, check=True, timeout=TIMEOUT_S)


def test_a_pipe_without_a_reader_does_not_stop_the_server(monkeypatch):
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        announce()


@pytest.mark.parametrize("kind", ["none", "closed"])
def test_a_standard_output_that_is_gone_does_not_stop_the_server(kind, monkeypatch):
    stdout = None
    if kind == "closed":
        stdout = open(os.devnull, "w")  # noqa: SIM115
        stdout.close()
    monkeypatch.setattr(sys, "stdout", stdout)
    announce()


def test_help_imports_nothing_that_compiles_source_or_runs_a_server():
    program = "import sys; before = {*sys.modules}; import fastfile.cli.main; print(*{*sys.modules} - before)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    unwanted = {"argparse", "dataclasses", "inspect", "asyncio", "ssl", "fastfile.server.worker"}
    assert not unwanted & set(run.stdout.split())
