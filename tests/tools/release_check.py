"""Fails unless a tag fits the package: ``python tests/tools/release_check.py v1.2.3``.

The tag is the version of fastfile, and CHANGELOG.md has a section for it with text, and none that is unreleased.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
SECTION = re.compile(r"^## (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def problems(tag: str, package: str, changelog: str) -> list[str]:
    """Return what is wrong; ``package`` is the text of fastfile/__init__.py."""
    version = VERSION.findall(package)[0]
    found = []
    if tag != f"v{version}":
        found.append(f"tag {tag}: fastfile.__version__ is {version}, so the tag has to be v{version}")
    sections = {title.split()[0]: text.strip() for title, text in SECTION.findall(changelog)}
    if not sections.get(version):
        found.append(f"CHANGELOG.md: no section, or an empty one, for {version}")
    if sections.get("Unreleased"):
        found.append(f"CHANGELOG.md: changes are listed as unreleased; move them to {version}")
    return found


def main() -> None:
    texts = [(CHECKOUT / name).read_text(encoding="utf-8") for name in ("fastfile/__init__.py", "CHANGELOG.md")]
    sys.exit("\n".join(problems(sys.argv[1], *texts)) or 0)


if __name__ == "__main__":
    main()
