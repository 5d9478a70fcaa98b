"""The whole server against a model of about forty lines: any mixture of conditional, range and coding fields.

The model consists of the naive oracles of semantics_rules.py and uses no server code; the responses come over a socket,
through the checks for every response.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.http_rules import MAX_RANGES, NOW_S, naive_coding, naive_outcome, naive_ranges, naive_weights
from support.rawclient import RawClient, Received
from support.serverprocess import ServerProcess

MTIME_S = NOW_S
DATES = (
    "Tue, 14 Nov 2023 22:13:19 GMT",
    "Tue, 14 Nov 2023 22:13:20 GMT",
    "Tuesday, 14-Nov-23 22:13:20 GMT",
    "Tue Nov 14 22:13:21 2023",
    "Fri, 01 Jan 2100 00:00:00 GMT",
    "yesterday",
)
CONTENTS = {
    b"identity": b"abcdefghijklmnopqrstuvwxyz" * 8,
    b"br": b"brotli!" * 9,
    b"zstd": b"\x28\xb5\x2f\xfd" * 9,
    b"gzip": b"\x1f\x8b" * 9,
}
SUFFIXES = {b"identity": "", b"br": ".br", b"zstd": ".zst", b"gzip": ".gz"}
TAGS = ("IDENTITY", "BR", "GZIP")  # stand for the tags that the server gave
LISTS = st.lists(st.sampled_from([*TAGS, "W/IDENTITY", "W/BR", '"x"', "", "x"]), max_size=3).map(", ".join) | st.just(
    "*"
)
SPECS = st.builds("{}-{}".format, st.integers(0, 250) | st.just(""), st.integers(0, 250) | st.just(""))
RANGES = st.lists(SPECS, max_size=6).map(lambda specs: "bytes=" + ",".join(specs)) | st.just("items=0-1")
WEIGHTS = st.sampled_from(["", ";q=0", ";q=0.5", "; q=1.0", ";q=0.001", ";q=x"])
CODINGS = st.sampled_from(["br", "gzip", "zstd", "identity", "*", "X-GZIP", "deflate"])
ENCODINGS = st.lists(st.builds(str.__add__, CODINGS, WEIGHTS), max_size=4).map(", ".join)
FIELDS = {
    "If-Match": LISTS,
    "If-None-Match": LISTS,
    "If-Modified-Since": st.sampled_from(DATES),
    "If-Unmodified-Since": st.sampled_from(DATES),
    "Range": RANGES,
    "If-Range": st.sampled_from([*TAGS, "W/IDENTITY", "*", *DATES]),
    "Accept-Encoding": ENCODINGS,
}
# Preconditions stop most requests before their Range is evaluated, so half of them have none.
questions = st.fixed_dictionaries({}, optional=FIELDS) | st.fixed_dictionaries(
    {"Range": RANGES}, optional={name: FIELDS[name] for name in ("If-Range", "Accept-Encoding")}
)


class Site(NamedTuple):
    client: RawClient
    tags: dict[bytes, str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("site")
    for coding, content in CONTENTS.items():
        path = root / f"app.js{SUFFIXES[coding]}"
        path.write_bytes(content)
        os.utime(path, (MTIME_S, MTIME_S))
    with ServerProcess([str(root), "--limit-ranges", str(MAX_RANGES)]) as server, RawClient(server.connect()) as client:
        tags = {}
        for coding in CONTENTS:
            response = client.request("/app.js", "GET", f"Accept-Encoding: {coding.decode()}")
            tags[coding] = response.fields["etag"]
        yield Site(client, tags)


def expected(fields: dict[str, str], tags: dict[bytes, str], is_get: bool) -> tuple[int, bytes, list[bytes]] | None:
    """Return status, coding and the parts of the body; None if the model does not know."""
    accepted = fields.get("Accept-Encoding", "").encode()
    coding = naive_coding(accepted)
    if coding is None:
        return None
    wants_range = is_get and "Range" in fields
    if wants_range and not refuses_identity(accepted):
        coding = b"identity"
    content, tag = CONTENTS[coding], tags[coding].encode()
    names = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")
    match, none_match, modified, unmodified = (fields[name].encode() if name in fields else None for name in names)
    outcome = naive_outcome(match, none_match, modified, unmodified, tag, MTIME_S)
    if outcome:
        return outcome, coding, []
    current = (tag.decode(), *DATES[1:3])
    if not wants_range or fields.get("If-Range", current[0]) not in current:
        return 200, coding, [content]
    ranges = naive_ranges(fields["Range"].encode(), len(content))
    if ranges is None:
        return 200, coding, [content]
    return (206 if ranges else 416), coding, [content[start:stop] for start, stop in ranges]


def refuses_identity(accepted: bytes) -> bool:
    listed = naive_weights(accepted) or []
    weights = [weight for name, weight in listed if name == b"identity"] or [w for name, w in listed if name == b"*"]
    return 0 in weights


def bodies(response: Received) -> list[bytes]:
    if response.fields.get("content-type", "").startswith("multipart/"):
        return [content for _, content in response.parts()]
    return [response.body]


@settings(max_examples=500)
@given(questions, st.sampled_from(["GET", "HEAD"]))
def test_any_mixture_of_fields_gets_the_response_of_the_model(site: Site, fields: dict[str, str], method: str) -> None:
    named = {"IDENTITY": site.tags[b"identity"], "BR": site.tags[b"br"], "GZIP": site.tags[b"gzip"]}
    for name, value in fields.items():
        if name.startswith("If-"):
            for word, tag in named.items():
                value = value.replace(word, tag)
            fields[name] = value
    answer = expected(fields, site.tags, method == "GET")
    response = site.client.request("/app.js", method, *(f"{name}: {value}" for name, value in fields.items()))
    if answer is None:
        return
    status, coding, parts = answer
    assert response.status == status
    assert "Accept-Encoding" in response.fields["vary"].split(", ")
    if status in (200, 206):
        assert response.fields.get("content-encoding", "identity").encode() == coding
        assert response.fields["etag"] == site.tags[coding]
        assert bodies(response) == (parts if method == "GET" else [b""])
        assert status == 206 or response.fields["content-length"] == str(len(parts[0]))
