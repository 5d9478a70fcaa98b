"""Options: HTTPS."""

from __future__ import annotations

from typing import ClassVar, Literal

from fastfile.config.option import OptionGroup, option, repeatable
from fastfile.config.values import PATH, SWITCH, choice, number, seconds

YEAR_S = 31536000


class TlsOptions(OptionGroup):
    """Certificates, and what plain HTTP gets beside HTTPS."""

    TITLE: ClassVar = "HTTPS"

    https: bool = option(
        SWITCH,
        default=False,
        help="Serve HTTPS with a certificate of your own local CA, for local names and addresses. `fastfile cert "
        "install` makes browsers trust it.",
    )
    tls_cert: tuple[str, ...] = repeatable(
        PATH,
        metavar="FILE",
        help="Serve HTTPS with this certificate (PEM, followed by its chain). Repeat it with --tls-key for more host "
        "names; clients that send no name get the first one.",
    )
    tls_key: tuple[str, ...] = repeatable(
        PATH,
        metavar="FILE",
        help="Private key of the certificate (PEM): one for each --tls-cert, in the same order. Without it, fastfile "
        "reads each key from the file of its certificate.",
    )
    tls_password_file: str | None = option(
        PATH, metavar="FILE", help="File that has the password of encrypted keys in its first line."
    )
    tls_min: Literal["1.2", "1.3"] = option(
        choice("1.2", "1.3"), default="1.2", metavar="VERSION", help="Oldest version of TLS to accept: 1.2 or 1.3."
    )
    tls_ticket_key_life: float = option(
        seconds(0, YEAR_S),
        default=86400.0,
        metavar="TIME",
        help="Replace the keys of session tickets after this time; clients then make one full handshake. 0 keeps the "
        "keys until the next reload.",
        reason="a stolen key decrypts recorded TLS 1.2 sessions that were resumed with it",
        peers="Go 24 h; nginx without a shared cache none",
    )
    redirect_http: int | None = option(
        number(0, 65535),
        metavar="PORT",
        help="Also listen for plain HTTP on this port: redirect it to HTTPS (308), and serve "
        "/.well-known/acme-challenge/ from the folder.",
    )
    hsts: int | None = option(
        number(0, 10 * YEAR_S),
        bare=str(YEAR_S),
        metavar="SECONDS",
        help="Tell browsers to use only HTTPS for this host, for a year or the given time "
        "(Strict-Transport-Security). Never sent with a local certificate.",
    )
