"""Field syntax: RFC 9110 §5.6 and §12.4.2, a row per rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfile.http.fields import is_token, maybe_weight, maybe_weighted, split_list


@pytest.mark.parametrize("value", [b"a", b"gzip", b"X-9", b"!#$%&'*+-.^_`|~", b"*"])
def test_a_token_is_of_tchar(value: bytes) -> None:
    assert is_token(value)


@pytest.mark.parametrize("value", [b"", b" ", b"a b", b"a,", b'"a"', b"a/b", b"a=b", b"(a)", b"a\x00", b"\xc3\xa9"])
def test_anything_else_is_no_token(value: bytes) -> None:
    assert not is_token(value)


LISTS = [
    pytest.param(b"", [], id="nothing is an empty list"),
    pytest.param(b" \t", [], id="white space is an empty list"),
    pytest.param(b",, ,", [], id="empty elements do not count"),
    pytest.param(b"a", [b"a"], id="one element"),
    pytest.param(b"a,b", [b"a", b"b"], id="white space is optional"),
    pytest.param(b" a \t,\tb ", [b"a", b"b"], id="white space around elements is trimmed"),
    pytest.param(b"a b", [b"a b"], id="white space inside an element stays"),
    pytest.param(b"a\x0b,b", [b"a\x0b", b"b"], id="only space and tab are white space"),
    pytest.param(b'"a,b",c', [b'"a,b"', b"c"], id="a comma in a quoted string separates nothing"),
    pytest.param(b'"a\\",b",c', [b'"a\\",b"', b"c"], id="an escaped quote ends no string"),
    pytest.param(b'"a\\\\",b', [b'"a\\\\"', b"b"], id="an escaped backslash escapes nothing"),
    pytest.param(b'a,"b,c', [b"a", b'"b,c'], id="a string that never ends takes the rest"),
    pytest.param(b'a;b="c,d";e,f', [b'a;b="c,d";e', b"f"], id="a quoted parameter"),
]


@pytest.mark.parametrize(("value", "expected"), LISTS)
def test_a_list_is_split_at_its_commas(value: bytes, expected: list[bytes]) -> None:
    assert split_list(value) == expected


WEIGHTS = [
    (b"0", 0),
    (b"0.", 0),
    (b"0.0", 0),
    (b"0.000", 0),
    (b"0.001", 1),
    (b"0.5", 500),
    (b"0.05", 50),
    (b"0.999", 999),
    (b"1", 1000),
    (b"1.", 1000),
    (b"1.000", 1000),
]


@pytest.mark.parametrize(("value", "expected"), WEIGHTS)
def test_a_weight_has_up_to_three_decimals(value: bytes, expected: int) -> None:
    assert maybe_weight(value) == expected


MALFORMED_WEIGHTS = [
    b"",
    b".5",
    b"2",
    b"1.001",
    b"1.1",
    b"0.0001",
    b"-1",
    b"+0.5",
    b"00.5",
    b"0,5",
    b"0.5 ",
    b'"1"',
    b"1e0",
]


@pytest.mark.parametrize("value", MALFORMED_WEIGHTS)
def test_another_weight_is_malformed(value: bytes) -> None:
    assert maybe_weight(value) is None


ELEMENTS = [
    pytest.param(b"gzip", (b"gzip", [], 1000), id="without a weight it is 1"),
    pytest.param(b"gzip;q=0.5", (b"gzip", [], 500), id="a weight"),
    pytest.param(b"gzip ;\tQ=0.5", (b"gzip", [], 500), id="white space around the semicolon, Q in upper case"),
    pytest.param(b"text/html;level=1;q=0.5", (b"text/html", [b"level=1"], 500), id="a parameter before the weight"),
    pytest.param(b"text/html;q=0.5;ext=1", (b"text/html", [], 500), id="what follows the weight is dropped"),
    pytest.param(b'a/b;c="d;q=0";q=1', (b"a/b", [b'c="d;q=0"'], 1000), id="a weight in a quoted string is none"),
    pytest.param(b'a/b;c="\\""', (b"a/b", [b'c="\\""'], 1000), id="an escaped quote in a parameter"),
    pytest.param(b"gzip;;q=0.5", (b"gzip", [], 500), id="an empty parameter is allowed"),
    pytest.param(b"gzip;", (b"gzip", [], 1000), id="a semicolon at the end is allowed"),
    pytest.param(b"gzip;q", None, id="a weight without a value"),
    pytest.param(b"gzip;q=", None, id="a weight with an empty value"),
    pytest.param(b"gzip;q = 0.5", None, id="white space around the equals sign"),
    pytest.param(b"gzip;q=2", None, id="a weight above 1"),
    pytest.param(b"a/b;c=d e", None, id="a parameter of two words"),
    pytest.param(b'a/b;c="d', None, id="a quoted string without an end"),
    pytest.param(b'a/b;c="d"e', None, id="a quoted string with a tail"),
    pytest.param(b'a/b;c="\\"', None, id="a quoted string whose end is escaped"),
    pytest.param(b'a/b;c="d"e"f"', None, id="two quoted strings with a word between"),
    pytest.param(b"a/b;=c", None, id="a parameter without a name"),
]


@pytest.mark.parametrize(("element", "expected"), ELEMENTS)
def test_an_element_has_parameters_and_a_weight(element: bytes, expected: object) -> None:
    assert maybe_weighted(element) == expected


@pytest.mark.parametrize("element", [b";", b";q=1", b" ; "])
def test_an_element_may_lack_its_value(element: bytes) -> None:
    assert maybe_weighted(element) == (b"", [], 1000)


@given(st.binary(max_size=60) | st.text(alphabet='a=;,"\\ q01.', max_size=30).map(str.encode))
def test_any_bytes_are_split_without_losing_one(value: bytes) -> None:
    for element in split_list(value):
        assert element in value
        maybe_weighted(element)
    kept = sum(len(element) for element in split_list(value))
    assert kept >= len(value) - sum(value.count(byte) for byte in (b",", b" ", b"\t"))
