"""The docs are right about tests: each row names a test, and each named test exists.

docs/http.md has a column for it; docs/behaviour.md, which is for users, has a comment at the end of each row.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict

import pytest
from support.checkout import TESTS

DOCS = TESTS.parent / "docs"
NAME = re.compile(r"(?:test_\w+::)?test_\w+")
COLUMN = re.compile(r"\| ((?:`[^`]+` ?)+) \|")  # the last one
COMMENT = re.compile(r"<!-- ([^>]+) --> \|")
PINS = {"http.md": COLUMN, "behaviour.md": COMMENT}


def rows(document: str) -> list[str]:
    """Return the rows of all tables, without their heads."""
    lines = (DOCS / document).read_text().splitlines()
    below = zip(lines, [*lines[1:], ""], strict=True)
    return [row for row, after in below if row.startswith("| ") and not after.startswith("|--")]


def pins(document: str, row: str) -> list[str]:
    end = re.search(PINS[document].pattern + "$", row)
    return end[1].replace("`", "").split() if end else []


@pytest.fixture(scope="module")
def files_of_tests() -> dict[str, list[str]]:
    """The files that contain a test function of each name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in TESTS.rglob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found[node.name].append(path.stem)
    return found


@pytest.mark.parametrize("document", PINS)
def test_every_row_names_a_test_that_exists(document: str, files_of_tests: dict[str, list[str]]) -> None:
    found = rows(document)
    assert len(found) > 50, "the tables were not recognized"
    for row in found:
        names = pins(document, row)
        assert names, f"nothing pins this row: {row}"
        for name in names:
            assert NAME.fullmatch(name), name
            file, _, function = name.rpartition("::")
            files = files_of_tests.get(function, [])
            assert file in files if file else len(files) == 1, f"{name} is in {files or 'no file'}: {row}"


def test_every_test_that_security_md_names_exists(files_of_tests: dict[str, list[str]]) -> None:
    names = re.findall(r"`(test_\w+)`", (TESTS.parent / "SECURITY.md").read_text())
    assert len(names) > 30
    assert set(names) <= set(files_of_tests)
