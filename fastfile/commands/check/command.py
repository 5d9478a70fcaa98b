"""``fastfile check``: finds errors in a build before it is deployed.

Owns the order of a run. The application itself decides where a URL leads, with the given options. inventory.py lists
files, links.py, rules.py and files.py find problems, findings.py reports them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from fastfile.application import MountPoint, read_rules, say_nothing
from fastfile.cli.arguments import HELP, Usage, make_help, parse_arguments
from fastfile.clock import Clock
from fastfile.commands.check import manifest
from fastfile.commands.check.files import check_caching, check_fallback, check_names, check_variants
from fastfile.commands.check.findings import Finding, make_json, make_report, show_path
from fastfile.commands.check.inventory import Tree, take_inventory
from fastfile.commands.check.links import MAX_SIZE, ORIGIN, Links, check_relative, field_of
from fastfile.commands.check.manifest import is_manifest
from fastfile.commands.check.references import Reference, decode, read_page
from fastfile.commands.check.rules import check_rules
from fastfile.commands.check.stylesheet import find_references
from fastfile.commands.explain import FETCH, Explainer
from fastfile.config.config import OPTIONS, Config
from fastfile.config.folder import resolve_clear_directory
from fastfile.config.load import load
from fastfile.http.content.content_hash import is_page
from fastfile.http.content.stored_coding import SUFFIXES
from fastfile.http.target import encode_path
from fastfile.message import close_source
from fastfile.rules.providers import choose_provider
from fastfile.site.steps.fallback import PAGE
from fastfile.storage.root import Root
from fastfile.terminal import printable, wants_colour, write

INTRODUCTION = """\
Usage: fastfile check [OPTIONS] [DIR]

Check a build: report broken links, missing images and style sheets, rules that
loop or are unreachable, names that differ only by case, compressed variants
that are stale or missing, and files that browsers keep for a year although
their names contain no hash. Takes all OPTIONS of fastfile, and reads the same
configuration. Contacts no other site.
"""
SWITCHES = (
    ("--json", "Print an array of objects: file, line, severity, code, message."),
    ("--strict", "Treat warnings as errors."),
    ("--verbose", "List every occurrence of a finding, even if many have the same cause."),
    HELP,
)
CONCLUSION = """\
Examples:
  fastfile check                    ./dist, or another build folder
  fastfile check --spa ./dist
  fastfile check --as netlify --strict --json ./dist

Exit status: 0 without errors, 1 with errors, 2 for a wrong option.
"""
USAGE = Usage(INTRODUCTION, (), SWITCHES, CONCLUSION, further=OPTIONS)
_VARIANTS = tuple(suffix for _, suffix in SUFFIXES)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status. Raises ConfigError and StartError."""
    arguments = parse_arguments(USAGE, argv)
    if "help" in arguments:
        write(sys.stdout, make_help(USAGE))
        return 0
    as_json = arguments.pop("json", None) is not None
    strict = arguments.pop("strict", None) is not None
    verbose = arguments.pop("verbose", None) is not None
    config = load(arguments, os.environ)
    root_path = resolve_clear_directory(config)
    check = Check(config, root_path)
    if config.directory is None and not as_json:
        write(sys.stdout, f"{printable(root_path)}\n")
    findings = check.run()
    check.close()
    if as_json:
        write(sys.stdout, make_json(findings))
    else:
        write(sys.stdout, make_report(findings, check.count, wants_colour(sys.stdout.isatty()), verbose))
    return 1 if any(strict or finding.severity == "error" for finding in findings) else 0


class Check:
    """One check of everything that a server would serve; ``count`` is the number of files. It ends with close()."""

    def __init__(self, config: Config, root_path: str) -> None:
        # Passwords are not checked. Nothing is cached, so that every step notes what it does, and no file stays
        # open.
        config = config.replace(auth=(), auth_file=None, compress=False, cache_size=0, cache_files=0, small_file=0)
        self._config = config
        self._explainer = Explainer(config, root_path)
        shown = ["", *(folder.rstrip("/") + "/" for _, folder in config.mount)]
        self._trees = [
            take_inventory(point.root, point.base, name, config.dotfiles, frozenset(map(os.fsencode, config.dotfile)))
            for point, name in zip(self._explainer.mount_points, shown, strict=True)
        ]
        self.count = sum(len(tree.files) for tree in self._trees)
        self._findings: list[Finding] = []
        self._links = Links(self._explainer, self._trees, self._findings.append)

    def run(self) -> list[Finding]:
        """Return the findings, in the order of the files and lines."""
        self._findings += check_fallback(self._trees[0], self._config.spa)
        for point, tree in zip(self._explainer.mount_points, self._trees, strict=True):
            self._check_rules(point, tree)
            self._findings += check_names(tree)
            self._findings += check_variants(tree)
            for path in tree.files:
                if not path.endswith(_VARIANTS):
                    self._check_file(tree, path)
        self._links.check_places()
        return sorted(set(self._findings))

    def close(self) -> None:
        self._explainer.close()

    def _check_rules(self, point: MountPoint, tree: Tree) -> None:
        rules = read_rules(point, self._config, Clock(), say_nothing)
        if rules is not None:
            prefix = b"/" + tree.base.rstrip(b"/") if tree.base else b""
            self._findings += check_rules(self._explainer, rules, prefix, tree.shown)

    def _check_file(self, tree: Tree, path: bytes) -> None:
        name = tree.base + (path if tree.root.only is None else b"")
        url = ORIGIN + "/" + encode_path(name).decode()
        exchange = self._explainer.ask(url, FETCH)
        close_source(exchange.response.source)
        if exchange.response.status == 200:
            finding = check_caching(tree.shown + show_path(path), path, field_of(exchange.response, b"cache-control"))
            if finding is not None:
                self._findings.append(finding)
        if is_page(path) or is_manifest(path) or path.lower().endswith((b".css", b".svg")):
            self._check_references(tree, path, url)

    def _check_references(self, tree: Tree, path: bytes, url: str) -> None:
        shown = tree.shown + show_path(path)
        try:
            content = _read(tree.root, path)
        except OSError as error:
            self._findings.append(Finding(shown, 0, "warning", "unreadable", f"it cannot be read: {error.strerror}"))
            return
        if len(content) > MAX_SIZE:
            text = f"it is larger than {MAX_SIZE >> 20} MiB, so it is not checked"
            self._findings.append(Finding(shown, 0, "warning", "unreadable", text))
        elif is_page(path):
            page = read_page(content)
            self._links.check(shown, self._links.address(url), page.references, page.base, page.places)
            if not page.base and self._is_at_other_addresses(path):
                self._findings += check_relative(shown, page.references)
        else:
            self._links.check(shown, url, _read_references(path, content), "", None)

    def _is_at_other_addresses(self, path: bytes) -> bool:
        """Tell whether a page is served for missing files, at any depth."""
        if path.rpartition(b"/")[2] == PAGE:
            return path == PAGE or choose_provider(self._config).not_found == "nearest"
        return self._config.spa is not None and path == os.fsencode(self._config.spa)


def _read(root: Root, path: bytes) -> bytes:
    """Return the beginning of a file: one byte more than the limit."""
    with open(root.open(path), "rb") as file:
        return file.read(MAX_SIZE + 1)


def _read_references(path: bytes, content: bytes) -> list[Reference]:
    """Return the references of a file that is not a page."""
    if is_manifest(path):
        return list(manifest.find_references(content))
    if path.lower().endswith(b".svg"):
        return read_page(content).references
    return [Reference(text, line, False) for text, line in find_references(decode(content))]
