"""Options of other servers, and what to use instead: the rest of the message "no such option; …".

docs/migration.md lists them by server. Imported only after a mistake.
"""

from __future__ import annotations

_TLS = "there is no TLS here; a proxy has it: sudo caddy reverse-proxy --to localhost:8000 is https://localhost"
_COMPRESSED = "here it is --compress, or fastfile compress ahead of time"
_CACHE = "here it is --cache-control '**=max-age=SECONDS'"
_SEEN = "it is not needed: a change of the folder is seen by the next request"
_LOG = "here it is --log-format common, combined, json or none"

_MEANINGS = {
    "here it is --bind ADDR": "-a --addr --address --interfaces",
    "here it is --port N, with --bind ADDR or --host": "-l --listen",
    "here it is --host, or --bind ADDR": "-H --lan",
    "here it is --open": "-o",
    "here it is --spa for an app's routes, --quiet for silence": "-s",
    "here it is --spa": "--single --try-files --fallback",
    "here it is --quiet": "-q --silent",
    "here it is the one word without a dash: fastfile DIR": "--root --dir --folder",
    "it is so unless --no-listing says otherwise": "--browse",
    "here it is --dotfiles": "--hidden",
    "here it is --clean-urls": "--ext --extensions",
    "here it is --clean-urls for .html; every file has a strong ETag": "-e",
    "here it is --follow-symlinks": "--symlinks",
    "here it is --follow-symlinks, as with serve; there is no TLS": "-S",
    "here it is --cors, as with serve; there is no TLS": "-C",
    "here it is --mount /robots.txt=FILE": "-r --robots",
    "here it is --mime EXT=TYPE, once for each": "--mimetypes",
    "here it is a line of _redirects": "-I --ignores --redirect --rewrite",
    "here it is --base TARGET": "--route-prefix --prefix --public-url",
    "here it is --idle-timeout TIME": "-t --timeout",
    "here it is --cache-control for seconds, --cors for other origins, --config PATH for settings": "-c",
    "here it is --strict-port": "--no-port-switching --strictPort",
    "here it is --auth USER:HASH, as fastfile hash-password USER prints it": "--username --password --basic-auth",
    "here it is --user NAME, and --group NAME": "--uid --gid --chroot",
    "here it is --max-connections N": "--maxconn",
    "here it is --version": "-v",
    "here it is fastfile explain URL": "--debug",
    "it is not needed: HTTP/1.1 is spoken, and 1.0 with who speaks that": "--protocol",
    "it is not needed: every file has a strong ETag": "--etag --no-etag",
    "it is not needed: nothing is compressed without --compress": "-u --no-compression",
    "it is not needed: the clipboard is left alone": "-n --no-clipboard",
    "no code is run here": "--cgi",
    "files are served here; a proxy in front can send /api elsewhere": "-P --proxy --proxy-options",
    "it stays in the foreground: deploy/ has a unit for systemd": "--daemon",
    _COMPRESSED: "-g --gzip -B --brotli -z --compression",
    _CACHE: "-m --maxage --max-age --cache",
    _SEEN: "-D --dev --watch --reload",
    _LOG: "-L --no-request-logging --access-log -U --utc --log-ip --log",
    _TLS: "--tls --ssl --https --http2 -k --cert -K --key --pass --tls-cert --tls-key --tls-password-file "
    "--ssl-cert --ssl-key --ssl-pass",
}
BY_SPELLING = {spelling: meaning for meaning, spellings in _MEANINGS.items() for spelling in spellings.split()}


def translate(word: str) -> str:
    """Return what to use instead of ``word``; empty for an unknown word. ``-c10`` is read as ``-c``."""
    return BY_SPELLING.get(word if word.startswith("--") else word[:2], "")
