"""Notices about rules of a provider that are beside the site but not applied, because --as does not name it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from fastfile.config.config import Config
from fastfile.rules.providers import PROVIDERS

# The keys that change responses, by file. A file without them configures builds only.
_KEYS = {
    "netlify.toml": rb"(?m)^\s*\[\[(redirects|headers|edge_functions)\]\]",
    "vercel.json": rb'"(redirects|rewrites|headers|routes|cleanUrls|trailingSlash)"\s*:',
}
_MAX_SIZE = 1 << 20


def tell_unapplied(config: Config, root_path: str) -> Iterator[str]:
    """Yield a notice for each file with rules that is in the served folder or its parent, and is not applied."""
    if config.as_ is not None or config.rules == "off" or not os.path.isdir(root_path):
        return
    outer = os.path.dirname(os.path.abspath(root_path))
    for name, provider in PROVIDERS.items():
        for file in provider.beside:
            if any(_has_rules(os.path.join(folder, file), _KEYS[file]) for folder in (root_path, outer)):
                yield f"the rules in {file} are not applied: --as {name} applies them"


def _has_rules(path: str, keys: bytes) -> bool:
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return re.search(keys, file.read(_MAX_SIZE)) is not None
    except OSError:
        return False
