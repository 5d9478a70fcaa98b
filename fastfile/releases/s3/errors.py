"""What a failed request to S3 means: read from obstore's text, told in one line without anything secret."""

from __future__ import annotations

import re

from fastfile.records import NamedTuple
from fastfile.releases.store import AccessDenied, BeyondEnd, StoreError, Throttled, Unavailable, Unsupported

_STATUS = re.compile(r"status code: ([0-9]{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
_SYSTEM = re.compile(r'message: "([A-Za-z ,.]{1,80})"')
_CERTIFICATE = re.compile(r"InvalidCertificate\((?:\s*Other(?:Error)?\()*\s*([A-Za-z]+)")
_THROTTLING = ("SlowDown", "TooManyRequests", "RequestLimitExceeded", "ThrottlingException", "Throttling")
# Codes that mean another thing than their status.
_DAMAGED = ("BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody")
_PASSING = (
    *_THROTTLING,
    "RequestTimeout",
    "ConditionalRequestConflict",
    "OperationAborted",
    "InternalError",
    *_DAMAGED,
)
# The text of obstore's error for a response that S3 never sends.
_FOREIGN = ("Got invalid", "Header missing from response", "non-partial response", "S3 error: Requested ")
_HINTS = {
    "RequestTimeTooSkewed": "the clock of this machine is wrong: the store's differs by more than 15 minutes",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "InvalidAccessKeyId": "the store does not know the access key",
    "ExpiredToken": "the credentials have expired",
    "BadDigest": "the upload was damaged on its way",
    "NoSuchBucket": "there is no such bucket",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_REGION",
}


class Failure(NamedTuple):
    """``status`` is 0 without a response; then ``reason`` says why. ``may_pass``: another attempt may succeed.

    ``is_unreachable``: there was not even a connection, so that the endpoint may be wrong.
    """

    status: int
    code: str
    reason: str
    may_pass: bool
    is_unreachable: bool = False

    @property
    def means_absent(self) -> bool:
        """True if a 404 is about the object, and not about the bucket or the endpoint."""
        return self.code != "NoSuchBucket" and not self.is_unreachable


def read_failure(text: str, kind: str) -> Failure:
    """Return the failure that an error of obstore describes; ``kind`` is the name of its class."""
    status = int(match[1]) if (match := _STATUS.search(text)) else 0
    code = match[1] if (match := _CODE.search(text)) else ""
    if "/169.254.169.254/" in text:
        return Failure(0, "", "this machine has no instance role", False)
    foreign = Failure(status, "", "the response is not that of an S3 service; check AWS_ENDPOINT_URL_S3", True, True)
    if status == 404 and "<html" in text.lower():
        return foreign
    if status:
        may_pass = (status >= 500 and status != 501) or status in (408, 429) or code in _PASSING
        return Failure(status, code, "", may_pass)
    if kind in ("PermissionDeniedError", "UnauthenticatedError"):
        return Failure(403, code, "", False)
    if "timed out" in text or "TimedOut" in text:
        return Failure(0, "", "no response in time", True)
    if any(sign in text for sign in _FOREIGN):
        return foreign
    is_unreachable = "kind: Connect" in text
    if "dns error" in text:
        return Failure(0, "", "the name of the endpoint has no address", True, True)
    if match := _CERTIFICATE.search(text):
        return Failure(0, "", f"the certificate of the endpoint is not trusted ({match[1]})", True, True)
    if "InvalidContentType" in text:
        return Failure(0, "", "the endpoint does not speak TLS: its URL begins with http://", True, True)
    if match := _SYSTEM.search(text):
        return Failure(0, "", match[1].lower(), True, is_unreachable)
    if "HTTP error" in text or "Http(" in text or "reqwest" in text:
        return Failure(0, "", "the connection failed", "builder error" not in text, is_unreachable)
    return Failure(0, "", f"obstore reports {kind}", False)


def make_error(where: str, failure: Failure, source: str, took_s: float) -> StoreError:
    """Return the error for users."""
    said = " ".join(filter(None, (str(failure.status or ""), failure.code, failure.reason)))
    hint = f": {_HINTS[failure.code]}" if failure.code in _HINTS else ""
    tried = f", tried for {took_s:.0f} s" if failure.may_pass and took_s >= 1 else ""
    text = f"{where}: {said}{hint}{tried} ({source})"
    if failure.code in _THROTTLING or failure.status == 429:
        return Throttled(text)
    if failure.status in (401, 403) or failure.reason.startswith("no role"):
        return AccessDenied(text)
    if failure.status == 416:
        return BeyondEnd(text)
    if failure.status in (405, 501):
        return Unsupported(text)
    return Unavailable(text) if failure.may_pass else StoreError(text)
