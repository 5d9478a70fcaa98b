"""Runs h2spec against the checkout's server, over plain TCP and over TLS: ``python tests/tools/h2spec.py``.

h2spec must be on PATH: ``go install github.com/summerwind/h2spec/cmd/h2spec@latest``.
FASTFILE_NO_EXTENSIONS=1 tests the interpreted sources.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.serverprocess import ServerProcess

# Bytes that are neither a preface nor HTTP/1.1 get a 400 of HTTP/1.1 where the port serves both. h2spec expects GOAWAY,
# which RFC 9113 §3.4 lets a server omit, because the client may not speak HTTP/2.
ARGUED = {False: {"Sends invalid connection preface"}, True: set()}
TIMEOUT_S = 600


def run_cases(port: int, is_secure: bool, report: Path) -> tuple[int, list[str]]:
    """Return the number of cases, and the descriptions of the failed ones."""
    command = ["h2spec", "--host", "127.0.0.1", "--port", str(port), "--strict", "--timeout", "5"]
    command += ["--junit-report", str(report)] + (["--tls", "--insecure"] if is_secure else [])
    subprocess.run(command, timeout=TIMEOUT_S, stdout=subprocess.DEVNULL, check=False)
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return len(cases), [case.attrib["classname"] for case in failed]


def main() -> int:
    if shutil.which("h2spec") is None:
        raise SystemExit("h2spec is not on PATH: go install github.com/summerwind/h2spec/cmd/h2spec@latest")
    status = 0
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site")
        site.mkdir()
        Path(site, "index.html").write_text("<p>hello</p>" * 40)
        for is_secure in (False, True):
            options = ["--https"] if is_secure else []
            with ServerProcess([*options, str(site)], env={"XDG_DATA_HOME": folder, "HOME": folder}) as server:
                count, failed = run_cases(server.port, is_secure, Path(folder, "report.xml"))
            unexpected = [case for case in failed if case not in ARGUED[is_secure]]
            shown = f"{'TLS' if is_secure else 'plain'}: {count} cases, {len(failed)} failed {failed}"
            sys.stdout.write(f"{shown}\n")
            if count < 146 or unexpected:
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
