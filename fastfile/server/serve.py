"""The life of a server in order: bind, drop privileges, run the supervisor, close."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from fastfile.config.config import Config
from fastfile.errors import StartError, tell_missing
from fastfile.server.confinement.privileges import drop_privileges
from fastfile.server.confinement.sandbox import rehearse
from fastfile.server.https.certificates import load_contexts, load_contexts_again, tell_unaccepted
from fastfile.server.log.error import ErrorLog
from fastfile.server.net.bind import Listening, adopt, listen
from fastfile.server.resources import Plan, tell_few_descriptors
from fastfile.server.supervisor import OnReady, Supervisor
from fastfile.server.systemd import Manager, take_sockets

if TYPE_CHECKING:
    from fastfile.server.following.follower import FollowerProcess
    from fastfile.server.metrics.endpoint import Metering
    from fastfile.server.net.tls.contexts import Contexts
    from fastfile.server.run_command import Command

# Settings that take effect only at the start (bound sockets, dropped privileges) and cannot change afterwards.
FIXED = ("bind", "port", "host", "socket_mode", "metrics", "redirect_http", "user", "group", "run", "location")
FIXED_OF_LOCATION = ("release", "store_cache", "store_poll")

# Returns the current settings and the path of the root. Raises ConfigError or StartError.
Reread = Callable[[], tuple[Config, str]]


def serve(config: Config, root_path: str, on_ready: OnReady, reread: Reread | None = None) -> int:
    """Serve until told to stop, and return the exit status. Raises StartError if it cannot begin.

    ``reread`` is called at each reload; without it the settings stay the same.
    """

    def make_plan(current: Plan) -> Plan:
        new, path = reread() if reread is not None else (config, root_path)
        check_fixed(config, new)
        preload(new)
        contexts = load_contexts_again(new, current, errors.say)
        root = os.fsencode(path) if follower is None else follower.link
        return current._replace(config=listening.adapt(new), root_path=root, contexts=contexts)

    notices = [*preload(config), *tell_few_descriptors(config)]
    if not gc.isenabled():  # off during the imports (__main__.py)
        gc.freeze()  # what they made stays: to look at it would take a thirtieth of the time of a start
        gc.enable()
    if config.live:
        from fastfile.dev.watcher import describe_watching

        notices.append(describe_watching([root_path, *(folder for _, folder in config.mount)], config.watch_poll))
    contexts = load_contexts(config)
    rehearse()
    with ExitStack() as stack:
        errors = stack.enter_context(closing(ErrorLog()))
        manager = stack.enter_context(closing(Manager(os.environ)))
        taken = take_sockets(os.environ)
        listening = stack.enter_context(closing(adopt(taken) if taken else listen(config)))
        listening.notices += notices
        redirecting = None if contexts is None else secure(listening, contexts, config)
        if redirecting is not None:
            stack.callback(redirecting.close)
        metering = None if config.metrics is None else begin_metering(config, config.metrics)
        if metering is not None:
            stack.callback(metering.listening.close)
            # Without a scheme, because programs take the first URL of the banner for that of the site.
            listening.notices.append(f"metrics: /metrics at {metering.listening.shown()}")
        if config.auth and contexts is None and not all(endpoint.is_near for endpoint in listening.endpoints):
            listening.notices.append("--auth without TLS: passwords cross the network unencrypted (docs/auth.md)")
        drop_privileges(config, root_path if config.location is None else os.sep)
        follower = begin_following(config, errors)
        if follower is not None:
            stack.callback(follower.stop)
        command = begin_command(config)
        if command is not None:
            stack.callback(command.stop)
        report = None if command is None else command.report
        root = os.fsencode(root_path) if follower is None else follower.link
        plan = Plan(listening.adapt(config), root, contexts, report)
        return Supervisor(plan, make_plan, listening, errors, manager, metering, on_ready, redirecting, follower).run()


def check_fixed(before: Config, after: Config) -> None:
    """Raise StartError if settings differ that cannot change while the server runs."""
    for name in FIXED if after.location is None else (*FIXED, *FIXED_OF_LOCATION):
        if getattr(before, name) != getattr(after, name):
            flag = "LOCATION" if name == "location" else f"--{name.replace('_', '-')}"
            raise StartError(f"{flag} cannot change while the server runs: restart it for that")
    if before.is_secure != after.is_secure:
        raise StartError("HTTPS cannot be switched on or off while the server runs: restart it for that")


def secure(listening: Listening, contexts: Contexts, config: Config) -> Listening | None:
    """Speak TLS on the sockets; return those of --redirect-http, if there are any. Raises StartError."""
    redirecting = listen_for_redirects(config, listening)
    listening.secure()
    listening.notices += tell_unaccepted(contexts)
    if contexts.local is not None:
        listening.notices += contexts.local.notices
    if redirecting is not None:
        listening.notices.append(f"plain HTTP at {redirecting.shown()} is redirected to HTTPS")
    return redirecting


def begin_following(config: Config, errors: ErrorLog) -> FollowerProcess | None:
    """Start the process that follows the releases of a LOCATION; None without one."""
    if config.location is None:
        return None
    from fastfile.server.following.follower import start_follower

    return start_follower(config, config.location, errors.say)


def begin_command(config: Config) -> Command | None:
    """Start the command of --run; None without the option."""
    if config.run is None:
        return None
    from fastfile.server.run_command import Command

    command = Command(config.run)
    command.start()
    return command


def begin_metering(config: Config, endpoint: str) -> Metering:
    """Bind the address of --metrics, and make the counters. Raises StartError when that fails."""
    from fastfile.server.metrics.endpoint import Board, Metering

    return Metering(Board(), listen_for_metrics(config, endpoint))


def listen_for_metrics(config: Config, endpoint: str) -> Listening:
    """Bind the address of --metrics. Raises StartError when that fails."""
    host, _, port = endpoint.rpartition(":")
    if endpoint.startswith("unix:"):
        host, port = endpoint, "0"
    if host.lower() == "localhost":
        host = "127.0.0.1"  # one socket, because Prometheus needs one address
    try:
        return listen(config.replace(bind=host.strip("[]"), port=int(port), host=False, workers=1, strict_port=True))
    except StartError as error:
        advice = str(error).replace("with --port, or --port 0 for any free one", "with --metrics")
        raise StartError(f"--metrics: {advice}") from None


def listen_for_redirects(config: Config, listening: Listening) -> Listening | None:
    """Return the sockets of --redirect-http: those of a service manager, else bound like the server's; None without it.

    Raises StartError.
    """
    if config.redirect_http is None:
        return None
    if (given := listening.split(config.redirect_http)) is not None:
        if not listening.sockets:
            given.close()
            raise StartError(f"--redirect-http {config.redirect_http}: the service manager passed no socket for HTTPS")
        return given
    if config.bind.startswith("unix:"):
        return None
    try:
        return listen(config.replace(port=config.redirect_http, workers=1, strict_port=True))
    except StartError as error:
        raise StartError(f"--redirect-http: {str(error).replace('--port', '--redirect-http')}") from None


def preload(config: Config) -> list[str]:
    """Import, before the fork, modules that sandboxed workers cannot import; return notices about them.

    Raises StartError if the loop of --loop is not installed.
    """
    if config.auth:
        from fastfile.middleware import auth  # noqa: F401
    if config.cors:
        from fastfile.middleware import cors  # noqa: F401
    if config.health:
        from fastfile.middleware import health  # noqa: F401
    if config.live:
        from fastfile.dev import live  # noqa: F401
        from fastfile.server.net import upgraded  # noqa: F401
    if config.proxy:
        from fastfile.middleware import proxy  # noqa: F401
        from fastfile.server.net.http1 import upload  # noqa: F401
        from fastfile.server.proxying import upstreams  # noqa: F401
    if config.rules != "off":
        from fastfile.rules import reload  # noqa: F401
        from fastfile.site.steps import rules  # noqa: F401
    if config.location is not None:
        from fastfile.server.following import asking, follower  # noqa: F401
        from fastfile.site.steps import followed  # noqa: F401
    if config.http != "1":
        from fastfile.server.net.http2 import connection  # noqa: F401

        if config.proxy:
            from fastfile.server.net.http2 import body  # noqa: F401
    if config.http == "2":
        from fastfile.middleware import http2  # noqa: F401
    if config.loop != "asyncio":
        try:
            import uvloop  # noqa: F401
        except ImportError:
            if config.loop == "uvloop":
                raise StartError(f"--loop uvloop: {tell_missing('uvloop')}; or --loop asyncio") from None
    if config.compress:
        from fastfile.site import compression  # noqa: F401
        from fastfile.storage.encoders import tell_what_is_missing

        return [notice] if (notice := tell_what_is_missing()) else []
    return []
