"""Hooks of the site's build: add pages from outside docs/, and make links lead to pages of the site or nowhere."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from properdocs.structure.files import File, Files

REPOSITORY = Path(__file__).parent.parent
# Pages of the site by their source; those of docs/ keep their names.
OUTSIDE = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "deploy/README.md": "deploy.md",
}
SOURCES = {page: source for source, page in OUTSIDE.items()}
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(REPOSITORY / source).read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    source = SOURCES.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def fit(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[3]))
        if not (REPOSITORY / path).exists():
            return link[0]  # the build reports it
        found = OUTSIDE.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if not found:
            return link[2]
        # In the repository the text of a link is a path; here it is the page's name.
        text = found.removesuffix(".md") if link[2].endswith(".md") else link[2]
        return f"{link[1]}[{text}]({found}{link[4] or ''})"

    return LINK.sub(fit, markdown)
