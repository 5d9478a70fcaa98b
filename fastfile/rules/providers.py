"""Providers of static hosting: one row of settings for each, and one for fastfile itself.

Owns only the values. The steps of a site and the readers of rules use them; none checks a provider's name.
docs/hosts.md names the source of each value in the provider's documentation, and its test.
"""

from __future__ import annotations

from typing import Literal

from fastfile.config.config import Config
from fastfile.http.field_changes import Field
from fastfile.records import NamedTuple
from fastfile.rules import dialects
from fastfile.rules.clean_urls import Pages, TrailingSlash
from fastfile.rules.rule import Dialect, HeaderRule, Problem, Rule


class Provider(NamedTuple):
    """One provider. An option beside ``--as`` replaces the value of the row."""

    name: str
    # Files of the folder that configure the provider; they are never served. Files of a project are also read
    # ``beside`` the folder, in its parent.
    rule_files: tuple[str, ...] = ("_redirects", "_headers")
    beside: tuple[str, ...] = ()
    # Files of the folder that are neither read nor served.
    unserved: tuple[str, ...] = ()
    # The dialect of the rule files.
    dialect: Dialect = dialects.EITHER
    # The URLs of pages (clean_urls.py).
    pages: Pages = "files"
    slash: TrailingSlash = "auto"
    # Header rules are matched with the name of the served file: for / with /index.html.
    fields_of_file: bool = False
    # The status of redirects to the URL of a page.
    moved: int = 301
    # Which 404.html is sent for a missing file.
    not_found: Literal["nearest", "root"] = "nearest"
    # A site without a 404.html at its root is an app: every missing path gets its index.html with 200.
    application: bool = False
    # Sent with files unless a rule says otherwise; b"" is fastfile's default: no-cache, and immutable for hashed names.
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

# vercel.py changes this row by the settings of vercel.json for clean URLs and slashes.
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

# The server of that name, which a serve.json in the root selects (serve.py). It sends no Cache-Control, so that
# browsers guess how long a file is fresh; its users expect no-cache of a development server.
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
    """Return the provider that --as names, or fastfile itself, as modified by the given options."""
    return with_options(PROVIDERS.get(config.as_ or "", FASTFILE), config)


def with_options(provider: Provider, config: Config) -> Provider:
    """Return a provider as modified by the given options."""
    if config.given("clean_urls"):
        provider = provider._replace(pages="clean" if config.clean_urls else "files")
    if config.given("trailing_slash"):
        provider = provider._replace(slash=config.trailing_slash)
    if config.given("listing"):
        provider = provider._replace(listing=config.listing)
    return provider._replace(application=provider.application and config.spa is None)


class Deployment(NamedTuple):
    """The content of a provider's file: the provider as modified by it, the rules, and the problems."""

    provider: Provider
    rules: tuple[Rule, ...]
    header_rules: tuple[HeaderRule, ...]
    problems: tuple[Problem, ...]
