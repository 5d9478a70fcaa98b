"""Common code of the fuzz targets: corpora, findings, and libFuzzer's options.

A crash is written to build/fuzz/NAME-crash-…; its bytes, as a line of tests/corpus/NAME.txt, are the failing test.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

FOUND = Path(__file__).parents[2] / "build/fuzz"
MAX_SIZE = 1024
SLOW_S = 30  # for one input, also where the process stands still: far more than any linear input takes


def fuzz(name: str, seeds: list[bytes], check: Callable[[bytes], None], **options: Callable[..., bytes]) -> None:
    """Run for the time given on the command line; a failure ends the process with its own status."""
    folder = FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number:03}").write_bytes(seed)
    flags = (f"-max_len={MAX_SIZE}", f"-timeout={SLOW_S}", f"-artifact_prefix={FOUND / name}-", "-print_final_stats=1")
    atheris.Setup([sys.argv[0], *flags, *sys.argv[1:], str(folder)], check, **options)
    atheris.Fuzz()
