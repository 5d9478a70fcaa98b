"""The CA stores of Chromium and Firefox on Linux: databases of NSS, changed by its tool certutil."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from glob import escape, glob

from fastfile.commands.cert.stores import NAME, Absent, Machine, StoreError, run
from fastfile.local_ca.folder import Person, make_folder

_TOOL = "certutil"
_PACKAGE = "certutil is missing: install libnss3-tools (Debian, Ubuntu), nss-tools (Fedora), nss (Arch, Homebrew)"
_MAX_ENTRIES = 16  # of one name that are removed
_CHROMIUM_FOLDERS = (
    ".pki/nssdb",
    ".local/share/pki/nssdb",
    "snap/*/current/.pki/nssdb",
    ".var/app/*/.pki/nssdb",
)
_CHROMIUM_PROGRAMS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    *("brave-browser", "microsoft-edge", "vivaldi"),
)
_FIREFOX_FOLDERS = (
    ".mozilla/firefox/*",
    ".config/mozilla/firefox/*",
    "snap/firefox/common/.mozilla/firefox/*",
    ".var/app/org.mozilla.firefox/.mozilla/firefox/*",
    ".var/app/org.mozilla.firefox/config/mozilla/firefox/*",
    "Library/Application Support/Firefox/Profiles/*",
)


@dataclass(frozen=True, slots=True)
class NssStore:
    """One database."""

    browser: str
    folder: str
    person: Person

    @property
    def readers(self) -> str:
        return self.browser

    @property
    def title(self) -> str:
        return f"{self.browser} ({self.folder})"

    def holds(self, pem: bytes) -> bool:
        return os.path.exists(self._database) and "".join(pem.decode().split()) in "".join(self._list().split())

    def add(self, path: str) -> None:
        if not os.path.exists(self._database):
            _require_tool()
            make_folder(self.folder, self.person)
            self._run("-N", "--empty-password")
        self.remove()
        self._run("-A", "-t", "C,,", "-n", NAME, "-i", path)

    def remove(self) -> bool:
        if not os.path.exists(self._database):
            return False
        count = 0
        while count < _MAX_ENTRIES and self._list():
            self._run("-D", "-n", NAME)
            count += 1
        return count > 0

    @property
    def _database(self) -> str:
        return os.path.join(self.folder, "cert9.db")

    def _list(self) -> str:
        """Return our entry as text; an empty string if there is none."""
        _require_tool()
        self._run("-L")  # fails where the database is damaged
        with suppress(StoreError):
            return self._run("-L", "-n", NAME, "-a")
        return ""

    def _run(self, *arguments: str) -> str:
        return run([_TOOL, "-d", f"sql:{self.folder}", *arguments], self.person)


def find_nss_stores(machine: Machine, browser: str) -> list[NssStore | Absent]:
    """Return the databases of Chromium and related browsers, or of Firefox."""
    home = machine.person.home
    patterns = _CHROMIUM_FOLDERS if browser == "Chromium" else _FIREFOX_FOLDERS
    folders = sorted({os.path.realpath(folder) for folder in _databases(home, patterns)})
    if not folders and browser == "Chromium" and any(map(shutil.which, _CHROMIUM_PROGRAMS)):
        folders = [os.path.join(home, _CHROMIUM_FOLDERS[0])]  # the folder that Chromium makes at its first start
    if not folders:
        return [Absent(browser, "not installed" if browser == "Chromium" else "no profile found")]
    return [NssStore(browser, folder, machine.person) for folder in folders]


def _databases(home: str, patterns: tuple[str, ...]) -> Iterator[str]:
    for pattern in patterns:
        for folder in glob(os.path.join(escape(home), pattern)):
            if os.path.exists(os.path.join(folder, "cert9.db")):
                yield folder


def _require_tool() -> None:
    if shutil.which(_TOOL) is None:
        raise StoreError(_PACKAGE)
