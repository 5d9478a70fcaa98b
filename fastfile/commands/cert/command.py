"""``fastfile cert``: shows the local CA, makes certificates, and adds the CA to the stores of trusted CAs.

Only ``install`` changes what this machine trusts. Owns the arguments and the output; the stores are in separate
modules.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from fastfile.cli.arguments import HELP, Usage, make_help, parse_arguments, read_values
from fastfile.commands.cert.keychain import find_keychain
from fastfile.commands.cert.nss_store import find_nss_stores
from fastfile.commands.cert.stores import Absent, Machine, Store, StoreError
from fastfile.commands.cert.system_store import find_system_store
from fastfile.config.load import COMMAND_LINE
from fastfile.config.option import Option
from fastfile.config.values import PATH, choice
from fastfile.errors import ConfigError, StartError
from fastfile.local_ca.folder import make_folder, write_whole
from fastfile.local_ca.library import Library, find_authority, open_library, replace_authority, utc_now
from fastfile.local_ca.names import Name, parse_name
from fastfile.records import NamedTuple
from fastfile.terminal import printable, write

ACTIONS = ("install", "uninstall")
STORES = ("system", "chromium", "firefox")
USAGE = Usage(
    """\
Usage: fastfile cert [OPTIONS] [NAME...]
       fastfile cert install [--store STORE]
       fastfile cert uninstall [--store STORE]

Show the local CA, which signs the certificates of --https. With NAME: make a
certificate for these host names and addresses. install makes the browsers and
programs of this machine trust the CA, and uninstall undoes that.
""",
    (
        Option(
            group="Options",
            name="store",
            kind=choice(*STORES),
            default=(),
            metavar="STORE",
            help="Only this store: system (on macOS, the login keychain), chromium or firefox. Repeat it for more.",
            repeatable=True,
        ),
        Option(
            group="Options",
            name="out",
            kind=PATH,
            default=None,
            metavar="DIR",
            help="Folder in which to write NAME.pem (the certificate) and NAME-key.pem (its key); without it, "
            "fastfile's own data folder.",
        ),
    ),
    (
        ("--ca-root", "Print the path of the CA's certificate, for curl --cacert and others."),
        ("--new", "Replace the CA by a new one."),
        HELP,
    ),
    """\
Examples:
  fastfile cert install
  fastfile cert shop.test '*.shop.test'
  curl --cacert "$(fastfile cert --ca-root)" https://localhost:8000/
  NODE_EXTRA_CA_CERTS="$(fastfile cert --ca-root)" node app.js

The CA is limited to names below localhost, local, test, internal and home.arpa,
to this machine's host name, and to private addresses. If fastfile has no CA, it
uses the CA of mkcert, if there is one. Exit status: 0 on success, 1 when a
store could not be changed.
""",
    words=ACTIONS,
    is_list=True,
)
# Stores by name, as --store spells them.
_FINDERS: dict[str, Callable[[Machine], Iterable[Store | Absent]]] = {
    "system": lambda machine: [find_keychain(machine) if sys.platform == "darwin" else find_system_store(machine)],
    "chromium": lambda machine: [] if sys.platform == "darwin" else find_nss_stores(machine, "Chromium"),
    "firefox": lambda machine: find_nss_stores(machine, "Firefox"),
}


class Outcome(NamedTuple):
    """The result for one store: a word or two, the store, and a remark."""

    word: str
    title: str
    remark: str = ""
    is_failure: bool = False


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status. Raises ConfigError and StartError."""
    arguments = parse_arguments(USAGE, argv)
    if "help" in arguments or "h" in arguments:
        write(sys.stdout, make_help(USAGE))
        return 0
    words = arguments.pop("words", [])
    switches = {name for name in ("ca_root", "new") if arguments.pop(name, None)}
    values = read_values(USAGE, arguments)
    action = words[0] if words and words[0] in ACTIONS else ""
    _check(action, words, switches, values)
    library = open_library(os.environ)
    if "new" in switches:
        replace_authority(library, utc_now())
    if action:
        return _change_stores(library, action, values["store"])
    if words:
        return _make_certificate(library, words, values["out"])
    authority = find_authority(library, utc_now())
    write(sys.stdout, f"{authority.path}\n" if "ca_root" in switches else _describe(library, values["store"]))
    return 0


def change(stores: Iterable[Store | Absent], path: str, pem: bytes) -> list[Outcome]:
    """Add a certificate to each store; a failure of one does not affect the others."""
    return [_attempt(store, lambda store: _add(store, path, pem)) for store in stores]


def undo(stores: Iterable[Store | Absent]) -> list[Outcome]:
    """Remove the CA from each store; a failure of one does not affect the others."""
    return [_attempt(store, _remove) for store in stores]


def look(stores: Iterable[Store | Absent], pem: bytes) -> list[Outcome]:
    """Return whether each store trusts the certificate."""

    def see(store: Store) -> Outcome:
        return Outcome("trusted" if store.holds(pem) else "not trusted", store.title)

    return [_attempt(store, see) for store in stores]


def find_stores(machine: Machine, names: Sequence[str] = ()) -> list[Store | Absent]:
    """Return the stores of this machine, and the missing kinds."""
    return [store for name in names or STORES for store in _FINDERS[name](machine)]


