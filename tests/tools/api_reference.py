"""Write the reference in docs/python.md from the docstrings of the Python API.

PYTHONPATH=tests:. python tests/tools/api_reference.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from support.checkout import CHECKOUT

import fastfile

PAGE = CHECKOUT / "docs" / "python.md"
BEGIN, END = "<!-- reference: made by tests/tools/api_reference.py -->", "<!-- end of the reference -->"
NAMES = (
    "serve",
    "run",
    "Server",
    "ProcessServer",
    "RequestLog",
    "Request",
    "asgi.StaticFiles",
    "asgi.StaticFilesMiddleware",
    "wsgi.StaticFiles",
    "wsgi.StaticFilesMiddleware",
    "ConfigError",
    "StartError",
)
# Methods of no interest to a program: they are for fastfile itself.
OWN = {"add", "abandon", "renew_lock", "mark", "since", "show"}


def make_reference() -> str:
    """Return the reference as Markdown."""
    return "\n".join([BEGIN, "", *(line for name in NAMES for line in _describe(name)), END])


def make_page(text: str) -> str:
    """Return the text of the page with a new reference."""
    before, _, rest = text.partition(BEGIN)
    return before + make_reference() + rest.partition(END)[2]


def _describe(name: str) -> Iterator[str]:
    value: Any = fastfile
    for part in name.split("."):
        value = getattr(value, part)
    assert not isinstance(value, ModuleType)
    yield f"### fastfile.{name}"
    yield ""
    if not issubclass(value, Exception) if inspect.isclass(value) else True:
        yield f"```text\n{_sign(f'fastfile.{name}', value)}\n```"
        yield ""
    yield from _prose(value.__doc__ or "")
    if not inspect.isclass(value) or issubclass(value, Exception):
        return
    members = [
        (key, getattr(value, key))
        for key in dir(value)
        if not key.startswith("_") and key not in OWN and getattr(getattr(value, key), "__doc__", None)
    ]
    rows = []
    for key, member in members:
        doc = " ".join((inspect.getdoc(member) or "").split("\n\n")[0].split()).replace("``", "`")
        if callable(member):
            rows.append(f"- `{_sign(key, member)}`: {doc}")
        elif isinstance(member, property):
            rows.append(f"- `{key}`: {doc}")
    yield from [*rows, ""] if rows else []


def _sign(name: str, value: Callable[..., Any]) -> str:
    """Return a call with its parameters, without types."""
    signature = inspect.signature(value)
    shown = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values() if p.name != "self"]
    text = str(inspect.Signature(shown))
    return name + re.sub(r"'", '"', text)


def _prose(doc: str) -> Iterator[str]:
    """Yield a docstring as Markdown; its last paragraph may be an example."""
    for paragraph in inspect.cleandoc(doc).split("\n\n"):
        if re.match(r"(with|app = )", paragraph):
            yield f"```python\n{paragraph}\n```"
        else:
            yield paragraph.replace("``", "`")
        yield ""


if __name__ == "__main__":
    PAGE.write_text(make_page(PAGE.read_text()))
