"""The Python API as programs import it."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys

import pytest
from support.checkout import CHECKOUT
from support.serverprocess import clean_environment

import fastfile

SCRIPT = """
import json, sys
before = set(sys.modules)
import fastfile
print(json.dumps(sorted(set(sys.modules) - before)))
"""
# What `import fastfile` takes: nothing that an interpreter has not, but for the names of types.
ALLOWED = {"fastfile", "fastfile._extensions"}


def test_the_import_of_the_package_imports_nothing_else() -> None:
    process = subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT], env=clean_environment(), capture_output=True, text=True, check=True
    )
    imported = {name for name in json.loads(process.stdout) if name.partition(".")[0] == "fastfile"}
    assert imported == ALLOWED
    assert not {"asyncio", "typing", "socket", "dataclasses"} & set(json.loads(process.stdout))


@pytest.mark.parametrize("name", sorted(set(fastfile.__all__)))
def test_each_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(fastfile, name)
    assert name in dir(fastfile)
    assert value.__doc__


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fastfile.nothing  # noqa: B018


def test_the_reference_in_the_docs_is_that_of_the_docstrings() -> None:
    tool = runpy.run_path(str(CHECKOUT / "tests" / "tools" / "api_reference.py"))
    text = (CHECKOUT / "docs" / "python.md").read_text()
    assert text == tool["make_page"](text), "run: PYTHONPATH=tests:. python tests/tools/api_reference.py"