def _check(action: str, words: Sequence[str], switches: set[str], values: dict[str, Any]) -> None:
    """Raise ConfigError for arguments that cannot be used together."""
    if action and len(words) > 1:
        raise ConfigError(action, COMMAND_LINE, f'takes no name, got "{printable(words[1])}"')
    if words and "ca_root" in switches:
        raise ConfigError("--ca-root", COMMAND_LINE, f'cannot be used with "{printable(words[0])}"')
    if action == "uninstall" and "new" in switches:
        raise ConfigError("--new", COMMAND_LINE, "cannot be used with uninstall")
    if values["out"] is not None and (action or not words):
        raise ConfigError("--out", COMMAND_LINE, "is for a certificate: give a NAME too")


def _change_stores(library: Library, action: str, names: Sequence[str]) -> int:
    stores = find_stores(Machine(library.person), names)
    if action == "install":
        authority = find_authority(library, utc_now())
        outcomes = change(stores, authority.path, authority.pem)
        if any(outcome.word in ("added", "there already") for outcome in outcomes):
            with suppress(OSError):
                write_whole(library.mark, authority.fingerprint.encode(), 0o644, library.person)
        text = f"CA: {printable(authority.path)}\n{_make_table(outcomes)}"
        text += "Restart browsers that are open. Node, Python and phones: docs/https.md\n"
    else:
        outcomes = undo(stores)
        if not names:
            with suppress(OSError):
                os.unlink(library.mark)
        text = _make_table(outcomes)
        text += f"The CA itself stays in {printable(library.ca)}\n" if os.path.isdir(library.ca) else ""
    write(sys.stdout, text)
    return 1 if any(outcome.is_failure for outcome in outcomes) else 0


def _make_certificate(library: Library, words: Sequence[str], out: str | None) -> int:
    names = [_read_name(word) for word in words]
    authority = find_authority(library, utc_now())
    from fastfile.local_ca.leaf import LIFETIME, make_leaf

    for word, name in zip(words, names, strict=True):
        if not authority.may_certify(name):
            problem = f'"{printable(word)}" is not a local name: the CA is limited to those (fastfile cert --help)'
            raise ConfigError("NAME", COMMAND_LINE, problem)
    folder = os.path.abspath(out) if out is not None else library.leaves
    make_folder(folder, library.person)
    certificate, key = make_leaf(authority, names, utc_now())
    stem = os.path.join(folder, str(names[0]).replace("*", "_wildcard").replace(":", "_"))
    try:
        write_whole(f"{stem}-key.pem", key, 0o600, library.person)
        write_whole(f"{stem}.pem", certificate, 0o644, library.person)
    except OSError as error:
        raise StartError(f"cannot write the certificate: {printable(f'{stem}.pem')}: {error.strerror}") from None
    shown = ", ".join(map(str, names))
    text = f"Certificate for {shown}, valid for {LIFETIME.days} days:\n"
    paths = [shlex.quote(printable(path)) for path in (f"{stem}.pem", f"{stem}-key.pem")]
    text += f"  fastfile --tls-cert {paths[0]} --tls-key {paths[1]}\n"
    write(sys.stdout, text)
    return 0


def _read_name(word: str) -> Name:
    try:
        return parse_name(word)
    except ValueError:
        expected = f'expected a host name or an IP address, got "{printable(word)}"'
        raise ConfigError("NAME", COMMAND_LINE, expected) from None


def _describe(library: Library, names: Sequence[str]) -> str:
    authority = find_authority(library, utc_now())
    outcomes = look(find_stores(Machine(library.person), names), authority.pem)
    kind = "Local CA of mkcert" if authority.is_foreign else "Local CA"
    text = f"{kind}: {printable(authority.path)}\n"
    text += f"  valid until {authority.certificate.not_valid_after_utc:%Y-%m-%d}\n"
    text += f"  SHA-256 {authority.fingerprint}\n"
    if domains := authority.permitted_domains:
        text += f"  for names below {', '.join(domains)}, and private addresses\n"
    text += _make_table(outcomes)
    if any(outcome.word == "not trusted" for outcome in outcomes):
        text += "To trust it: fastfile cert install\n"
    return text


def _add(store: Store, path: str, pem: bytes) -> Outcome:
    if store.holds(pem):
        return Outcome("there already", store.title)
    store.add(path)
    if not store.holds(pem):
        raise StoreError("the tool reported success, but the store does not have it")
    return Outcome("added", store.title, f"for {store.readers}")


def _remove(store: Store) -> Outcome:
    return Outcome("removed" if store.remove() else "not there", store.title)


def _attempt(store: Store | Absent, act: Callable[[Store], Outcome]) -> Outcome:
    if isinstance(store, Absent):
        return Outcome("skipped", store.title, store.reason)
    try:
        return act(store)
    except StoreError as error:
        return Outcome("failed", store.title, str(error), is_failure=True)


def _make_table(outcomes: Sequence[Outcome]) -> str:
    width = max((len(outcome.word) for outcome in outcomes), default=0)
    lines = ""
    for word, title, remark, _ in outcomes:
        lines += f"  {word:<{width}}  {printable(title)}" + (f": {printable(remark)}" if remark else "") + "\n"
    return lines
