"""Offers the certificate of the local CA to phones (--https with --host): middleware that answers at one path.

It holds no secret, so no password is needed. A phone opens it in its browser and installs it; no Content-Disposition,
since Safari would save a file instead.
"""

from __future__ import annotations

from fastfile.http.field_changes import FieldChanges
from fastfile.message import Deferred, RequestHead, Response
from fastfile.responder import Middleware, Responder
from fastfile.site.representation import NO_CACHE, make_bodiless, make_page

PATH = b"/.well-known/fastfile-ca.crt"
MEDIA_TYPE = b"application/x-x509-ca-cert"  # by which iOS and Android know what to do; both take PEM


class CaDownload(Middleware):
    """Responds at ``PATH`` with a certificate in PEM."""

    def __init__(self, handler: Responder, pem: bytes, changes: FieldChanges) -> None:
        super().__init__(handler)
        self._page = make_page(200, MEDIA_TYPE, pem, (NO_CACHE,), changes)

    def respond(self, head: RequestHead) -> Response | Deferred:
        if head.target.partition(b"?")[0] != PATH or head.method not in (b"GET", b"HEAD"):
            return self.handler.respond(head)
        return make_bodiless(self._page) if head.method == b"HEAD" else self._page
