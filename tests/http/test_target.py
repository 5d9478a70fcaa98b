"""Request targets: BEHAVIOUR.md "From target to file", RFC 9112 §3.2 and RFC 3986, a row per rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfile.errors import HTTPError
from fastfile.http.target import Target, encode_path, is_hidden, make_location, parse_target

NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: name not in (b".", b"..") and not set(name) & {0, 0x2F})
PATHS = st.lists(NAMES, max_size=5).map(b"/".join)


def found(
    path: bytes, is_directory: bool = False, query: bytes | None = None, authority: bytes | None = None
) -> Target:
    return Target(path, is_directory, query, authority, asterisk=False)


VALID = [
    pytest.param(b"/", found(b"", True), id="the root is an empty path, a directory"),
    pytest.param(b"/a.html", found(b"a.html"), id="a path loses its first slash"),
    pytest.param(b"/a/b/", found(b"a/b", True), id="a slash at the end asks for a directory"),
    pytest.param(b"/a%20b", found(b"a b"), id="escapes are decoded"),
    pytest.param(b"/%c3%A9", found(b"\xc3\xa9"), id="hexadecimal digits have no case"),
    pytest.param(b"/%2541", found(b"%41"), id="decoding happens once"),
    pytest.param(b"/%25%32%65", found(b"%2e"), id="an escape that spells an escape stays one"),
    pytest.param(b"/%0a%7f%ff", found(b"\n\x7f\xff"), id="a decoded control byte is a byte of a name"),
    pytest.param(b"/a\\b%5C", found(b"a\\b\\"), id="a backslash is an ordinary character"),
    pytest.param(b"/..\\a", found(b"..\\a"), id="a backslash does not end a dot segment"),
    pytest.param(b"//a///b//", found(b"a/b", True), id="slashes in a row are one"),
    pytest.param(b"//evil.example/a", found(b"evil.example/a"), id="two slashes at the start name no authority"),
    pytest.param(b"/./a/./b", found(b"a/b"), id="a single dot segment is dropped"),
    pytest.param(b"/a/.", found(b"a", True), id="a dot segment at the end asks for a directory"),
    pytest.param(b"/a/b/..", found(b"a", True), id="a double dot at the end asks for a directory"),
    pytest.param(b"/a/../b", found(b"b"), id="a double dot inside the root is resolved"),
    pytest.param(b"/a/b/%2e%2E/c", found(b"a/c"), id="an encoded double dot is one"),
    pytest.param(b"/a/.%2e/", found(b"", True), id="a half encoded double dot is one"),
    pytest.param(b"/a//../b", found(b"b"), id="an empty segment is no level"),
    pytest.param(b"/...", found(b"..."), id="three dots are a name"),
    pytest.param(b"/@acme%2fwidget", found(b"@acme/widget"), id="an encoded slash is a slash"),
    pytest.param(b"/@acme%2Fwidget/x", found(b"@acme/widget/x"), id="in either case"),
    pytest.param(b"/a%2f", found(b"a"), id="at the end it asks for no directory, so that a folder redirects"),
    pytest.param(b"/a/%2F", found(b"a"), id="nor after a slash"),
    pytest.param(b"/a%2F/", found(b"a", True), id="unless a slash follows"),
    pytest.param(b"/%2F", found(b"", True), id="alone it is the root"),
    pytest.param(b"/%2f%2Fa%2F%2fb", found(b"a/b"), id="in a row they are one"),
    pytest.param(b"/a%2f.%2fb", found(b"a/b"), id="a single dot between encoded slashes is dropped"),
    pytest.param(b"/a%2f..b", found(b"a/..b"), id="dots in a name beside one are its own"),
    pytest.param(b"/a%252fb", found(b"a%2fb"), id="encoded twice it is a name"),
    pytest.param(b"/a?b%2f..", found(b"a", query=b"b%2f.."), id="in a query it is anything"),
    pytest.param(b"/..a/a../.a", found(b"..a/a../.a"), id="dots in a name are its own"),
    pytest.param(b"/a?", found(b"a", query=b""), id="an empty query is a query"),
    pytest.param(b"/a?b=/../%zz?c", found(b"a", query=b"b=/../%zz?c"), id="a query is raw and goes to the end"),
    pytest.param(b"/a?b=\xc3\xa9", found(b"a", query=b"b=\xc3\xa9"), id="a query may have bytes above ASCII"),
    pytest.param(b"/a?b#c?d", found(b"a", query=b"b"), id="a fragment is cut"),
    pytest.param(b"/a#/../..?b", found(b"a"), id="nothing in a fragment counts"),
    pytest.param(b"/a;v=1/b:c@d", found(b"a;v=1/b:c@d"), id="sub-delims, colon and at are bytes of a name"),
    pytest.param(b"/a+b", found(b"a+b"), id="a plus is a plus"),
    pytest.param(b"/http://a/b", found(b"http:/a/b"), id="a path may look like a URI"),
    pytest.param(b"/" + b"a" * 255, found(b"a" * 255), id="a segment of 255 bytes is at the limit"),
    pytest.param(
        b"/" + b"/".join([b"a" * 127] * 32),
        found(b"/".join([b"a" * 127] * 32)),
        id="a path of 4095 bytes is at the limit",
    ),
    pytest.param(b"http://a.example/b", found(b"b", authority=b"a.example"), id="absolute-form"),
    pytest.param(b"HTTP://A.example:8080/b?c", found(b"b", False, b"c", b"A.example:8080"), id="schemes have no case"),
    pytest.param(b"http://a.example", found(b"", True, None, b"a.example"), id="an empty path is a slash"),
    pytest.param(b"http://a.example?b/c", found(b"", True, b"b/c", b"a.example"), id="a query after the authority"),
    pytest.param(b"http://a.example#/b", found(b"", True, None, b"a.example"), id="a fragment after the authority"),
    pytest.param(b"http://[::1]:80//a/", found(b"a", True, None, b"[::1]:80"), id="an IPv6 authority"),
    pytest.param(b"*", Target(b"", False, None, None, asterisk=True), id="asterisk-form"),
]


@pytest.mark.parametrize(("target", "expected"), VALID)
def test_a_valid_target_is_taken_apart(target: bytes, expected: Target) -> None:
    assert parse_target(target) == expected


REFUSED = [
    pytest.param(b"/%zz", 400, id="a bad escape"),
    pytest.param(b"/%4", 400, id="an escape of one digit at the end"),
    pytest.param(b"/%", 400, id="a percent sign at the end"),
    pytest.param(b"/%4/b", 400, id="an escape of one digit in the middle"),
    pytest.param(b"/% 4", 400, id="an escape with a space"),
    pytest.param(b"/%%34%31", 400, id="an escape in an escape"),
    pytest.param(b"/%u0041", 400, id="an escape of another kind"),
    pytest.param(b"/a%00", 400, id="an encoded NUL"),
    pytest.param(b"/a\0b", 400, id="a NUL"),
    pytest.param(b"/caf\xc3\xa9?b", 400, id="a byte above ASCII in the path"),
    pytest.param(b"/..", 400, id="a double dot above the root"),
    pytest.param(b"/../etc/passwd", 400, id="climbing at the start"),
    pytest.param(b"/a/../../b", 400, id="climbing in the middle"),
    pytest.param(b"/%2e%2e/a", 400, id="climbing in escapes"),
    pytest.param(b"/.%2E/a", 400, id="climbing in half of an escape"),
    pytest.param(b"/./../a", 400, id="a dot segment is no level to climb"),
    pytest.param(b"//../a", 400, id="an empty segment is no level to climb"),
    pytest.param(b"http://a.example/../b", 400, id="climbing in absolute-form"),
    pytest.param(b"/..%2f..%2fetc/passwd", 400, id="climbing by encoded slashes"),
    pytest.param(b"/a/..%2fb", 400, id="a double dot beside an encoded slash, though it stays inside"),
    pytest.param(b"/a%2F%2e%2E%2fb", 400, id="an encoded double dot between encoded slashes"),
    pytest.param(b"/a%2fb/../c", 400, id="a double dot in another segment than an encoded slash"),
    pytest.param(b"/%2F..", 400, id="a double dot after an encoded slash"),
    pytest.param(b"/a%252f../b%2f..", 400, id="a double dot at the end"),
    pytest.param(b"/" + b"a" * 256, 404, id="a segment of 256 bytes"),
    pytest.param(b"/a/" + b"%61" * 256 + b"/b", 404, id="a segment of 256 decoded bytes in the middle"),
    pytest.param(b"/" + b"/".join([b"a" * 127] * 32) + b"/b", 404, id="a path of 4097 bytes"),
    pytest.param(b"/" + b"/".join([b"a" * 127] * 31) + b"/" + b"a" * 128, 404, id="a path of 4096 bytes"),
    pytest.param(b"", 400, id="an empty target"),
    pytest.param(b"a/b", 400, id="a relative path"),
    pytest.param(b"?a", 400, id="a query alone"),
    pytest.param(b"#/a", 400, id="a fragment alone"),
    pytest.param(b"**", 400, id="two asterisks"),
    pytest.param(b"*?a", 400, id="an asterisk with a query"),
    pytest.param(b"a.example:80", 400, id="authority-form"),
    pytest.param(b"http:/a.example/", 400, id="one slash after the scheme"),
    pytest.param(b"http:a", 400, id="a scheme without an authority"),
    pytest.param(b"http:///a", 400, id="an empty host"),
    pytest.param(b"http://:80/a", 400, id="an empty host with a port"),
    pytest.param(b"http://user@a.example/", 400, id="userinfo"),
    pytest.param(b"http://a.example:x/", 400, id="a port that is no number"),
    pytest.param(b"http://a.example\\b/", 400, id="a backslash in the authority"),
    pytest.param(b"ftp://a.example/b", 400, id="another scheme"),
    pytest.param(b"https://a.example/b", 421, id="RFC 9110 §7.4 this connection is not secured"),
    pytest.param(b"https://u@a.example/b", 400, id="an invalid authority comes first"),
    pytest.param(b"file:///etc/passwd", 400, id="a file URI"),
]


@pytest.mark.parametrize(("target", "status"), REFUSED)
def test_other_targets_are_refused(target: bytes, status: int) -> None:
    with pytest.raises(HTTPError) as caught:
        parse_target(target)
    assert caught.value.status == status


@given(PATHS, st.booleans(), st.none() | st.from_regex(rb"[!-\"$->@-~]{0,20}", fullmatch=True))
def test_a_location_is_parsed_back_to_its_path(path: bytes, is_directory: bool, query: bytes | None) -> None:
    location = make_location(path, query, is_directory)
    assert parse_target(location) == found(path, is_directory or path == b"", query)


@given(st.binary(max_size=60) | st.text(alphabet="./a%2eEfF5c\\?", max_size=12).map(str.encode))
def test_a_target_is_refused_or_cannot_climb(rest: bytes) -> None:
    try:
        path = parse_target(b"/" + rest).path
    except HTTPError:
        return
    assert path == path.strip(b"/")
    assert not {b"..", b"."} & set(path.split(b"/"))
    assert b"\0" not in path


ENCODED = [
    pytest.param(b"a/b-._~09AZaz", b"a/b-._~09AZaz", id="unreserved bytes and slashes stay"),
    pytest.param(b"a b", b"a%20b", id="a space is encoded"),
    pytest.param(b"\\", b"%5C", id="a backslash is encoded"),
    pytest.param(b"?#%", b"%3F%23%25", id="delimiters of a URI are encoded"),
    pytest.param(b"\r\n\x00", b"%0D%0A%00", id="control bytes are encoded"),
    pytest.param(b"<\">'&", b"%3C%22%3E%27%26", id="what HTML could misread is encoded"),
    pytest.param(b"javascript:a", b"javascript%3Aa", id="a colon is encoded, so that no name is a scheme"),
    pytest.param(b"\xc3\xa9", b"%C3%A9", id="bytes beyond ASCII are encoded"),
]


@pytest.mark.parametrize(("path", "expected"), ENCODED)
def test_a_path_is_percent_encoded(path: bytes, expected: bytes) -> None:
    assert encode_path(path) == expected


LOCATIONS = [
    pytest.param(b"", None, True, b"/", id="the root is one slash"),
    pytest.param(b"a", None, True, b"/a/", id="a directory ends with a slash"),
    pytest.param(b"a", None, False, b"/a", id="a file does not"),
    pytest.param(b"a", b"b=c&d", True, b"/a/?b=c&d", id="the query is kept as it came"),
    pytest.param(b"a", b"", True, b"/a/?", id="an empty query is kept"),
    pytest.param(b"/evil.example", None, True, b"/evil.example/", id="a slash at the start is not doubled"),
    pytest.param(b"\\evil.example", None, True, b"/%5Cevil.example/", id="a backslash cannot stand for a slash"),
    pytest.param(b"a", b"!~\x7f\xff", False, b"/a?!~%7F%FF", id="nor does any other byte that is not visible ASCII"),
    pytest.param(b"a\r\nb", b"c\r\nd e", False, b"/a%0D%0Ab?c%0D%0Ad%20e", id="no CR or LF reaches the field"),
]


@pytest.mark.parametrize(("path", "query", "is_directory", "expected"), LOCATIONS)
def test_a_location_stays_on_this_site(path: bytes, query: bytes | None, is_directory: bool, expected: bytes) -> None:
    assert make_location(path, query, is_directory) == expected


HIDDEN = [
    pytest.param(b"", False, id="the root"),
    pytest.param(b"a.b/c", False, id="a dot inside a name"),
    pytest.param(b".git", True, id="a first segment with a dot"),
    pytest.param(b"a/.env", True, id="a last segment with a dot"),
    pytest.param(b"a/.git/b", True, id="a segment in the middle with a dot"),
    pytest.param(b"...", True, id="three dots"),
    pytest.param(b".well-known", False, id=".well-known itself"),
    pytest.param(b".well-known/security.txt", False, id="below .well-known"),
    pytest.param(b".well-known/.git", True, id="hidden below .well-known"),
    pytest.param(b"a/.well-known/b", True, id=".well-known that is not first"),
    pytest.param(b".well-known2", True, id="a name that only begins as .well-known"),
    pytest.param(b".Well-Known/a", True, id="names are case-sensitive"),
]


@pytest.mark.parametrize(("path", "expected"), HIDDEN)
def test_a_segment_that_begins_with_a_dot_is_hidden(path: bytes, expected: bool) -> None:
    assert is_hidden(path) is expected


def test_an_https_uri_is_accepted_over_tls() -> None:
    target = parse_target(b"https://a.example/b", is_secure=True)
    assert (target.authority, target.path) == (b"a.example", b"b")
