"""The folder that every server serves: made again for each run, with the same bytes and old times."""

import os
import random
from pathlib import Path

KIB, MIB = 1024, 1024 * 1024
FILES = {
    "1k.js": KIB,
    "10k.js": 10 * KIB,
    "100k.js": 100 * KIB,
    "1m.bin": MIB,
    "10m.bin": 10 * MIB,
    "100m.bin": 100 * MIB,
}
# A script and its encoded variants of equal length, so that either variant costs the same.
VARIANTS = {"app.js": 4 * KIB, "app.js.br": KIB, "app.js.gz": KIB}
MANY = {f"many/{number}.js": 4 * KIB for number in range(1000)}

# Some servers give new files weak validators, or do not cache them.
MTIME_S = 1_700_000_000


def make_corpus(root: Path) -> None:
    """Write the files beneath `root`, readable by a server that drops its privileges."""
    (root / "many").mkdir(parents=True)
    source = random.Random(1)
    block = source.randbytes(MIB).hex().encode("ascii")[:MIB]
    for name, size in (FILES | VARIANTS | MANY).items():
        path = root / name
        with path.open("wb") as file:
            for start in range(0, size, MIB):
                file.write(block[: min(MIB, size - start)])
        os.utime(path, (MTIME_S, MTIME_S))
    for folder in (root, root / "many"):
        folder.chmod(0o755)
