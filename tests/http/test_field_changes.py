"""Changes of fields by options and rules: replaced, joined and unchanged fields."""

from __future__ import annotations

from fastfile.http.field_changes import NO_CHANGES, FieldChanges

OURS = ((b"Cache-Control", b"no-cache"), (b"Vary", b"Accept-Encoding"), (b"ETag", b'"x"'))


def test_a_field_replaces_the_default_in_any_letter_case() -> None:
    changes = FieldChanges(((b"cache-control", b"max-age=1"), (b"X-A", b"1")))
    assert dict(changes.apply(OURS)) == {
        b"ETag": b'"x"',
        b"cache-control": b"max-age=1",
        b"X-A": b"1",
        b"Vary": b"Accept-Encoding",
    }


def test_vary_is_what_anybody_said_once() -> None:
    first = FieldChanges(((b"Vary", b"Origin"),))
    both = first.then(FieldChanges(((b"vary", b"Save-Data, accept-encoding"),)))
    assert dict(both.apply(OURS))[b"Vary"].lower() == b"accept-encoding, origin, save-data"
    assert dict(FieldChanges(((b"Vary", b"*"),)).apply(OURS))[b"Vary"] == b"*"


def test_of_two_that_set_a_field_the_later_holds() -> None:
    first, second = FieldChanges(((b"X-A", b"1"), (b"X-B", b"1"))), FieldChanges(((b"x-a", b"2"),))
    assert dict(first.then(second).apply(())) == {b"X-B": b"1", b"x-a": b"2"}
    assert first.then(NO_CHANGES) == NO_CHANGES.then(first) == first


def test_spared_fields_keep_their_defaults() -> None:
    changes = FieldChanges(((b"Cache-Control", b"max-age=1"), (b"X-A", b"1")), frozenset({b"etag"}))
    spared = changes.sparing((b"cache-control", b"etag"))
    assert dict(spared.apply(OURS)) == {**dict(OURS), b"X-A": b"1"}
    assert b"ETag" not in dict(changes.apply(OURS))
