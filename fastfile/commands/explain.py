"""``fastfile explain``: shows which steps lead to the response for a URL, hints for a 404, and the response's head.

The request goes through the same parser and application as a client's, without sockets.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from urllib.parse import quote, urljoin, urlsplit

from fastfile.application import add_gates, make_application, open_roots
from fastfile.cli.arguments import HELP, Usage, make_help, parse_arguments, read_values
from fastfile.clock import Clock
from fastfile.config.config import OPTIONS, Config
from fastfile.config.folder import resolve_directory
from fastfile.config.load import COMMAND_LINE, load
from fastfile.config.option import Option
from fastfile.config.values import Kind
from fastfile.errors import ConfigError, HTTPError
from fastfile.http.status import REASONS
from fastfile.message import Deferred, RequestHead, Response
from fastfile.parser import HeadParser
from fastfile.protocol.http2.constants import StreamFailure
from fastfile.records import NamedTuple
from fastfile.relayed import Relayed
from fastfile.responder import Responder, run_now
from fastfile.terminal import printable, write

INTRODUCTION = """\
Usage: fastfile explain URL [OPTIONS] [DIR]

Show which response a URL gets, and why: the steps that led to it, in order, and
the head of the response. Takes all OPTIONS of fastfile, and reads the same
configuration. Follows redirects on the same site.
"""
CONCLUSION = """\
Examples:
  fastfile explain /about ./dist
  fastfile explain /deep/route --spa
  fastfile explain /app.js --fetch -H 'Accept-Encoding: br'

Exit status: 0 for a response below 400, 1 for any other, 2 for a wrong option.
"""
MAX_HOPS = 10
BASE_URL = "http://localhost/"
# The headers that browsers send for a navigation, and for a part of a page.
NAVIGATION = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Sec-Fetch-Mode": "navigate",
}
FETCH = {"Accept": "*/*", "Sec-Fetch-Mode": "no-cors"}


def _parse_field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not text.isprintable():
        raise ValueError(text)
    return name.strip(), value.strip()


FIELD = Option(
    group="Request",
    name="field",
    kind=Kind("NAME: VALUE", _parse_field),
    default=(),
    metavar="'NAME: VALUE'",
    help="Send this request header too. Repeat it for more.",
    short="-H",
    repeatable=True,
)
USAGE = Usage(
    INTRODUCTION,
    (FIELD,),
    (
        ("--fetch", "Send the request that a page makes by fetch(), instead of a browser's navigation."),
        ("--http2", "Use HTTP/2, and show its pseudo-headers."),
        HELP,
    ),
    CONCLUSION,
    further=OPTIONS,
)


class Exchange(NamedTuple):
    """A request and its response. ``notes`` are the steps that led to the response, with their results."""

    is_http2: bool
    request: str
    notes: list[tuple[str, str]]
    response: Response


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status. Raises ConfigError and StartError."""
    arguments = parse_arguments(USAGE, argv[1:])
    if not argv or argv[0] in ("-h", "--help") or "help" in arguments:
        write(sys.stdout, make_help(USAGE))
        return 0
    url = _read_url(argv[0])
    is_http2 = bool(arguments.pop("http2", None))
    fields = {**(FETCH if arguments.pop("fetch", None) else NAVIGATION), "Accept-Encoding": "gzip, deflate, br, zstd"}
    fields |= dict(read_values(USAGE, arguments)[FIELD.name])
    arguments.pop(FIELD.name, None)  # the others are options of the server
    config = load(arguments, os.environ)
    explainer = Explainer(config, resolve_directory(config))
    exchanges = explainer.follow(url, fields, is_http2)
    explainer.close()
    write(sys.stdout, "\n".join(make_text(exchange) for exchange in exchanges))
    return 0 if exchanges[-1].response.status < 400 else 1


def _read_url(text: str) -> str:
    """Return a URL, or the URL of a path on this machine. Raises ConfigError for other text."""
    try:
        if not text.startswith("-"):
            return urljoin(BASE_URL, text)
    except ValueError:  # brackets without an IPv6 address
        pass
    raise ConfigError("URL", COMMAND_LINE, f'expected a URL or a path first, got "{printable(text)}"')


class Explainer:
    """Sends requests to an application and collects the notes of its steps. Owns the roots of ``mount_points``."""

    def __init__(self, config: Config, root_path: str) -> None:
        self._notes: list[tuple[str, str]] = []
        self._failures: list[BaseException] = []
        self._limits = config.parser_limits
        self._clock = Clock()
        self.mount_points = open_roots(config, os.fsencode(root_path))
        log_failure = self._failures.append
        handler = make_application(config, self.mount_points, self._clock, log_failure, note=self._note, say=_complain)
        inner: Responder = handler
        if config.proxy:
            # Imported here: only this option needs it.
            from fastfile.middleware.proxy import Proxy, forward_nothing

            inner = Proxy(handler, config, forward_nothing, self._note)
        self._application = add_gates(inner, config, self._clock, log_failure)

    def close(self) -> None:
        for mount_point in self.mount_points:
            mount_point.root.close()

    def _note(self, step: str, subject: bytes) -> None:
        self._notes.append((step, printable(os.fsdecode(subject))))

    def follow(self, url: str, fields: dict[str, str], is_http2: bool = False) -> list[Exchange]:
        """Return the exchanges up to the first that is not a redirect within the site."""
        exchanges: list[Exchange] = []
        seen: set[str] = set()
        while True:
            exchange = self.ask(url, fields, is_http2)
            exchanges.append(exchange)
            seen.add(url)
            location = location_of(exchange.response)
            if location is None:
                return exchanges
            next_url = urljoin(url, location)
            if urlsplit(next_url).netloc != urlsplit(url).netloc:
                return exchanges
            if next_url in seen or len(exchanges) > MAX_HOPS:
                exchange.notes.append(("LOOP", f"{printable(location)} was already requested"))
                return exchanges
            url = next_url

    def ask(self, url: str, fields: dict[str, str], is_http2: bool = False) -> Exchange:
        """Return the exchange for one request."""
        parts = urlsplit(url)
        # As in a browser: bytes that a request cannot contain are encoded, escapes stay unchanged.
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        if parts.query:
            target += "?" + quote(parts.query, safe="/?%:@!$&'()*+,;=~-._[]|\\^`{}")
        self._notes = []
        self._clock.begin_batch()
        try:
            head = self._read_head(target, parts.netloc, parts.scheme, fields, is_http2)
        except HTTPError as error:
            response: Response | Deferred = self._application.refuse(error, None)
        else:
            response = self._application.respond(head)
        while isinstance(response, Deferred):
            response = response.finish(run_now(response.work))
        if self._failures:
            raise self._failures[0]
        self._add_hint(response.status, urlsplit(url).hostname or "")
        request = f"GET {target}"
        if is_http2:
            request = f":method: GET\n:scheme: {parts.scheme}\n:authority: {printable(parts.netloc)}\n:path: {target}"
        return Exchange(is_http2, request, self._notes, response)

    def _read_head(
        self, target: str, authority: str, scheme: str, fields: dict[str, str], is_http2: bool
    ) -> RequestHead:
        """Return the head as a connection reads it. Raises HTTPError."""
        if is_http2:
            from fastfile.protocol.http2.heads import HeadReader
            from fastfile.protocol.http2.hpack import encode_field

            pseudo = ((":method", "GET"), (":scheme", scheme), (":authority", authority), (":path", target))
            pairs = (*pseudo, *((name.lower(), value) for name, value in fields.items()))
            reader = HeadReader(self._limits)
            try:
                head = reader.read(b"".join(encode_field(name.encode(), value.encode()) for name, value in pairs))
            except StreamFailure:
                raise HTTPError(400, "HTTP/2 has no such request.") from None
            if reader.refusal is not None:
                raise reader.refusal
            return head
        lines = [f"GET {target} HTTP/1.1", f"Host: {authority}", *(f"{name}: {fields[name]}" for name in fields)]
        wire = "".join(line + "\r\n" for line in lines).encode() + b"\r\n"
        parsed = HeadParser(self._limits).parse(bytearray(wire), 0, len(wire))
        assert parsed is not None
        return parsed

    def _add_hint(self, status: int, name: str) -> None:
        """Note why no site serves the request."""
        if status == 421:
            text = f"The server rejects requests for {name}. --allowed-host {name} allows them."
            self._notes.append(("hint", printable(text)))


def _complain(text: str) -> None:
    write(sys.stderr, f"fastfile: {text}\n")


def location_of(response: Response) -> str | None:
    """Return the destination of a redirect."""
    if not 300 <= response.status < 400:
        return None
    for name, value in response.fields:
        if name.lower() == b"location":
            return value.decode("latin-1")
    return None


# The user's words for steps with another name.
WORDS = {"absence": "not found", "app": "fallback"}


def make_text(exchange: Exchange) -> str:
    """Return an exchange as text."""
    steps = "".join(f"  {WORDS.get(step, step):<10} {subject or '.'}\n" for step, subject in exchange.notes)
    # A site may set fields with any byte except ASCII control characters. Terminals obey more than those (ECMA-48).
    response = exchange.response
    fields = [f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in response.fields]
    lines = [f"HTTP/1.1 {response.status} {REASONS[response.status]}", *fields]
    if exchange.is_http2:
        lines = [
            f":status: {response.status}",
            *(f"{name.decode('latin-1').lower()}: {value.decode('latin-1')}" for name, value in response.fields),
        ]
    if isinstance(response, Relayed) and response.status == 200:
        lines = [f"{response.upstream.decode()} sends the response."]
    head = "".join([printable(line) + "\n" for line in lines])
    return f"{exchange.request}\n{steps}\n{head}"
