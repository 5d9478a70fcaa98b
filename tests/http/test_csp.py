"""Extending policies so that they allow one more script."""

import pytest

from fastfile.http.csp import extend_policies, needs_nonce

SCRIPT, SOCKET = b"h/live.js", b"ws://h/live"


@pytest.mark.parametrize(
    ("policy", "extended"),
    [
        # Only restricting directives are extended, and 'none' cannot be combined with other sources.
        (b"img-src 'self'", b"img-src 'self'"),
        (b"script-src 'self'", b"script-src 'self' h/live.js"),
        (b"script-src 'none'; connect-src 'none'", b"script-src h/live.js; connect-src ws://h/live"),
        (b"Script-Src 'self' ; ", b"Script-Src 'self' h/live.js"),
        # The more specific directive applies (CSP3 §6.8.1), and the first of two with one name.
        (b"script-src-elem 'self'; script-src x", b"script-src-elem 'self' h/live.js; script-src x"),
        (b"script-src a; script-src b", b"script-src a h/live.js; script-src b"),
        # default-src stays unchanged for everything else.
        (
            b"default-src 'none'; img-src *",
            b"default-src 'none'; img-src *; script-src h/live.js; connect-src ws://h/live",
        ),
        (
            b"default-src 'self' x; script-src y",
            b"default-src 'self' x; script-src y h/live.js; connect-src 'self' x ws://h/live",
        ),
        # 'strict-dynamic' makes browsers ignore other sources than nonces and hashes.
        (
            b"script-src 'strict-dynamic' 'nonce-a'",
            b"script-src 'strict-dynamic' 'nonce-a' 'nonce-N'",
        ),
        # Every policy of a list has to allow it.
        (b"script-src a, , script-src b", b"script-src a h/live.js, script-src b h/live.js"),
        (b"connect-src 'self' ws://h/live", b"connect-src 'self' ws://h/live"),
        (b"", b""),
    ],
)
def test_a_policy_is_extended(policy: bytes, extended: bytes) -> None:
    assert extend_policies(policy, SCRIPT, b"N", (SOCKET,)) == extended
    assert needs_nonce(policy) == (b"strict-dynamic" in policy)
