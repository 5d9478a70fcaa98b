"""Offers the certificate of the local CA to phones (--https with --host): middleware that answers at two paths.

One is a page that says how to install it, the other the certificate. They hold no secret, so no password is needed. The
certificate has no Content-Disposition, since Safari would save a file instead of installing it.
"""

from __future__ import annotations

import hashlib
import ssl

from fastfile.http.field_changes import FieldChanges
from fastfile.message import Deferred, RequestHead, Response
from fastfile.responder import Middleware, Responder
from fastfile.site.pages import HTML, MESSAGE_STYLE, make_html_head, read_asset, source_hash
from fastfile.site.representation import NO_CACHE, make_bodiless, make_page

PAGE_PATH = b"/.well-known/fastfile-ca"
PATH = PAGE_PATH + b".crt"
MEDIA_TYPE = b"application/x-x509-ca-cert"  # by which iOS and Android know what to do; both take PEM

_TITLE = "Trust this server on your phone"
_STYLE = MESSAGE_STYLE + read_asset("fastfile.middleware", "ca_page.css")
_POLICY = b"default-src 'none'; style-src %b; base-uri 'none'; form-action 'none'" % source_hash(_STYLE)
_PAGE = f"""\
<main><h1>{_TITLE}</h1>
<p>Install the certificate of the local authority that has signed this server's. It can sign only local names.</p>
<p><a href="fastfile-ca.crt" class=go>Download the certificate</a></p>
<h2>iPhone and iPad, in Safari</h2>
<ol><li>Allow the download.
<li>Open Settings, Profile Downloaded, Install.
<li>Open Settings, General, About, Certificate Trust Settings, and switch it on.</ol>
<h2>Android</h2>
<ol><li>Open Settings, Security, More security settings, Encryption &amp; credentials.
<li>Choose Install a certificate, CA certificate, and the downloaded file.</ol>
<h2>Before you trust it</h2>
<p>Compare its SHA-256 fingerprint with that of <code>fastfile cert</code> on the computer:</p>
<p class=hint><code>%s</code></p></main>
"""


class CaDownload(Middleware):
    """Responds at ``PATH`` with a certificate in PEM, and at ``PAGE_PATH`` with the page about it."""

    def __init__(self, handler: Responder, pem: bytes, changes: FieldChanges) -> None:
        super().__init__(handler)
        fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode("ascii"))).hexdigest().upper()
        shown = ":".join(fingerprint[start : start + 2] for start in range(0, len(fingerprint), 2))
        page = (make_html_head(_TITLE, _STYLE) + _PAGE % shown).encode()
        policy = (b"Content-Security-Policy", _POLICY)
        self._pages = {
            PATH: make_page(200, MEDIA_TYPE, pem, (NO_CACHE,), changes),
            PAGE_PATH: make_page(200, HTML, page, (NO_CACHE, policy), changes),
        }

    def respond(self, head: RequestHead) -> Response | Deferred:
        page = self._pages.get(head.target.partition(b"?")[0])
        if page is None or head.method not in (b"GET", b"HEAD"):
            return self.handler.respond(head)
        return make_bodiless(page) if head.method == b"HEAD" else page
