"""What a page, a style sheet or a script loads."""

import pytest

from fastfile.dev.references import find_references


@pytest.mark.parametrize(
    ("kind", "content", "found"),
    [
        ("html", b'<link rel="stylesheet" href="a.css"><script type=module src=/b.js></script>', {"/x/a.css", "/b.js"}),
        ("html", b"<LINK REL=modulepreload HREF='../c.js'><img alt=a src=\"d.png?v=1\">", {"/c.js", "/x/d.png?v=1"}),
        ("html", b'<link rel="canonical" href="/y"><a href="/z">', set()),
        ("html", b'<!-- <script src="old.js"></script> --><iframe src="f.html">', {"/x/f.html"}),
        ("html", b'<base href="/base/"><script src="a.js"></script>', {"/base/a.js"}),
        ("html", b'<img src="data:,x"><img src="https://e.example/a.png"><img src="//e.example/b"><img src="">', set()),
        ("html", "<img src='ä b.png'><img src='%C3%A4&amp;.png'>".encode(), {"/x/%C3%A4%20b.png", "/x/%C3%A4&.png"}),
        ("css", b"a { background: url(a.png) } @import 'b.css'; b { src: url( \"c.woff\" ) }",
         {"/x/a.png", "/x/b.css", "/x/c.woff"}),
        ("javascript", b'import{a}from"./a.js";import "./b.js"; import("./c.js"); export * from "../d.js"',
         {"/x/a.js", "/x/b.js", "/x/c.js", "/d.js"}),
        ("plain", b'<script src="a.js">', set()),
        ("html", b'<script src="http://[">', set()),
    ],
)  # fmt: skip
def test_references_are_found(kind: str, content: bytes, found: set[str]) -> None:
    assert find_references(content, f"text/{kind}".encode(), b"/x/page?q") == {name.encode() for name in found}
