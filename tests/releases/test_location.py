"""Locations: which texts name a store, and what is said about the others."""

from __future__ import annotations

import pytest

from fastfile.releases.location import Location, is_location, parse_location

GOOD = {
    "s3://bucket": Location("s3", "bucket"),
    "s3://bucket/": Location("s3", "bucket"),
    "s3://my-bucket.1/site/main/": Location("s3", "my-bucket.1", "site/main"),
    "S3://bucket/a b": Location("s3", "bucket", "a b"),
    "file:///srv/site": Location("file", "/srv/site"),
    "file:///srv//site/./": Location("file", "/srv/site"),
    "file://localhost/srv/a%20b": Location("file", "/srv/a b"),
}
BAD = [
    *("s3://", "s3:///site", "s3://b", "s3://bucket/../other", "s3://bucket//a", "s3://bucket/a?b", "s3://bucket/a#b"),
    *("s3://bu cket/", "s3://bucket/a\n", "s3:bucket", "gs://bucket/site", "https://example.com", "./dist", ""),
    *("file://", "file:///", "file://host/srv", "file://srv", "file:///srv/../etc", "file:///a%00b", "file:///a?b"),
]


@pytest.mark.parametrize(("text", "location"), GOOD.items())
def test_a_location_is_a_bucket_or_a_folder(text: str, location: Location) -> None:
    assert parse_location(text) == location
    assert is_location(text)


@pytest.mark.parametrize("location", dict.fromkeys(GOOD.values()), ids=str)
def test_a_location_is_shown_as_it_is_written(location: Location) -> None:
    shown = str(location)
    assert " " in shown or parse_location(shown) == location


@pytest.mark.parametrize("text", BAD)
def test_any_other_text_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected (s3|file)://"):
        parse_location(text)


def test_credentials_in_a_location_are_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="no credentials") as caught:
        parse_location("s3://AKIA:hunter2@bucket/site")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["dist", "./s3:/x", "/srv/site", "C:/site", "s3:", "//host"])
def test_a_path_is_no_location(text: str) -> None:
    assert not is_location(text)
