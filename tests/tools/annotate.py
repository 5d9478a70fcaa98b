"""Fails when a line that runs without the GIL calls into Python: a yellow line of `cython -a` in a nogil body.

It leaves the annotated sources as build/annotated/*.html, for a person to look at.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / "fastfile"
ANNOTATIONS = CHECKOUT / "build" / "annotated"
# A line of Cython's HTML: its score (0 is white: no call into Python), its number and its text.
ANNOTATED = re.compile(r'<pre class="cython line score-(\d+)"[^>]*>[^<]*<span class="">(\d+)</span>', re.ASCII)


def indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def nogil_lines(source: list[str]) -> Iterator[int]:
    """Yield the numbers of the lines in the bodies of nogil functions and of `with nogil` blocks."""
    opened_at: int | None = None  # the indentation of the nogil header whose body we are in
    signature = ""  # of a def that goes on over several lines
    for number, line in enumerate(source, start=1):
        code = line.split("#")[0].strip()
        if not code:
            continue
        if opened_at is not None and not signature and indentation(line) > opened_at:
            yield number
            continue
        opened_at = None
        if not signature:
            header_indentation = indentation(line)
        if signature or code.startswith(("cdef", "cpdef", "with nogil")):
            signature += f" {code}"
            if signature.count("(") > signature.count(")"):
                continue
            if signature.endswith(":") and "nogil" in signature.rpartition(")")[2] and "extern" not in signature:
                opened_at = header_indentation
            signature = ""


def yellow_lines(html: str) -> dict[int, int]:
    """Return the lines that call into Python, with Cython's score."""
    return {int(number): int(score) for score, number in ANNOTATED.findall(html) if int(score) > 0}


def main() -> None:
    kernels = sorted(PACKAGE.glob("*.pyx"))  # OpenSSL is called with the GIL: server/net/tls/openssl.pyx
    ANNOTATIONS.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cython", "-3", "--annotate", "--output-file", str(ANNOTATIONS)]
    subprocess.run([*command, *map(str, kernels)], check=True, cwd=CHECKOUT)
    complaints = []
    for kernel in kernels:
        source = kernel.read_text().splitlines()
        yellow = yellow_lines((ANNOTATIONS / kernel.name).with_suffix(".html").read_text())
        checked = list(nogil_lines(source))
        assert checked, f"{kernel.name} has no nogil body: this script no longer reads it rightly"
        sys.stdout.write(f"{kernel.name}: {len(checked)} nogil lines\n")
        complaints += [f"{kernel.name}:{n}: score {yellow[n]}: {source[n - 1].strip()}" for n in checked if n in yellow]
    sys.exit("\n".join(complaints) or 0)


if __name__ == "__main__":
    main()
