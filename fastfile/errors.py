"""The exceptions of fastfile. Owns their meaning; imports nothing of fastfile."""

from __future__ import annotations


class HTTPError(Exception):
    """An answer to the client other than success: the handler turns it into a response.

    ``detail`` is one sentence for the client; it never holds a path of this machine or a message of its system.
    ``fields`` are further field lines as (name, value) pairs, such as ``Allow`` of a 405.
    """

    def __init__(self, status: int, detail: str, fields: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.fields = fields


class BadRequest(HTTPError):
    """A message whose framing cannot be trusted: one answer, then the connection closes (RFC 9112 §2.2, §6.3)."""


# Messages of several modules. They are made again each time: an exception object keeps the frames of all its raises.


def make_not_found(fields: tuple[tuple[bytes, bytes], ...] = ()) -> HTTPError:
    """Return the 404 for whatever the reason is that nothing is there: a client cannot tell one from another."""
    return HTTPError(404, "There is nothing at this URL.", fields)


def make_failure() -> HTTPError:
    """Return the 500 for a bug of ours."""
    return HTTPError(500, "The server failed to handle this request.")


def make_unavailable(detail: str) -> HTTPError:
    """Return a 503 for what will soon be over (RFC 9110 §15.6.4)."""
    return HTTPError(503, detail, ((b"Retry-After", b"1"),))


class ConfigError(ValueError):
    """A setting that cannot be used: which one, where it came from, what was expected. Exit status 2."""

    def __init__(self, option: str, source: str, problem: str) -> None:
        super().__init__(f"{option} (from {source}): {problem}")
        self.option = option
        self.source = source
        self.problem = problem


class StartError(Exception):
    """The server cannot start, said in one line. Exit status 1."""


class Unreadable(StartError):
    """A file that this process has no permission to read, as after it has become another user."""


def describe(error: OSError) -> str:
    """Return what the system refused as users read it: the file, if it was one, and why."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason
