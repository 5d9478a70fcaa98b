"""The command line: run a server or a command; turn every failure into one line and an exit status.

0: the server ran, or the requested text was printed; 1: it could not start; 2: a wrong option. The server is imported
after the options are parsed, so ``--help`` and mistakes are quick.
"""

from __future__ import annotations

import gc
import os
import select
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from typing import TextIO

from fastfile import WHY_PURE, __version__
from fastfile.cli.arguments import Usage, make_help, parse_arguments
from fastfile.cli.help import BRIEF, COMMANDS, DEV_OPTIONS, USAGE
from fastfile.cli.layout import columns, fit
from fastfile.config.combinations import check_page, tell_useless
from fastfile.config.config import Config, Endpoint
from fastfile.config.folder import choose
from fastfile.config.load import load
from fastfile.config.users import with_users
from fastfile.errors import ConfigError, StartError, describe
from fastfile.http.target import encode_path
from fastfile.server import signals
from fastfile.terminal import BOLD, RED, is_unicode, paint, printable, wants_colour, write


def main(argv: Sequence[str] | None = None) -> int:
    """Run fastfile with ``argv`` (by default the process's arguments) and return its exit status."""
    _open_standard_descriptors()
    try:
        return _dispatch(sys.argv[1:] if argv is None else argv)
    except ConfigError as error:
        _report(str(error))
        return 2
    except StartError as error:
        _report(str(error))
    except OSError as error:
        _report(printable(describe(error)))
    except KeyboardInterrupt:
        return 130
    return 1


def _report(text: str) -> None:
    """Print an error."""
    stream = sys.stderr
    colour = stream is not None and wants_colour(stream.isatty())
    write(stream, f"{paint('fastfile:', colour, BOLD, RED)} {text}\n")


def make_version() -> str:
    """Return the text of ``--version``: Python, uvloop, whether the kernels are compiled, the sandbox, and TLS."""
    from fastfile.server.confinement.sandbox import describe_system

    python = ".".join(map(str, sys.version_info[:3]))
    uvloop = _uvloop_version()
    return (
        f"fastfile {__version__}\n"
        f"Python {python}, {f'uvloop {uvloop}' if uvloop else 'no uvloop'}\n"
        f"{describe_kernels()}\n"
        f"{describe_system()}\n"
        f"{_describe_tls()}\n"
    )


def describe_kernels() -> str:
    """Return whether the compiled extensions are in use, or why not."""
    return f"pure Python ({WHY_PURE}): slower" if WHY_PURE else "compiled kernels"


def _describe_tls() -> str:
    try:
        from fastfile.server.net.tls.channels import describe_channel
    except ImportError:
        return "no TLS: this Python has no module ssl"
    return describe_channel()


def _dispatch(argv: Sequence[str]) -> int:
    argv = translate_word(argv)
    if argv and argv[0] == "dev":
        return _run([*DEV_OPTIONS, *argv[1:]], import_module(COMMANDS["dev"]).USAGE)
    command = COMMANDS.get(argv[0]) if argv else None
    if command is None:
        return _run(argv)
    signals.release()
    module = import_module(command)
    gc.enable()  # off during the imports (__main__.py)
    status: int = module.main(argv[1:])
    return status


def translate_word(argv: Sequence[str]) -> Sequence[str]:
    """Translate a command word of other programs, unless it names a folder or file."""
    if not argv or argv[0] not in ("serve", "help", "version") or os.path.exists(argv[0]):
        return argv
    word, *rest = argv
    if word == "serve":
        return rest
    return [*rest[:1], "--help"] if rest and rest[0] in COMMANDS else [f"--{word}"]


def _run(argv: Sequence[str], usage: Usage = USAGE) -> int:
    given = parse_arguments(usage, argv)
    text = _maybe_text(given, usage)
    if text is not None:
        write(sys.stdout, text)
        return 0
    if "auth" in given:
        from fastfile.cli.redaction import hide

        hide(given["auth"])
    if "print_config" in given:
        del given["print_config"]
        from fastfile.config.show import make_printout

        write(sys.stdout, make_printout(load(given, os.environ)))
        return 0
    if "check_config" in given:
        del given["check_config"]
        return check_given(given)
    return serve_given(given)


def _maybe_text(given: dict[str, list[str]], usage: Usage) -> str | None:
    """Return the text that a switch prints; None to serve."""
    if "help" in given:
        return make_help(usage)
    if "h" in given:
        return fit(BRIEF, columns(sys.stdout))
    return make_version() if "version" in given else None


def read_settings(given: dict[str, list[str]], environ: Mapping[str, str]) -> tuple[Config, str, list[str]]:
    """Return the settings, the path of the root, and hints about them. Raises ConfigError and StartError."""
    config = load(given, environ)
    if config.run is not None and config.directory is not None and not os.path.lexists(config.directory):
        os.makedirs(config.directory)  # the command will fill it
    if config.location is not None:
        check_location(config, config.location)
    choice = choose(config, others=(*COMMANDS, "--help", "--version"))
    check_page(config, choice.path)
    hints = [*choice.notices, *tell_useless(config, choice.path)]
    if config.location is None:
        # Imported here, so that --help and mistakes are quick; the server needs its imports anyway.
        from fastfile.cli.unapplied import tell_unapplied

        hints += tell_unapplied(config, choice.path)
    return with_users(config, choice.path), choice.path, hints


def check_given(given: dict[str, list[str]]) -> int:
    """Check the settings as a start and a reload do, without binding; return 0. Raises ConfigError and StartError."""
    from fastfile.server.https.certificates import load_contexts, tell_unaccepted
    from fastfile.server.serve import preload

    config, root_path, hints = read_settings(given, os.environ)
    hints += preload(config)
    contexts = load_contexts(config) if config.tls_cert else None  # not that of --https, which would be made
    if contexts is not None:
        hints += tell_unaccepted(contexts)
    write(sys.stderr, "".join(f"fastfile: {printable(hint)}\n" for hint in hints))
    write(sys.stderr, f"fastfile: the settings are right; they serve {printable(root_path)}\n")
    return 0


def serve_given(given: dict[str, list[str]]) -> int:
    """Serve by the texts of the given options, the environment and a configuration file; return the exit status."""
    # A copy: a reload reads the same values. Without the credentials of a store, which workers must not have.
    environ = {name: text for name, text in os.environ.items() if name.startswith("FASTFILE_")}

    def read() -> tuple[Config, str]:
        config, path, hints[:] = read_settings(given, environ)
        return config, path

    hints: list[str] = []
    config, root_path = read()
    path = make_path(config, root_path)

    # Import these modules now, because the user of --user may not be able to read them.
    from fastfile.cli import banner  # noqa: F401
    from fastfile.server import lan  # noqa: F401
    from fastfile.server.serve import serve

    if config.open:
        from fastfile.cli.browser import open_browser
    if config.qr:
        from fastfile.cli.qr import check_qr

        check_qr()

    def on_ready(endpoints: Sequence[Endpoint], notices: Sequence[str], sandbox: str) -> None:
        if config.open:
            notices = [
                *notices,
                *filter(None, [open_browser(config, endpoints, path if config.open == "/" else config.open)]),
            ]
        if config.quiet:
            write(sys.stderr, "".join(f"fastfile: {printable(notice)}\n" for notice in notices))
        else:
            announce(config, root_path, endpoints, [*notices, *hints], sandbox)

    status = serve(config, root_path, on_ready, reread=read)
    if not config.quiet and sys.stdout is not None and sys.stdout.isatty():
        write(sys.stdout, "\n")  # so that the shell's prompt is not on the line of the terminal's ^C
    return status


def check_location(config: Config, text: str) -> None:
    """Raise ConfigError for a LOCATION that names no store."""
    from fastfile.releases.location import parse_location

    try:
        parse_location(text)
    except ValueError as error:
        raise ConfigError("LOCATION", config.source("directory"), str(error)) from None


def make_path(config: Config, root_path: str) -> str:
    """Return the URL path of the folder, with a slash at its end, or of the file."""
    base = "".join(f"/{part}" for part in (config.base or "").split("/") if part)
    if config.location is not None or os.path.isdir(root_path):
        return f"{base}/"
    return base or "/" + encode_path(os.fsencode(os.path.basename(root_path))).decode()


def announce(
    config: Config, root_path: str, endpoints: Sequence[Endpoint], notices: Sequence[str], sandbox: str = ""
) -> None:
    """Print the banner, unless standard output is closed or a full pipe: serving must not wait for it."""
    from fastfile.cli.banner import Facts, make_banner
    from fastfile.server.lan import lan_addresses

    facts = Facts(
        root_path=os.getcwd() if root_path == "." else root_path,
        endpoints=endpoints,
        lan=lan_addresses() if any(endpoint.is_wildcard for endpoint in endpoints) else (),
        workers=config.workers,
        loop="uvloop" if config.loop != "asyncio" and _uvloop_version() else "asyncio",
        kernels=describe_kernels(),
        notices=notices,
        files=config.files,
        sandbox=sandbox,
        path=make_path(config, root_path),
        proxies=[(upstream.prefix, upstream.url) for upstream in config.proxy],
    )
    stream = sys.stdout
    if _is_writable(stream):
        write(stream, make_banner(facts, wants_colour(stream.isatty()), columns(stream)))
        if config.qr and stream.isatty():
            from fastfile.cli.banner import network_url
            from fastfile.cli.qr import make_qr

            url = network_url(facts)
            write(stream, make_qr(url, is_unicode(stream)) if url else "")


def _uvloop_version() -> str:
    """Return the version of uvloop; empty if there is none for this Python.

    Importing it would take two thirds of the time of ``--version``.
    """
    spec = find_spec("uvloop")
    for folder in () if spec is None else spec.submodule_search_locations or ():
        # Finding the package is not enough, because a build for another Python does not load.
        if any(os.path.exists(os.path.join(folder, "loop" + suffix)) for suffix in EXTENSION_SUFFIXES):
            with open(os.path.join(folder, "_version.py"), encoding="utf-8") as source:
                return source.read().partition("__version__ = ")[2].partition("\n")[0].strip("'\"")
    return ""


def _open_standard_descriptors() -> None:
    """Open /dev/null for each closed standard descriptor, so that no socket or file gets its number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            os.set_inheritable(descriptor, True)


def _is_writable(stream: TextIO | None) -> bool:
    """Tell whether a short write will not block: a full pipe must not stop the server."""
    if stream is None or stream.closed:
        return False
    try:
        return bool(select.select([], [stream], [], 0)[1])
    except OSError:
        return True  # not a descriptor, as in a test
