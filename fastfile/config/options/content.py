"""Options: what is served, and how the pages of a front-end build are found."""

from __future__ import annotations

from typing import ClassVar, Literal

from fastfile.config.cache_values import CACHE_RULE, ENCODED, IMMUTABLE
from fastfile.config.header_values import MIME
from fastfile.config.option import OptionGroup, option, repeatable
from fastfile.config.values import DOT_NAME, FILE_NAME, MOUNT, PAGE, PATH, SWITCH, TARGET, choice


class ContentOptions(OptionGroup):
    """Which files are served, and at which paths."""

    TITLE: ClassVar = "What is served"

    directory: str | None = option(
        PATH,
        metavar="DIR",
        short="-d",
        help="Folder to serve, one file, or a store of releases (s3://BUCKET/PREFIX, "
        "file:///FOLDER). Without it, the first build folder with an index file (dist, build, "
        "public, out, _site, site and others), else the current folder. A number that names neither is the port.",
    )
    index: tuple[str, ...] = repeatable(
        FILE_NAME,
        default=("index.html",),
        metavar="NAME",
        help="Index file of a folder. Repeat it to name a second choice.",
    )
    listing: bool = option(SWITCH, default=True, help="List the content of a folder that has no index file.")
    archive: bool = option(SWITCH, default=True, help="Offer each listed folder as a zip download, at ?archive=zip.")
    dotfiles: bool = option(SWITCH, default=False, help="Serve names that begin with a dot.")
    dotfile: tuple[str, ...] = repeatable(
        DOT_NAME,
        metavar="NAME",
        help="Serve this dot file or folder, such as .zgroup. Repeat it for more.",
    )
    follow_symlinks: bool = option(SWITCH, default=False, help="Follow symbolic links that lead outside the folder.")
    base: str | None = option(TARGET, metavar="/PATH", help="Serve the folder below a path, such as /app.")
    mount: tuple[tuple[str, str], ...] = repeatable(
        MOUNT,
        metavar="/PATH=DIR",
        help="Serve another folder or file at a path. Repeat it for more; the longest path that matches is used.",
    )
    rules: Literal["auto", "off"] = option(
        choice("auto", "off"),
        default="auto",
        metavar="WHEN",
        help="auto: apply the files _redirects, _headers and serve.json in the folder (with --as, the provider's rule "
        "files), and do not serve them; off: serve them as plain files.",
    )
    compress: bool = option(
        SWITCH,
        default=False,
        help="Compress text in the background after its first request, and keep the result in the cache.",
    )
    health: str | None = option(
        TARGET,
        metavar="/PATH",
        help="Respond to health probes at a path, such as /healthz: with ok, or with 503 while the server stops.",
    )
    mime: tuple[str, ...] = repeatable(
        MIME,
        metavar="EXT=TYPE",
        help="Media type for an extension, such as glsl=text/plain; it overrides the built-in table. Repeat it for "
        "more.",
    )


class BuildOptions(OptionGroup):
    """How the pages of a front-end build are found and cached."""

    TITLE: ClassVar = "Front-end builds"

    as_: str | None = option(
        choice(
            *("netlify", "cloudflare", "github-pages", "vercel"),
            aliases={"github": "github-pages", "gh-pages": "github-pages", "cloudflare-pages": "cloudflare"},
        ),
        metavar="PROVIDER",
        help="Behave like this provider: netlify, cloudflare, github-pages or vercel. Other options override it.",
    )
    spa: str | None = option(
        PAGE,
        metavar="FILE",
        bare="index.html",
        help="Serve index.html, or =FILE, as the fallback page: for navigations to paths that match no file. A missing "
        "script is still 404.",
    )
    clean_urls: bool = option(
        SWITCH,
        default=False,
        help="Serve about.html at /about, and redirect /about.html and /about/index.html there.",
    )
    trailing_slash: Literal["auto", "always", "never", "keep"] = option(
        choice("auto", "always", "never", "keep"),
        default="auto",
        metavar="WHEN",
        help="Slash at the end of page URLs: auto (folders have one, files have none), always, never, or keep (serve "
        "both).",
    )
    immutable: str = option(
        IMMUTABLE,
        default="auto",
        metavar="WHICH",
        help="Files that browsers may cache for a year without revalidation: auto (names that contain a content hash), "
        "off, or a regular expression that matches their paths. Never applies to pages.",
    )
    encoded: tuple[tuple[str, str], ...] = repeatable(
        ENCODED,
        metavar="GLOB=CODING",
        help="Files whose content is already encoded, such as terrain: '/terrain/**.terrain=gzip'. Clients that accept "
        "the coding get it as Content-Encoding. Repeat it for more; the last match is used.",
    )
    etag: Literal["auto", "content", "mtime"] = option(
        choice("auto", "content", "mtime"),
        default="auto",
        metavar="OF",
        help="What ETags are made from: content, mtime (and size), or auto: the content if the mtime of a file is in "
        "whole seconds, as build tools often set it, else mtime.",
    )
    cache_control: tuple[tuple[str, str], ...] = repeatable(
        CACHE_RULE,
        metavar="GLOB=VALUE",
        help="Cache-Control of files whose paths match GLOB, such as '/assets/**=public, max-age=60'; without GLOB, of "
        "all files. Repeat it for more; the last match is used.",
    )
