"""Write the sources that each tool built: 80 lazily loaded pages, every fifth with a style, and 24 assets.

python sources.py FOLDER SEED [PAGES [EXTENSION]]
"""

import random
import struct
import sys
import zlib
from pathlib import Path

NAMES = """
home about contact pricing team blog post settings profile login register checkout cart product category search
results help faq terms privacy invoice orders shipping returns account security billing plans features roadmap
changelog docs api guide tutorial example gallery photo video music podcast event calendar map location store
dealer partner career job press media investor legal cookie consent banner modal dialog toast tooltip chart graph
table grid list detail editor preview upload download share export import print report audit
"""
WORDS = NAMES.split()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(source: random.Random, side: int) -> bytes:
    rows = b"".join(b"\0" + source.randbytes(3 * side) for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def write_assets(folder: Path, source: random.Random) -> list[str]:
    """Write images and fonts that are too large to be inlined into the scripts, and return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for i in range(24):
        word = WORDS[i * 7 % len(WORDS)] + ("", "-icon", "_bg", "Logo")[i % 4]
        name, content = f"{word}.woff2", source.randbytes(15000)
        if i % 3 == 0:
            name, content = f"{word}.png", png(source, 72)
        elif i % 3 == 1:
            dots = "".join(
                f'<circle cx="{source.random() * 9}" cy="{source.random() * 9}" r=".1"/>' for _ in range(160)
            )
            name, content = f"{word}.svg", f'<svg xmlns="http://www.w3.org/2000/svg">{dots}</svg>'.encode()
        (folder / name).write_bytes(content)
        names.append(name)
    return names


def write_pages(folder: Path, source: random.Random, assets: list[str], count: int, extension: str) -> None:
    names = [WORDS[i % len(WORDS)] + ("", "-page", "Page", ".view")[i % 4] for i in range(count)]
    for i, name in enumerate(names):
        lines = []
        if i % 5 == 0:
            (folder / f"{name}.css").write_text(f".c-{i}{{color:#{source.randrange(1 << 24):06x};padding:{i}px}}\n")
            lines.append(f"import './{name}.css'")
        if i < len(assets):
            lines.append(f"import asset from './assets/{assets[i]}'")
        shown = "asset" if i < len(assets) else "location"
        lines.append(
            f"export default function show() {{ document.body.append('{name} {source.random()} ' + {shown}) }}"
        )
        (folder / f"{name}.{extension}").write_text("\n".join(lines) + "\n")
    loaders = "".join(f"  '{name}': () => import('./{name}.{extension}'),\n" for name in names)
    (folder / "main.css").write_text("body{color:#123}\n")
    (folder / f"main.{extension}").write_text(
        f"import './main.css'\nconst pages = {{\n{loaders}}}\n"
        "pages[location.hash.slice(1)]?.().then(m => m.default())\n"
    )


if __name__ == "__main__":
    folder, seed, count, extension = [*sys.argv[1:], *(None, None, 80, "js")[len(sys.argv) - 1 :]]
    source = random.Random(int(seed))
    assets = write_assets(Path(folder) / "assets", source)
    write_pages(Path(folder), source, assets, int(count), extension)
