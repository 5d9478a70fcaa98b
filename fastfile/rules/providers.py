"""What the hosts of static sites do where they differ: one row each, and one for fastfile itself.

Owns the values alone; site.py and the readers of rules act on them and ask no host for its name. docs/hosts.md has the
source of each in the host's documentation, and its test. (The Host field of a request is in host.py.)
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from fastfile.config.config import Config
from fastfile.http.field_changes import Field
from fastfile.rules import dialects
from fastfile.rules.clean_urls import Pages, TrailingSlash
from fastfile.rules.rule import Dialect, HeaderRule, Problem, Rule


class Provider(NamedTuple):
    """One host. Where an option is given on top of ``--as``, its value replaces that of the row."""

    name: str
    # Files of the folder that configure the provider; they are never served themselves. Those that are also read
    # ``beside`` it, in the folder that holds it, are the ones of a project.
    rule_files: tuple[str, ...] = ("_redirects", "_headers")
    beside: tuple[str, ...] = ()
    # Files of the folder that are not read, and not served either.
    unserved: tuple[str, ...] = ()
    # How they are read.
    dialect: Dialect = dialects.EITHER
    # Where a page is (cleanurls.py).
    pages: Pages = "files"
    slash: TrailingSlash = "auto"
    # Whether the fields of an address are those of the file that answers there: for / those of /index.html.
    fields_of_file: bool = False
    # The status of redirects to where a page is.
    moved: int = 301
    # Which 404.html answers for what is not there.
    not_found: Literal["nearest", "root"] = "nearest"
    # A folder without a 404.html at its root is an application: its index.html answers, by 200, for all that is not
    # there.
    application: bool = False
    # Sent with files unless a rule says otherwise; b"" is our own way, no-cache and names that carry a hash.
    cache_control: bytes = b""
    # Sent with every response, unless a rule says otherwise.
    fields: tuple[Field, ...] = ()
    # A folder without an index file is listed.
    listing: bool = True


ANY_ORIGIN: Field = (b"Access-Control-Allow-Origin", b"*")
REVALIDATE = b"public, max-age=0, must-revalidate"

_LAST_ONE_HOLDS = dialects.EITHER._replace(joins_fields=False)

FASTFILE = Provider(
    "fastfile", unserved=("netlify.toml",), rule_files=("_redirects", "_headers", "serve.json"), pages="after"
)

NETLIFY = Provider(
    "netlify",
    rule_files=("_redirects", "_headers", "netlify.toml"),
    beside=("netlify.toml",),
    dialect=dialects.NETLIFY,
    pages="both",
    not_found="root",
    cache_control=b"public,max-age=0,must-revalidate",
    listing=False,
)

CLOUDFLARE = Provider(
    "cloudflare",
    dialect=dialects.CLOUDFLARE,
    pages="clean",
    moved=308,
    application=True,
    cache_control=REVALIDATE,
    fields=(ANY_ORIGIN, (b"Referrer-Policy", b"strict-origin-when-cross-origin")),
    listing=False,
)

GITHUB_PAGES = Provider(
    "github-pages",
    rule_files=(),
    pages="both",
    slash="folder",
    not_found="root",
    cache_control=b"max-age=600",
    fields=(ANY_ORIGIN,),
    listing=False,
)

# What vercel.json says of clean URLs and slashes changes this row, in vercelconfig.py.
VERCEL = Provider(
    "vercel",
    rule_files=("vercel.json",),
    beside=("vercel.json",),
    dialect=_LAST_ONE_HOLDS,
    slash="keep",
    moved=308,
    not_found="root",
    cache_control=REVALIDATE,
    listing=False,
)

# The server of that name; a serve.json in the root stands for it (serveconfig.py). It sends no Cache-Control, which
# lets a browser guess for how long a file is fresh: no-cache is what its users expect of a development server.
SERVE = Provider(
    "serve",
    rule_files=("serve.json",),
    fields_of_file=True,
    dialect=_LAST_ONE_HOLDS,
    pages="both",
    slash="keep",
    not_found="root",
)

PROVIDERS = {provider.name: provider for provider in (NETLIFY, CLOUDFLARE, GITHUB_PAGES, VERCEL)}


def choose_provider(config: Config) -> Provider:
    """Return the host that --as names, or fastfile itself, as the options that are given change it."""
    return with_options(PROVIDERS.get(config.as_ or "", FASTFILE), config)


def with_options(provider: Provider, config: Config) -> Provider:
    """Return the host as the options that are given change it."""
    if config.given("clean_urls"):
        provider = provider._replace(pages="clean" if config.clean_urls else "files")
    if config.given("trailing_slash"):
        provider = provider._replace(slash=config.trailing_slash)
    if config.given("listing"):
        provider = provider._replace(listing=config.listing)
    return provider._replace(application=provider.application and config.spa is None)


class Deployment(NamedTuple):
    """What the file of a host says: the host as it changes it, the rules, and what of it cannot be used."""

    provider: Provider
    rules: tuple[Rule, ...]
    header_rules: tuple[HeaderRule, ...]
    problems: tuple[Problem, ...]
