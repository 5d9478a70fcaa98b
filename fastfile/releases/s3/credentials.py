"""Where the credentials for S3 come from: the standard places. This module names the place, and never a secret.

obstore reads the environment, container and instance roles and web identities itself; profiles take boto3.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastfile.errors import StartError, tell_missing
from fastfile.records import NamedTuple

if TYPE_CHECKING:
    from obstore.store import S3CredentialProvider


# obstore ends with a panic at characters that no URL and no header field may have.
_ENDPOINT = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[!-~]*)?")
_REGION = re.compile(r"[A-Za-z0-9._-]+")
_KEY = re.compile(r"[!-~]+")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


class Credentials(NamedTuple):
    """``source`` is for messages. ``provider`` is None where obstore finds the credentials itself."""

    source: str
    provider: S3CredentialProvider | None = None
    endpoint: str | None = None
    region: str | None = None


def find_credentials(environ: Mapping[str, str]) -> Credentials:
    """Return the first source that is configured. Raises StartError if it cannot be used."""
    profile = environ.get("AWS_PROFILE")
    if environ.get("AWS_SKIP_SIGNATURE", "").lower() in ("1", "true"):
        return Credentials("none, by AWS_SKIP_SIGNATURE")
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        return Credentials("AWS_ACCESS_KEY_ID")
    if not profile:
        if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
            return Credentials("the web identity of AWS_WEB_IDENTITY_TOKEN_FILE")
        if any(name.startswith("AWS_CONTAINER_CREDENTIALS_") for name in environ):
            return Credentials("the container's role")
        if not _has_profiles(environ):
            if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
                raise StartError(
                    "no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
                )
            return Credentials("the instance's role, because AWS_ACCESS_KEY_ID and AWS_PROFILE are not set")
    return _read_profile(profile)


def find_endpoint(environ: Mapping[str, str]) -> str | None:
    """Return the URL of the store's endpoint; None for that of AWS."""
    return next(filter(None, map(environ.get, _ENDPOINTS)), None)


def check_values(environ: Mapping[str, str], endpoint: str | None, region: str | None) -> None:
    """Check what goes into requests; ``endpoint`` and ``region`` are those of a profile.

    Raises StartError, which names the variable and never shows its value.
    """
    for name in filter(environ.get, _KEYS):
        if _KEY.fullmatch(environ[name]) is None:
            raise StartError(f"{name} has a character that no key has, such as a space or a line break at its end")
    for name, text in [*((name, environ.get(name)) for name in _REGIONS), ("the region of the profile", region)]:
        if text and _REGION.fullmatch(text) is None:
            raise StartError(f"{name}: expected the name of a region, such as eu-central-1")
    for name, text in [*((name, environ.get(name)) for name in _ENDPOINTS), ("the endpoint of the profile", endpoint)]:
        if text and (_ENDPOINT.fullmatch(text) is None or set(text) & set("?#@") or not _has_good_port(text)):
            raise StartError(f"{name}: expected a URL such as https://s3.example.com")


def _has_good_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def show_endpoint(endpoint: str | None) -> str:
    """Return the host of an endpoint, without what may be secret in a URL."""
    if endpoint is None:
        return "AWS"
    try:
        parts = urlsplit(endpoint)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    except ValueError:
        return "the endpoint"


def _has_profiles(environ: Mapping[str, str]) -> bool:
    files = (
        environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
        environ.get("AWS_CONFIG_FILE") or "~/.aws/config",
    )
    return any(os.path.exists(os.path.expanduser(file)) for file in files)


def _read_profile(profile: str | None) -> Credentials:
    """Return the credentials of a profile, or of the default one. boto3 also refreshes those of roles and SSO."""
    name = f"the profile {profile}" if profile else "the default profile"
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise StartError(f"{name} of ~/.aws: {tell_missing('boto3')}; or set AWS_ACCESS_KEY_ID") from None
    try:
        session = boto3.Session(profile_name=profile)
        provider = Boto3CredentialProvider(session)
        endpoint = session._session.get_scoped_config().get("endpoint_url")
    except (BotoCoreError, ValueError) as error:
        # A ValueError says that the profile has no credentials.
        reason = "it has no credentials" if isinstance(error, ValueError) else type(error).__name__
        raise StartError(f"{name} cannot be used: {reason}") from None
    return Credentials(name, provider, endpoint, session.region_name)
