"""Content negotiation: RFC 9110 §12.5.1 and §12.5.3, a row per rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfile.http.negotiation import VALUE_LIMIT, preferred_codings, preferred_type

ALL = (b"br", b"zstd", b"gzip")

CODINGS = [
    pytest.param(None, b"identity", id="without the field only the identity is sent"),
    pytest.param(b"", b"identity", id="an empty field asks for the identity"),
    pytest.param(b" , ,", b"identity", id="so do empty elements"),
    pytest.param(b"gzip", b"gzip identity", id="an unlisted identity is the last resort"),
    pytest.param(b"gzip, deflate, br, zstd", b"br zstd gzip identity", id="ties go by the order of the available"),
    pytest.param(b"deflate", b"identity", id="a coding that we do not have"),
    pytest.param(b"br;q=0.1, gzip;q=0.9", b"gzip br identity", id="the higher weight comes first"),
    pytest.param(b"br;q=0.001, gzip;q=0.002", b"gzip br identity", id="weights have three decimals"),
    pytest.param(b"gzip;q=0", b"identity", id="weight 0 is a refusal"),
    pytest.param(b"br;q=0.0, zstd;q=0.000, gzip", b"gzip identity", id="however many decimals 0 has"),
    pytest.param(b"*", b"br zstd gzip identity", id="an asterisk is every coding"),
    pytest.param(b"*;q=0", b"identity", id="nothing acceptable is answered with the identity anyway"),
    pytest.param(b"identity;q=0", b"identity", id="also when only the identity is refused and nothing else named"),
    pytest.param(b"identity;q=0, gzip", b"gzip", id="a refused identity is left out when there is another"),
    pytest.param(b"*;q=0, gzip", b"gzip", id="an asterisk refuses the identity as well"),
    pytest.param(b"*;q=0, identity;q=0.5", b"identity", id="unless it is listed"),
    pytest.param(b"*;q=0, identity;q=0, gzip;q=0", b"identity", id="all refused"),
    pytest.param(b"gzip;q=0, *", b"br zstd identity", id="an asterisk is not what is listed"),
    pytest.param(b"br;q=0.2, *;q=0.8", b"zstd gzip identity br", id="an asterisk has a weight for all others"),
    pytest.param(b"identity, gzip;q=0.5", b"identity gzip", id="the identity has a place by its weight"),
    pytest.param(b"identity;q=0.5, gzip;q=0.5", b"gzip identity", id="at equal weight a variant wins"),
    pytest.param(b"identity", b"identity", id="the identity alone"),
    pytest.param(b"GZip", b"gzip identity", id="codings are case-insensitive"),
    pytest.param(b"gzip;Q=0, br", b"br identity", id="so is q"),
    pytest.param(b"x-gzip", b"gzip identity", id="x-gzip is gzip"),
    pytest.param(b"x-gzip;q=0, gzip", b"identity", id="and refuses it"),
    pytest.param(b"gzip ; q=0.5 ,\tbr ;\tq=0.4", b"gzip br identity", id="white space around separators"),
    pytest.param(b"gzip;q=2, br", b"br identity", id="an element with a malformed weight is skipped"),
    pytest.param(b"gzip;q=-1", b"identity", id="a negative weight is malformed"),
    pytest.param(b"gzip;q=0.0001, br", b"br identity", id="four decimals are malformed"),
    pytest.param(b"gzip;q=, br", b"br identity", id="an empty weight is malformed"),
    pytest.param(b"gz ip, br", b"br identity", id="an element that is no token is skipped"),
    pytest.param(b"gzip;level=9, br", b"br identity", id="codings have no parameters"),
    pytest.param(b";q=1, ;, br", b"br identity", id="an element without a coding is skipped"),
    pytest.param(b'"gzip, br", zstd', b"zstd identity", id="a quoted string is no coding"),
    pytest.param(b"gzipped, brotli", b"identity", id="a name that only begins as ours"),
    pytest.param(b"gzip;q=0, gzip", b"identity", id="listed twice, the lower weight counts"),
    pytest.param(b"gzip, gzip;q=0", b"identity", id="in either order"),
    pytest.param(b"gzip".rjust(VALUE_LIMIT, b","), b"gzip identity", id="a value of the longest length"),
    pytest.param(b"gzip".rjust(VALUE_LIMIT + 1, b","), b"identity", id="a longer value says nothing"),
]


@pytest.mark.parametrize(("value", "expected"), CODINGS)
def test_codings_are_ordered_by_preference(value: bytes | None, expected: bytes) -> None:
    assert preferred_codings(value, ALL) == tuple(expected.split())


def test_only_available_codings_are_returned() -> None:
    assert preferred_codings(b"br, gzip", (b"gzip",)) == (b"gzip", b"identity")
    assert preferred_codings(b"br, gzip", ()) == (b"identity",)
    assert preferred_codings(b"identity;q=0, br", (b"gzip",)) == (b"identity",)


WEIGHTS = st.sampled_from([b"", b";q=0", b";q=0.000", b";q=0.001", b";q=0.5", b";q=1", b";q=1.000", b";Q=0.75"])
NAMES = st.sampled_from([b"br", b"zstd", b"gzip", b"identity", b"*", b"deflate"])


@given(st.lists(st.tuples(NAMES, WEIGHTS), unique_by=lambda element: element[0]), st.permutations(ALL))
def test_what_is_refused_is_never_returned(elements: list[tuple[bytes, bytes]], available: list[bytes]) -> None:
    value = b", ".join(name + weight for name, weight in elements)
    weights = {name: float(weight[3:] or 1) for name, weight in elements}
    result = preferred_codings(value, tuple(available))
    assert len(set(result)) == len(result) > 0
    variants = [coding for coding in result if coding != b"identity"]
    assert all(weights.get(coding, weights.get(b"*", 0)) > 0 for coding in variants)
    if weights.get(b"identity", weights.get(b"*", 1)) == 0 and variants:
        assert b"identity" not in result
    ranks = [(-weights.get(coding, weights.get(b"*", 0)), available.index(coding)) for coding in variants]
    assert ranks == sorted(ranks)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_coding(value: bytes) -> None:
    assert set(preferred_codings(value, ALL)) <= {*ALL, b"identity"}
    assert preferred_codings(value, ALL)


OFFERED = (b"text/html", b"application/json", b"text/plain")
BROWSER = b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

TYPES = [
    pytest.param(b"application/json".rjust(VALUE_LIMIT, b","), b"application/json", id="a value of the longest length"),
    pytest.param(b"application/json".rjust(VALUE_LIMIT + 1, b","), b"text/html", id="a longer value says nothing"),
    pytest.param(None, b"text/html", id="without the field the first offered"),
    pytest.param(b"", b"text/html", id="an empty field says nothing"),
    pytest.param(b"*/*", b"text/html", id="all types: the first offered"),
    pytest.param(BROWSER, b"text/html", id="what browsers send"),
    pytest.param(b"application/json", b"application/json", id="an exact type"),
    pytest.param(b"APPLICATION/Json", b"application/json", id="types are case-insensitive"),
    pytest.param(b"application/json, text/plain, */*", b"text/html", id="ties go by the order offered"),
    pytest.param(b"application/*", b"application/json", id="a range of subtypes"),
    pytest.param(b"text/*;q=0.5, application/json;q=0.4", b"text/html", id="the higher weight wins"),
    pytest.param(b"text/html;q=0.4, application/json;q=0.5", b"application/json", id="whatever its place"),
    pytest.param(b"*/*, text/*;q=0.1", b"application/json", id="the more specific range decides: subtypes over all"),
    pytest.param(b"text/*, text/html;q=0.1", b"text/plain", id="the more specific range decides: a type over subtypes"),
    pytest.param(b"text/html;q=0, */*", b"application/json", id="weight 0 is a refusal"),
    pytest.param(b"text/html;level=1;q=0.1, text/html;q=0.9", b"text/html", id="a range without parameters is ours"),
    pytest.param(b"text/*;a=1;q=0.1, text/*, application/json;q=0.5", b"text/html", id="also a range of subtypes"),
    pytest.param(b"*/*;a=1;q=0.1, */*, text/html;q=0.5", b"application/json", id="also the range of all types"),
    pytest.param(
        b"text/*, text/html;a=1;q=0.1", b"text/plain", id="a type with parameters is above a range of subtypes"
    ),
    pytest.param(b"*/*, text/*;a=1;q=0.1", b"application/json", id="subtypes with parameters are above all types"),
    pytest.param(b"text/html, text/html;q=0.1, text/plain;q=0.5", b"text/html", id="of a range listed twice the first"),
    pytest.param(b"application/json;charset=utf-8", b"application/json", id="parameters are tolerated"),
    pytest.param(b'application/json;a="b,c;q=0"', b"application/json", id="also quoted ones"),
    pytest.param(b"text/plain ; q=0.9 , text/html ; q=0.8", b"text/plain", id="white space around separators"),
    pytest.param(b"image/png", None, id="nothing acceptable"),
    pytest.param(b"*/*;q=0", None, id="everything refused"),
    pytest.param(b"image/png, text/html;q=2", None, id="an element with a malformed weight is skipped"),
    pytest.param(b"*, text/plain", b"text/plain", id="an asterisk alone is malformed and skipped"),
    pytest.param(b"*/html, text/plain", b"text/plain", id="a range of types by subtype is malformed"),
    pytest.param(b"nonsense", b"text/html", id="with nothing valid in it the field says nothing"),
]


@pytest.mark.parametrize(("value", "expected"), TYPES)
def test_the_best_offered_type_is_chosen(value: bytes | None, expected: bytes | None) -> None:
    assert preferred_type(value, OFFERED) == expected


@given(st.binary(max_size=60))
def test_any_bytes_choose_an_offered_type_or_none(value: bytes) -> None:
    assert preferred_type(value, OFFERED) in (*OFFERED, None)


def test_parameters_of_what_is_offered_do_not_count() -> None:
    offered = (b"text/html; charset=utf-8", b"text/plain; charset=utf-8", b"application/json")
    assert preferred_type(b"text/plain", offered) == offered[1]
    assert preferred_type(b"text/html;q=0.5, text/*", offered) == offered[1]
