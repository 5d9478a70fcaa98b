"""``serve()`` and ``run()``: a server for the time of a block, and the command from Python."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Unpack

from fastfile.embedding.options import ProcessOptions, RunOptions, ServerOptions
from fastfile.embedding.process_server import ProcessServer
from fastfile.embedding.server import Server
from fastfile.embedding.settings import Directory, make_config, make_texts, name_directory
from fastfile.server.signals import HANDLED

OF_PROCESSES = frozenset(ProcessOptions.__annotations__) - frozenset(ServerOptions.__annotations__)


def serve(
    directory: Directory, *, host: str = "127.0.0.1", port: int = 0, **options: Unpack[ProcessOptions]
) -> Server | ProcessServer:
    """Start a server for a folder, or for one file, and return it: for ``with``, ``async with``, or ``stop()``.

    Without options for processes, it is a Server, in a thread. With one, such as ``workers=4`` or ``https=True``, it
    is a ProcessServer. It accepts requests when serve() returns. Raises ConfigError and StartError.

    with fastfile.serve("dist", spa=True) as server:
        urllib.request.urlopen(server.url)
    """
    server = ProcessServer if OF_PROCESSES & options.keys() else Server
    return server(directory, host=host, port=port, **options).start()  # type: ignore[misc]


def run(directory: Directory | None = None, **options: Unpack[RunOptions]) -> int:
    """Serve until SIGINT or SIGTERM, like the command, and return its exit status.

    It also reads the environment and the configuration file, prints the banner, and takes every option. Without a
    folder it serves the first build folder. It forks its workers and handles signals, so call it in the main thread.
    Raises ConfigError and StartError.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("fastfile.run() handles signals: call it in the main thread, or use fastfile.serve()")
    from fastfile.cli.main import serve_given

    host = options.get("host")
    if isinstance(host, str) and host not in ("true", "false") and "bind" not in options:  # an address, as for serve()
        del options["host"]
        options["bind"] = host
    texts = make_texts(options, RunOptions.__annotations__, "run()")
    if directory is not None:
        texts["directory"] = name_directory(directory, "run()")
    make_config(texts, "run()")
    with _kept_process():
        return serve_given(texts)


@contextmanager
def _kept_process() -> Iterator[None]:
    """Restore the signals and the garbage collector."""
    handlers = {number: signal.getsignal(number) for number in HANDLED}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    wakeup_fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup_fd)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup_fd)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        gc.unfreeze()
