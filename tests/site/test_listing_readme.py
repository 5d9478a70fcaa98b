"""A README as HTML: its text is shown, and nothing in it is markup, a link or an image."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pagereader import FOREIGN, Page

from fastfile.site.listing.readme import MAX_INLINE, render_markdown, render_text

MARKDOWN = [
    pytest.param("# A\n## B ##\n####### no", "<h3>A</h3>\n<h4>B</h4>\n<p>####### no</p>\n", id="headings"),
    pytest.param("Title\n=====\nx\n---", "<h3>Title</h3>\n<h4>x</h4>\n", id="underlined headings"),
    pytest.param("a\nb\n\nc", "<p>a\nb</p>\n<p>c</p>\n", id="paragraphs"),
    pytest.param("a  \nb", "<p>a<br>\nb</p>\n", id="a hard line break"),
    pytest.param("- a\n- b\n  c\n\n- d\n\ne", "<ul><li>a<li>b\nc<li>d</ul>\n<p>e</p>\n", id="a list"),
    pytest.param("1. a\n2. b\n* c", "<ol><li>a<li>b</ol>\n<ul><li>c</ul>\n", id="a numbered list, then another"),
    pytest.param("> a\n> b\nc", "<blockquote>a\nb</blockquote>\n<p>c</p>\n", id="a quote"),
    pytest.param("a\n\n---\n***\nb", "<p>a</p>\n<hr>\n<hr>\n<p>b</p>\n", id="rules"),
    pytest.param("```sh\n# <x>\n\n```\na", "<pre>\n# &lt;x&gt;\n</pre>\n<p>a</p>\n", id="fenced code"),
    pytest.param("~~~\na", "<pre>\na</pre>\n", id="fenced code that does not end"),
    pytest.param("    a\n\tb", "<pre>\n    a\n\tb</pre>\n", id="indented code"),
    pytest.param("| a | b |\n|---|---|", "<pre>\n| a | b |\n|---|---|</pre>\n", id="a table, as it is written"),
    pytest.param("**a** *b* _c_ `d*e*`", "<p><b>a</b> <i>b</i> <i>c</i> <code>d*e*</code></p>\n", id="inline"),
    pytest.param("a_b_c 2 * 3 * 4 **", "<p>a_b_c 2 * 3 * 4 **</p>\n", id="marks that are text"),
    pytest.param("[a](http://x/y \"t\")", "<p>a <small>(http://x/y)</small></p>\n", id="a link is text and target"),
    pytest.param("![a](x.png)", "<p>a <small>(x.png)</small></p>\n", id="a picture is its text"),
    pytest.param("[a](a)", "<p>a</p>\n", id="a link to its text"),
    pytest.param("<b>&amp;</p><script>", "<p>&lt;b&gt;&amp;amp;&lt;/p&gt;&lt;script&gt;</p>\n", id="HTML is text"),
    pytest.param("`<script>`", "<p><code>&lt;script&gt;</code></p>\n", id="HTML in code"),
    pytest.param("a\r\nb", "<p>a\nb</p>\n", id="lines of Windows"),
    pytest.param("a\x1b[2J\u202eb", "<p>a\u241b[2J\ufffdb</p>\n", id="controls as pictures"),
    pytest.param("", "", id="nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "html"), MARKDOWN)
def test_of_markdown_a_subset_is_shown(text: str, html: str) -> None:
    assert render_markdown(text) == html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("# A\n\n\tb\n", "# A\n\n\tb\n", id="as it is written"),
        pytest.param("\n\na", "\n\na", id="with the empty lines that it begins with"),
        pytest.param("a\r\nb", "a\nb", id="lines of Windows"),
        pytest.param("<b>&amp;</pre><script>", "<b>&amp;</pre><script>", id="markup as text"),
        pytest.param("a\x1b[2J\u202eb", "a\u241b[2J\ufffdb", id="controls as pictures"),
    ],
)
def test_other_text_is_shown_as_it_is_written(text: str, shown: str) -> None:
    assert Page(render_text(text).encode()).text["pre"].removeprefix("\n") == shown


PIECES = [
    *("\n", "#", " ", "- ", "1. ", ">", "|", "```", "*", "**", "_", "`", "[", "](", ")", "<", "script>", '"', "'"),
    *("&", "\t", "    ", "a", "javascript:", "\x00", "\u202e", "---", "=="),
]
TAGS = {"h3", "h4", "h5", "h6", "p", "br", "ul", "ol", "li", "blockquote", "hr", "pre", "code", "b", "i", "small"}


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_no_text_makes_other_tags_or_any_attribute(text: str) -> None:
    page = Page(render_markdown(text).encode())
    assert set(page.tags) <= TAGS
    assert not set(page.tags) & FOREIGN
    assert page.attributes == page.links == []


MARKS = ["[", "*", "**a", "`", "_a", "![", "[a](", "[a](b ", "> ", "- ", "#", "|", "-", "``` ", "\n- ", "\n"]


@pytest.mark.parametrize("piece", MARKS)
def test_no_text_of_the_largest_size_takes_long(piece: str) -> None:
    """64 KiB of each, in one line and in lines of the length that is still parsed: 60 ms at most, measured."""
    for text in (piece * (65536 // len(piece)), (piece * (MAX_INLINE // len(piece)) + "\n") * 65):
        start = time.thread_time()
        render_markdown(text)
        assert time.thread_time() - start < 2
