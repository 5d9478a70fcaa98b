"""Content Security Policies (CSP Level 3) with one more allowed script: its source, and its connections."""

from __future__ import annotations

from collections.abc import Iterable

FIELDS = (b"content-security-policy", b"content-security-policy-report-only")
_NONE = b"'none'"


def needs_nonce(value: bytes) -> bool:
    """Tell whether one of the policies of a field trusts scripts only by nonce (§6.7.2.3, ``'strict-dynamic'``)."""
    return b"'strict-dynamic'" in value.lower()


def extend_policies(value: bytes, script: bytes, nonce: bytes, endpoints: Iterable[bytes]) -> bytes:
    """Return the value of a policy field that also allows ``script`` to run and to connect to ``endpoints``.

    ``script`` and ``endpoints`` are source expressions. ``nonce`` is used where ``'strict-dynamic'`` makes a browser
    ignore other sources. Nothing is added to a policy that does not restrict it.
    """
    return b", ".join(_extend(policy, script, nonce, endpoints) for policy in value.split(b",") if policy.strip())


def _extend(policy: bytes, script: bytes, nonce: bytes, endpoints: Iterable[bytes]) -> bytes:
    directives = [directive.split() for directive in policy.split(b";") if directive.strip()]
    _allow(directives, (b"script-src-elem", b"script-src", b"default-src"), (script,), nonce)
    _allow(directives, (b"connect-src", b"default-src"), tuple(endpoints), b"")
    return b"; ".join(b" ".join(directive) for directive in directives)


def _allow(directives: list[list[bytes]], names: tuple[bytes, ...], sources: tuple[bytes, ...], nonce: bytes) -> None:
    """Add sources to the first directive of ``names`` that is there (§6.8.1); default-src stays as it is for others."""
    named = {directive[0].lower(): directive for directive in reversed(directives)}  # of two, the first one counts
    found = next((name for name in names if name in named), None)
    if found is None:
        return
    directive = named[found]
    if found == b"default-src":
        directive = [names[-2], *directive[1:]]
        directives.append(directive)
    if nonce and any(source.lower() == b"'strict-dynamic'" for source in directive):
        sources = (b"'nonce-%b'" % nonce,)
    directive[1:] = [source for source in directive[1:] if source.lower() != _NONE]
    directive.extend(source for source in sources if source not in directive)
