"""A server as a child process: the command's supervisor and workers, in their sandbox, for a Python program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import IO, Any, Self, Unpack

import fastfile
from fastfile.embedding.files import logger
from fastfile.embedding.options import ProcessOptions
from fastfile.embedding.request_log import Request
from fastfile.embedding.running import RunningServer, check_host
from fastfile.embedding.settings import Directory, find_root, make_config, make_texts, name_directory, name_port
from fastfile.errors import StartError

GRACE_S = 0.2  # a program that stops its server does not wait for clients; the command gives more
START_S = 60.0  # far more than a start takes, so reaching it is a failure, not a slow machine
END_S = 5.0  # beyond the grace
# The path of the package comes last, so that it hides no module of Python.
CODE = "import sys; sys.path.append(sys.argv[1]); from fastfile.embedding.child import main; sys.exit(main())"


class ProcessServer(RunningServer):
    """Serves a folder, or one file, at ``host`` and ``port``, in processes; port 0 takes a free one.

    The options are those of the command line, including ``workers``, ``https`` and ``proxy``. The processes end when
    the server is stopped, and when this process ends in any way. ``requests`` comes from their log, so a request may
    appear 0.1 s after its response. Raises the same errors as Server.
    """

    def __init__(
        self, directory: Directory, *, host: str = "127.0.0.1", port: int = 0, **options: Unpack[ProcessOptions]
    ) -> None:
        source = f"{type(self).__name__}()"
        check_host(host, source)
        texts = make_texts(options, ProcessOptions.__annotations__, source)
        texts["directory"] = name_directory(directory, source)
        texts |= {"bind": [host], "port": name_port(port, source)}
        config, root_path = find_root(make_config(texts, source, grace=GRACE_S))
        super().__init__(config, root_path, config.bind.strip("[]"), config.port)
        self._texts = {**texts, "directory": [root_path], "grace": [str(config.grace)]}
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._started = threading.Event()
        self._problem = ""

    @property
    def pid(self) -> int:
        """The process of the supervisor. Raises RuntimeError if the server does not run."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    def start(self) -> Self:
        """Start the processes, wait until they serve, and return the server. Raises StartError."""
        if self._process is not None:
            return self
        package = os.path.dirname(os.path.dirname(os.path.abspath(fastfile.__file__)))
        process = self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", CODE, package],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # the interrupt of a terminal is for the program, which then ends the server
        )
        self._note_start()
        self._started.clear()
        self._problem = ""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(self._texts).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: the reader finds out why
        self._reader = threading.Thread(target=self._read, args=(process.stdout,), name="fastfile", daemon=True)
        self._reader.start()
        if not self._started.wait(START_S) or not self._port:
            problem = self._problem or "the server process did not start"
            self.stop()
            raise StartError(problem)
        return self

    def stop(self) -> None:
        """Stop the processes, and free the port; transfers get the grace period. Does nothing afterwards."""
        process, self._process = self._process, None
        if process is None:
            return
        self._note_stop()
        assert process.stdin is not None
        process.stdin.close()
        process.terminate()
        try:
            process.wait(self._config.grace + END_S)
        except subprocess.TimeoutExpired:
            process.kill()  # its workers notice, and end
            process.wait()
        assert self._reader is not None
        self._reader.join(END_S)
        assert process.stdout is not None
        process.stdout.close()

    def abandon(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            os.close(process.stdin.fileno())
            process.returncode = 0  # it is no child of this process
            _abandoned.append(process)

    def _read(self, stdout: IO[bytes]) -> None:
        """Read the processes' output: that they are ready, or the problem, then a line for each request."""
        for line in stdout:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if "port" in said:
                self._port = said["port"]
                self._started.set()
            elif "problem" in said:
                self._problem = said["problem"]
            elif said.get("target") is not None:
                self.requests.add(_make_request(said))
        self._started.set()
        if self._process is not None and self._port:
            logger.error("the server process has ended")


def _make_request(said: dict[str, Any]) -> Request:
    known = (("host", "host"), ("referer", "referer"), ("user-agent", "user_agent"))
    headers = {name: said[key] for name, key in known if said.get(key) is not None}
    return Request(said["method"], said["target"], said["status"], headers)


_abandoned: list[object] = []  # what a forked child has of its parent's processes, and must not wait for
