"""The exceptions of fastfile. Owns their meaning; imports nothing of fastfile."""

from __future__ import annotations

from collections.abc import Callable


class HTTPError(Exception):
    """An unsuccessful response to the client; the handler turns it into a response.

    ``detail`` is one sentence for the client; it never contains a path of this machine or a system message. ``fields``
    are further field lines as (name, value) pairs, such as ``Allow`` of a 405.
    """

    def __init__(self, status: int, detail: str, fields: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.fields = fields


class BadRequest(HTTPError):
    """A message with untrustworthy framing: one response, then the connection closes (RFC 9112 §2.2, §6.3)."""


class Postponed(Exception):
    """A response needs work first: run ``job`` in a thread, then look the target up again."""

    def __init__(self, job: Callable[[], None]) -> None:
        super().__init__()
        self.job = job


# Messages of several modules. They are made again each time: an exception object keeps the frames of all its raises.


def make_not_found(fields: tuple[tuple[bytes, bytes], ...] = ()) -> HTTPError:
    """Return the 404 for every reason why nothing is found: a client cannot distinguish them."""
    return HTTPError(404, "There is nothing at this URL.", fields)


def make_failure() -> HTTPError:
    """Return the 500 for a bug in fastfile."""
    return HTTPError(500, "The server failed to handle this request.")


def make_unavailable(detail: str) -> HTTPError:
    """Return a 503 for a failure that will be over soon (RFC 9110 §15.6.4)."""
    return HTTPError(503, detail, ((b"Retry-After", b"1"),))


def make_busy() -> HTTPError:
    """Return the 503 for a request that waited for a thread in vain."""
    return make_unavailable("The server is busy; try again in a moment.")


def make_too_slow() -> HTTPError:
    """Return the 408 for a request that stopped arriving."""
    return HTTPError(408, "The request took too long to arrive.")


def make_too_large() -> HTTPError:
    """Return the 413 for a body over --limit-body."""
    return HTTPError(413, "The request body is too large.")


def make_unexpected() -> HTTPError:
    """Return the 417 for an Expect other than 100-continue (RFC 9110 §10.1.1)."""
    return HTTPError(417, "The only supported expectation is 100-continue.")


class ConfigError(ValueError):
    """A setting that cannot be used: which one, where it came from, what was expected. Exit status 2."""

    def __init__(self, option: str, source: str, problem: str) -> None:
        super().__init__(f"{option} (from {source}): {problem}")
        self.option = option
        self.source = source
        self.problem = problem


class ConfigTypeError(ConfigError, TypeError):
    """A setting of a type that it cannot have."""


class StartError(Exception):
    """The server cannot start; the message is one line. Exit status 1."""


class Unreadable(StartError):
    """A file that this process has no permission to read, for example after a switch to another user."""


def tell_missing(*packages: str) -> str:
    """Return that packages of an extra are missing, and what to do.

    They are named one by one, because ``pip install fastfile[extra]`` asks an index for the package of that name.
    """
    # Imported here: few starts need it.
    from fastfile.installing import install_command

    verb = "is" if len(packages) == 1 else "are"
    return f"{' and '.join(packages)} {verb} not installed; run: {install_command(packages)}"


def describe(error: OSError) -> str:
    """Return a system error for users: the file, if there was one, and the reason."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason
