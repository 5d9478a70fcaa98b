"""Options: response headers, and access to the site."""

from __future__ import annotations

from typing import ClassVar

from fastfile.config.header_values import FIELD, ORIGIN, POLICY, REFERRER_POLICY
from fastfile.config.option import OptionGroup, option, repeatable
from fastfile.config.passwords import USER
from fastfile.config.values import PATH, SWITCH


class HeaderOptions(OptionGroup):
    """Headers that responses get in addition to those of HTTP itself."""

    TITLE: ClassVar = "Response headers"

    server_header: bool = option(SWITCH, default=True, help="Send the Server header.")
    header: tuple[str, ...] = repeatable(
        FIELD,
        metavar="'NAME: VALUE'",
        help="Add a header to every response, such as 'Permissions-Policy: camera=()'. It replaces a default header of "
        "that name. Repeat it for more.",
    )
    cors: tuple[str, ...] = repeatable(
        ORIGIN,
        metavar="ORIGIN",
        bare="*",
        help="Allow pages of other origins to read responses: every origin, or those given, such as "
        "--cors=https://app.example. Repeat it for more.",
    )
    coi: bool = option(
        SWITCH,
        default=False,
        help="Isolate pages (COOP, COEP and CORP), so that they may use SharedArrayBuffer and WebAssembly threads.",
    )
    csp: str | None = option(POLICY, metavar="POLICY", help="Send this Content-Security-Policy.")
    referrer_policy: str | None = option(
        REFERRER_POLICY, metavar="POLICY", help="Send this Referrer-Policy, such as no-referrer."
    )


class AccessOptions(OptionGroup):
    """Access to the site."""

    TITLE: ClassVar = "Access control"

    auth: tuple[str, ...] = repeatable(
        USER,
        metavar="USER:HASH",
        secret=True,
        help="Require a password. HASH is what fastfile hash-password prints. Repeat it for more users.",
    )
    auth_file: str | None = option(
        PATH,
        metavar="PATH",
        help="File of USER:HASH lines (htpasswd with scrypt or bcrypt), outside the served folder. SIGHUP reloads it.",
    )
