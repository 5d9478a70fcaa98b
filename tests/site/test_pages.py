"""Error pages, read back by parsers that are not ours."""

import json

import pytest
from support.pagereader import FOREIGN, Page

from fastfile.http.status import REASONS
from fastfile.site.pages import HTML, JSON, PAGE_TYPES, TEXT, make_error_page, readable_size

# Error pages


def test_types_are_offered_html_first() -> None:
    assert PAGE_TYPES == (b"text/html; charset=utf-8", b"text/plain; charset=utf-8", b"application/json")
    assert PAGE_TYPES == PAGE_TYPES


@pytest.mark.parametrize("status", [status for status in REASONS if status >= 400])
def test_an_error_page_names_status_reason_and_detail(status: int) -> None:
    reason = REASONS[status]
    page = Page(make_error_page(status, "One sentence.", HTML))
    assert page.text["title"] == page.text["h1"] == f"{status} {reason}"
    assert page.text["p"] == "One sentence."
    assert make_error_page(status, "One sentence.", TEXT) == f"{status} {reason}\n\nOne sentence.\n".encode()
    assert json.loads(make_error_page(status, "One sentence.", JSON)) == {
        "status": status,
        "title": reason,
        "detail": "One sentence.",
    }


def test_a_detail_is_text_whatever_it_holds() -> None:
    detail = "</p><script>alert(\"1\")</script> & 'é' \N{SNOWMAN}"
    page = Page(make_error_page(400, detail, HTML))
    assert page.text["p"] == detail
    assert "script" not in page.tags
    assert json.loads(make_error_page(400, detail, JSON))["detail"] == detail


@pytest.mark.parametrize("media_type", PAGE_TYPES)
def test_a_detail_with_controls_or_lone_surrogates_makes_a_page(media_type: bytes) -> None:
    page = make_error_page(400, "a\x1b[2J\r\n\udcff\x9b", media_type)
    page.decode("utf-8")
    assert b"\x1b" not in page
    assert b"\r" not in page


def test_an_error_page_is_small() -> None:
    assert len(make_error_page(404, "Nothing is here.", HTML)) < 1536


def test_an_error_page_says_charset_and_phone_width_and_knows_light_and_dark() -> None:
    page = make_error_page(404, "x", HTML)
    assert page.startswith(b"<!DOCTYPE html>")
    assert page.index(b'<meta charset="utf-8">') < 1024  # HTML §4.2.5.4: within the first 1024 bytes
    assert b"width=device-width" in page
    assert b"color-scheme:light dark" in page
    assert b"@media(prefers-color-scheme:dark)" in page


def test_an_error_page_loads_and_runs_nothing() -> None:
    page = Page(make_error_page(404, "x", HTML))
    assert not {"script", *FOREIGN} & set(page.tags)
    assert not [name for name, _ in page.attributes if name == "style" or name.startswith("on")]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (10_188, "9.9 KiB"),
        (10_189, "10 KiB"),
        (1_023_487, "999 KiB"),
        (1_023_488, "1.0 MiB"),
        (1024**2, "1.0 MiB"),
        (5 * 1024**3 // 2, "2.5 GiB"),
        (2**63 - 1, "8.0 EiB"),
    ],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert readable_size(size) == text
