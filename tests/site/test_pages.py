"""Error pages, parsed by other projects' parsers."""

import json
import re

import pytest
from support.pagereader import FOREIGN, Page

from fastfile.http.status import REASONS
from fastfile.site.pages import HTML, JSON, PAGE_TYPES, STYLE, TEXT, make_error_page, read_asset, readable_size

# Error pages


def test_types_are_offered_html_first() -> None:
    assert PAGE_TYPES == (b"text/html; charset=utf-8", b"text/plain; charset=utf-8", b"application/json")
    assert PAGE_TYPES == PAGE_TYPES


@pytest.mark.parametrize("status", [status for status in REASONS if status >= 400])
def test_an_error_page_names_status_reason_and_detail(status: int) -> None:
    reason = REASONS[status]
    page = Page(make_error_page(status, "One sentence.", HTML))
    assert page.text["title"] == page.text["b"] + page.text["h1"].rstrip() == f"{status} {reason}"
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


@pytest.mark.parametrize(("status", "is_linked"), [(400, False), (403, True), (404, True), (410, True), (500, False)])
def test_an_error_page_links_home_where_another_page_may_help(status: int, is_linked: bool) -> None:
    page = Page(make_error_page(status, "One sentence.", HTML))
    assert page.links == ([("/", "Go to the home page")] if is_linked else [])
    page = Page(make_error_page(status, "One sentence.", HTML, home="/a%20b/"))
    assert page.links == ([("/a%20b/", "Go to the home page")] if is_linked else [])


def test_a_hint_is_text_in_each_type() -> None:
    hint = "<about>.html exists:\n--clean-urls\x1b serves it here"
    page = make_error_page(404, "Nothing is here.", HTML, hint)
    assert b"<p class=hint>&lt;about&gt;.html exists:\n--clean-urls\xe2\x90\x9b serves it here</p>" in page
    text = make_error_page(404, "Nothing is here.", TEXT, hint).decode()
    assert text == "404 Not Found\n\nNothing is here.\n\n<about>.html exists:\n--clean-urls\u241b serves it here\n"
    assert json.loads(make_error_page(404, "Nothing is here.", JSON, hint)) == {
        "status": 404, "title": "Not Found", "detail": "Nothing is here.", "hint": hint,
    }  # fmt: skip


def test_an_error_page_is_small() -> None:
    """One segment, with its header fields (RFC 6691)."""
    assert len(make_error_page(404, "Nothing is here.", HTML)) < 1300


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2, 1.4.3)."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
        channels = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
        linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
        return sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_have_enough_contrast(scheme: int) -> None:
    """WCAG 2.2, 1.4.3 (text) and 1.4.11 (icons), at level AA, also under the pointer."""
    for style in (STYLE, read_asset("fastfile.site.listing", "style.css")):
        base = dict(re.findall(r"--(\w+):(#\w+)", STYLE.split(":root")[1 + scheme]))
        own = dict(re.findall(r"--(\w+):(#\w+)", style.split(":root")[1 + scheme]))
        for name, colour in own.items():
            if name in ("back", "hover", "line"):
                continue
            least = 4.5 if name in base and name != "edge" else 3
            for ground in ("back", "hover"):
                assert contrast(colour, base[ground]) >= least, f"{name} on {ground}"


def test_an_error_page_says_charset_and_phone_width_and_knows_light_and_dark() -> None:
    page = make_error_page(404, "x", HTML)
    assert page.startswith(b"<!DOCTYPE html>")
    assert page.index(b'<meta charset="utf-8">') < 1024  # HTML §4.2.5.4: within the first 1024 bytes
    assert b"width=device-width" in page
    assert b"color-scheme:light dark" in page
    assert b"@media (prefers-color-scheme:dark)" in page


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
