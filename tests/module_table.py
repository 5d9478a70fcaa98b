"""The tables of modules of ARCHITECTURE.md, made from the layers (test_architecture.py) and the modules' docstrings.

``python tests/module_table.py`` writes them into the page, between its two ``modules`` markers.
"""

import ast
import re
from pathlib import Path

from test_architecture import DEPTH, PACKAGE

PAGE = PACKAGE.parent / "ARCHITECTURE.md"
BEGIN, END = "<!-- modules -->", "<!-- /modules -->"
# By the last layer of each; a folder is a group of its own.
GROUPS = {"users": "Vocabulary", "_sendfile": "Kernels", "application": "Composition", "cli": "Terminal"}
FOLDERS = ("semantics", "files", "server", "commands")


def make_tables() -> str:
    """Return a table for each group of modules, in the order in which the layers build on each other."""
    rows: dict[str, list[tuple[int, str]]] = {}
    for source in PACKAGE.rglob("*.py"):
        if not source.name.startswith("__"):
            rows.setdefault(group_of(source), []).append((depth(source), make_row(source)))
    groups = sorted(rows, key=lambda group: max(rows[group]))
    return "\n".join(map(make_table, groups, [sorted(rows[group]) for group in groups]))


def make_table(group: str, rows: list[tuple[int, str]]) -> str:
    return f"### {group}\n\n| module | what it owns |\n|---|---|\n{''.join(row for _, row in rows)}"


def depth(source: Path) -> int:
    return DEPTH[source.relative_to(PACKAGE).with_suffix("").parts[0]]


def group_of(source: Path) -> str:
    folder = source.relative_to(PACKAGE).parts[0]
    if folder in FOLDERS:
        return f"`{folder}/`"
    return next(group for last, group in GROUPS.items() if depth(source) <= DEPTH[last])


def make_row(source: Path) -> str:
    """Return a module with the first sentence of its docstring."""
    text = ast.get_docstring(ast.parse(source.read_text())) or ""
    sentence = re.split(r"(?<!\.)\. ", " ".join(text.partition("\n\n")[0].split()))[0].removesuffix(".")
    return f"| [{source.stem}]({source.relative_to(PACKAGE.parent)}) | {escape(sentence)} |\n"


def escape(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|").replace("<", "\\<")


def replace_tables(text: str) -> str:
    """Return the page's text with the tables as they should be. Raises ValueError where a marker is missing."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{make_tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(replace_tables(PAGE.read_text()))
