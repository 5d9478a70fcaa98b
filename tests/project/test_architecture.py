"""The import rule of ARCHITECTURE.md, checked in the source: each layer imports only layers above it."""

import ast
import functools
import re
from pathlib import Path

import pytest

import fastfile

PACKAGE = Path(fastfile.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py")) + sorted(PACKAGE.rglob("*.pyx"))
# From the top down: folders, and the modules beside them. Those of one row may not import each other.
LAYERS = (
    ("installing", "records"),
    ("_extensions", "errors", "message", "_parser_rules", "parser_limits", "terminal"),
    ("relayed", "upgrade", "progress"),
    ("responder", "parser", "sendfile", "_parser", "_parser_py", "_sendfile", "_sendfile_py"),
    ("clock",),
    ("http",),
    ("config",),
    ("local_ca",),
    ("storage",),
    ("rules",),
    ("site",),
    ("middleware",),
    ("protocol",),
    ("application",),
    ("dev",),
    ("releases",),
    ("server",),
    ("follower",),
    ("cli",),
    ("commands",),
    ("embedding",),
    ("asgi", "wsgi", "django"),
    ("pytest_plugin",),
    ("__main__",),
)
DEPTH = {name: depth for depth, row in enumerate(LAYERS) for name in row}
TWINS = {"_parser", "_parser_py", "_sendfile", "_sendfile_py"}
IMPURE = {"os", "socket", "asyncio", "time", "io", "pathlib", "select", "selectors", "random", "threading"}
DISK_CALLS = {"open", "openat2", "stat", "fstat", "lstat", "listdir", "scandir", "readlink", "statx"}
# The kernel makes storage/'s system calls. The others open a configuration, a certificate or a log, never served files;
# releases/ opens objects of a store, follower/ its copies of them; commands/ works on a folder and serves no request.
MAY_OPEN = {
    "storage",
    "terminal",
    "_sendfile_py",
    "_extensions",
    "config",
    "installing",
    "local_ca",
    "dev",
    "releases",
    "server",
    "follower",
    "cli",
    "commands",
    "__init__",
}


def parse(source: Path) -> ast.Module:
    return ast.parse(source.read_text())


@functools.cache
def imports(source: Path) -> frozenset[str]:
    """Return the names that a module imports: `fastfile.parser`, `os`. A .pyx is read line by line."""
    if source.suffix == ".pyx":
        lines = [line.partition(" as ")[0].replace(",", " ").split() for line in source.read_text().splitlines()]
        statements = [words for words in lines if len(words) > 1 and words[0] in ("from", "import", "cimport")]
        names = {words[1] for words in statements}
        return frozenset(names) | {
            f"fastfile.{name}" for words in statements if words[1] == "fastfile" for name in words[3:]
        }
    found: set[str] = set()
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source.name}: a relative import hides the layer"
            found |= {
                f"{node.module}.{alias.name}" if node.module == "fastfile" else node.module or ""
                for alias in node.names
            }
    return frozenset(found)


def layer(source: Path) -> str:
    return source.relative_to(PACKAGE).with_suffix("").parts[0]


def ours(source: Path) -> set[str]:
    """Return the modules and sub-packages of fastfile that a module of another one imports."""
    names = {name.split(".")[1] for name in imports(source) if name.startswith("fastfile.")}
    return {name for name in names if name in DEPTH} - {layer(source)}


def own_twins(source: Path) -> set[str]:
    """Return the twins of a facade; a compiled twin may take constants and types from its Python one."""
    kernel = layer(source).removesuffix("_py")
    return {f"{kernel}_py"} & TWINS if kernel.startswith("_") else {f"_{kernel}", f"_{kernel}_py"} & TWINS


