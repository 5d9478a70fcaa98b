"""The dialects of ``_redirects`` and ``_headers``: one for each provider, and the default.

Sources: Netlify's documentation (routing/redirects, routing/redirects/redirect-options, routing/headers) and its
netlify/build parsers; Cloudflare's (pages/configuration/redirects, pages/configuration/headers) and the pages-shared
package of cloudflare/workers-sdk. docs/rules.md names the source of each rule.
"""

from __future__ import annotations

from fastfile.http.status import REASONS
from fastfile.rules.rule import Dialect

REDIRECTS = frozenset((301, 302, 303, 307, 308))
_ERRORS = frozenset(status for status in REASONS if status >= 400)

# Rules with placeholders or splats; Netlify's documentation warns of 10,000.
_MOST = 1000
NETLIFY = Dialect(
    "Netlify",
    default_status=301,
    statuses=REDIRECTS | _ERRORS | {200},
    any_slash=True,
    placeholders_anywhere=False,
    splat_anywhere=False,
    forced=False,
    conditions=True,
    joins_fields=False,
    removes_fields=False,
    fills_values=False,
    max_dynamic=_MOST,
    max_header_rules=_MOST,
)
CLOUDFLARE = Dialect(
    "Cloudflare Pages",
    default_status=302,
    statuses=REDIRECTS | {200},
    any_slash=False,
    placeholders_anywhere=True,
    splat_anywhere=True,
    forced=True,
    conditions=False,
    joins_fields=True,
    removes_fields=True,
    fills_values=True,
    max_static=2000,
    max_dynamic=100,
    max_line=1000,
    max_header_rules=100,
    max_header_line=2000,
)
# Without --as: Netlify's, plus the features of Cloudflare that do not contradict it.
EITHER = NETLIFY._replace(
    name="fastfile", splat_anywhere=True, joins_fields=True, removes_fields=True, fills_values=True
)
