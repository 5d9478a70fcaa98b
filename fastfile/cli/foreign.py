"""Options of other servers, and what to use instead: the rest of the message "no such option; …".

docs/migration.md lists them by server. Imported only after a mistake.
"""

from __future__ import annotations

_TLS = "use --https for localhost, or --tls-cert FILE --tls-key FILE"
_COMPRESSED = "use --compress, or fastfile compress ahead of time"
_CACHE = "use --cache-control '**=max-age=SECONDS'"
_SEEN = "not needed: the next request sees a change of the folder"
_LOG = "use --log-format common, combined, json or none"

_MEANINGS = {
    "use --bind ADDR": "-a --addr --address --interfaces",
    "use --port N, with --bind ADDR or --host": "-l --listen",
    "use --host, or --bind ADDR": "--lan --network --expose --public",
    "use --host or --bind ADDR, as with sirv; or --header 'NAME: VALUE', as with http.server": "-H",
    "use --open, or --open=/PATH": "-o --browser --startPath --start-path",
    "use --spa for an app's routes, --quiet for silence": "-s",
    "use --spa": "--single --try-files --fallback --page-fallback --history-api-fallback --historyApiFallback",
    "use --quiet": "--silent",
    "name the folder without a flag: fastfile DIR": "--root --dir --folder --outDir --server --static",
    "folders are listed by default; --no-listing turns that off": "--browse --directory-listing",
    "use --dotfiles": "--hidden",
    "not needed: names that begin with a dot are not served": "--ignore-hidden-files",
    "put 404.html and 50x.html into the folder": "--page404 --page50x",
    "put 404.html into the folder": "--404 --not-found --error-page",
    "not needed: a .br, .zst or .gz beside a file is sent where accepted": "--precompressed --compression-static",
    "use --allowed-host NAME, with --tls-cert FILE --tls-key FILE": "--domain",
    "use --cors=ORIGIN": "--cors-allow-origins",
    "use --header, --csp and --hsts": "--security-headers",
    "fastfile has no tunnel; --allowed-host .ngrok.app accepts the names of one": "--tunnel",
    "not needed: about.html is also served at /about; --clean-urls redirects /about.html there": "--ext --extensions",
    "not needed: about.html is also served at /about, and every file has an ETag": "-e",
    "not needed: index.html is served for its folder; --index NAME names another file": "-i",
    "not needed: browsers revalidate all files; --cache-control '**=no-store' prevents storing": "--no-cache",
    "not needed: ETag and Last-Modified are both sent": "--no-etag",
    "not needed: fastfile serves what your build tool has written": "--mode",
    "use --follow-symlinks": "--symlinks",
    "use --follow-symlinks, as with serve; or --https, as with http-server": "-S",
    "use --cors, as with serve; or --tls-cert FILE, as with http-server": "-C",
    "use --mount /robots.txt=FILE": "-r --robots",
    "use --mime EXT=TYPE, once for each": "--mimetypes",
    "use --mime EXT=TYPE, or a Content-Type in _headers": "--content-type",
    "write a line in _redirects": "-I --ignores --redirect --rewrite",
    "use --base TARGET": "--route-prefix --prefix --public-url",
    "use --idle-timeout TIME": "-t --timeout",
    "use --cache-control for seconds, --cors for other origins, --config PATH for settings": "-c",
    "use --strict-port": "--no-port-switching --strictPort",
    "use --auth USER:HASH, as fastfile hash-password USER prints it": "--username --password --basic-auth",
    "use --user NAME, and --group NAME": "--uid --gid --chroot",
    "use --max-connections N": "--maxconn",
    "use --version": "-v",
    "use fastfile explain URL": "--debug",
    "not needed: fastfile speaks HTTP/1.1, and HTTP/1.0 with old clients": "--protocol",
    "not needed: nothing is compressed without --compress": "-u --no-compression",
    "not needed: fastfile does not use the clipboard": "-n --no-clipboard",
    "fastfile runs no code": "--cgi --templates",
    "use --proxy /api=URL, for the paths to forward": "-P --proxy-options",
    "fastfile stays in the foreground: deploy/ has a systemd unit": "--daemon",
    _COMPRESSED: "-g --gzip -B --brotli -z --compression",
    _CACHE: "-m --maxage --max-age --cache",
    _SEEN: "-D --dev",
    "use --live": "--watch --files --reload --livereload --live-reload",
    _LOG: "--log-level --logLevel -L --no-request-logging --access-log -U --utc --log-ip --log --logs --verbose",
    _TLS: "--tls --ssl -k --cert -K --key --ssl-cert --ssl-key --mkcert --self-signed",
    "use --tls-password-file FILE": "--pass --ssl-pass",
    "HTTP/2 is on; --http 1 turns it off": "--http2",
}
BY_SPELLING = {spelling: meaning for meaning, spellings in _MEANINGS.items() for spelling in spellings.split()}


def translate(word: str) -> str:
    """Return what to use instead of ``word``; empty for an unknown word. ``-c10`` is read as ``-c``."""
    return BY_SPELLING.get(word if word.startswith("--") else word[:2], "")