def name_of(source: Path) -> str:
    return str(source.relative_to(PACKAGE))


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_a_layer_imports_only_layers_above_it(source: Path) -> None:
    if source == PACKAGE / "__init__.py":
        return  # its names are imported when they are used: embedding/test_api.py
    if source.name == "__init__.py":
        assert ours(source) <= {"_extensions"}, "a package imports nothing of fastfile"
        return
    own = layer(source)
    assert own in DEPTH, f"{own} has no place among the layers: give it one here"
    wrong = {name for name in ours(source) - own_twins(source) if DEPTH[name] >= DEPTH[own]}
    assert not wrong, f"{own} imports {sorted(wrong)}, which stand below it or beside it"


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_only_a_facade_imports_its_twins(source: Path) -> None:
    assert ours(source) & TWINS <= own_twins(source)


@pytest.mark.parametrize("source", [s for s in SOURCES if layer(s) == "http"], ids=name_of)
def test_http_knows_no_clock_disk_or_network(source: Path) -> None:
    assert not {name.split(".")[0] for name in imports(source)} & IMPURE


@pytest.mark.parametrize(
    "source",
    [s for s in SOURCES if s.suffix == ".py" and layer(s) not in MAY_OPEN],
    ids=name_of,
)
def test_only_storage_opens_stats_or_lists(source: Path) -> None:
    calls = [node.func for node in ast.walk(parse(source)) if isinstance(node, ast.Call)]
    builtins = {call.id for call in calls if isinstance(call, ast.Name)} & {"open"}
    of_os = {
        call.attr
        for call in calls
        if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name) and call.value.id == "os"
    }
    assert not (builtins | of_os) & DISK_CALLS


def declared_attributes(source: Path) -> dict[str, set[str]]:
    """Return the attributes that a .pxd gives to each of its classes, with those of the classes that it extends."""
    found: dict[str, set[str]] = {}
    names: set[str] = set()
    for line in source.read_text().splitlines():
        if line.startswith("cdef class "):
            name, _, base = line.split(None, 2)[2].rstrip(":)").partition("(")
            names = found.setdefault(name, set(BASES.get(base, ())))
        elif line.startswith("    cdef ") and "(" not in line:
            names |= {part.split()[-1] for part in line.split(",")}
    return found


BASES: dict[str, set[str]] = {}
for _ in range(3):  # as deep as classes extend each other
    for declarations in sorted(PACKAGE.rglob("*.pxd")):
        BASES.update(declared_attributes(declarations))


@pytest.mark.parametrize("declarations", sorted(PACKAGE.rglob("*.pxd")), ids=lambda path: path.stem)
def test_a_compiled_class_declares_all_its_attributes(declarations: Path) -> None:
    source = declarations.with_suffix(".py")
    declared = declared_attributes(declarations)
    if not source.exists():
        assert declared, "neither a source nor a class"
        return
    for node in parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name in declared:
            stored = {
                inner.attr
                for inner in ast.walk(node)
                if isinstance(inner, ast.Attribute)
                and isinstance(inner.ctx, ast.Store)
                and isinstance(inner.value, ast.Name)
                and inner.value.id == "self"
            }
            assert stored <= declared[node.name]


PAGE = PACKAGE.parent / "ARCHITECTURE.md"


@pytest.mark.skipif(not PAGE.exists(), reason="only a checkout has the page")
def test_each_path_that_the_page_names_exists() -> None:
    prose = re.sub(r"^```.*?^```", "", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    spans = {span.rstrip("/") for span in re.findall(r"`([^`\s]+(?:/|\.py|\.md)[^`\s]*)`", prose)}
    assert len(spans) > 50
    there = {f"/{path.relative_to(PAGE.parent)}" for path in (*PACKAGE.rglob("*"), *(PAGE.parent / "tests").rglob("*"))}
    there |= {f"/{path.relative_to(PAGE.parent)}" for path in PAGE.parent.glob("*")} | {
        f"/docs/{path.name}" for path in (PAGE.parent / "docs").glob("*")
    }
    ends = ("", ".py", ".pyx")
    missing = {
        span for span in spans if not any(path.endswith(tuple(f"/{span}{end}" for end in ends)) for path in there)
    }
    assert not missing
