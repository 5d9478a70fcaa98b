"""Hooks of the build: add pages from outside docs/, fit their links, and rank pages of tasks first in a search."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from properdocs.plugins import event_priority
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
TASKS = "How do I …"  # the part of the navigation with the pages of tasks
TASK_PAGES: list[str] = []
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
        text = posixpath.basename(found).removesuffix(".md") if link[2].endswith(".md") else link[2]
        found = posixpath.relpath(found, posixpath.dirname(page.file.src_uri))
        return f"{link[1]}[{text}]({found}{link[4] or ''})"

    return LINK.sub(fit, markdown)


def on_nav(nav: Any, **_: object) -> None:
    tasks = next(item for item in nav.items if item.title == TASKS)
    TASK_PAGES.extend(page.url for page in tasks.children)


@event_priority(-100)  # after the plugin has written its files
def on_post_build(config: Any) -> None:
    """Let words of titles count more than those of texts, and the pages of tasks more than others."""
    folder = Path(config.site_dir) / "search"
    script = (folder / "worker.js").read_text()
    for before, after in (
        ("this.field('title');", "this.field('title', {boost: 8});"),
        ("this.add(doc);", "this.add(doc, {boost: doc.boost});"),
    ):
        assert before in script, "the search plugin has another worker.js"
        script = script.replace(before, after)
    (folder / "worker.js").write_text(script)
    index = json.loads((folder / "search_index.json").read_text())
    for entry in index["docs"]:
        page, _, section = entry["location"].partition("#")
        entry["boost"] = (3 if page in TASK_PAGES else 1) * (1 if section else 3)
    (folder / "search_index.json").write_text(json.dumps(index))
