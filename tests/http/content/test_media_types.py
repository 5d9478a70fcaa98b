"""Media types: files of the web, compared with mime-db; every difference is listed here with its reason."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.checkout import DATA
from tools.mime_table import make_module

from fastfile.http.content import media_types as mediatype
from fastfile.http.content import mime_db
from fastfile.http.content.media_types import media_type

MIME_DB = json.loads((DATA / "mime-db.json").read_text())["types"]

# extensions -> why fastfile's type differs from mime-db's
DEVIATIONS = {
    "cjs": "a browser refuses application/node for a script under nosniff, and what is served is for browsers",
    "c cc cpp cxx h java jsx less lua pl sass scss styl dart": "source code without a registered type that browsers "
    "show: they show text/plain",
    "asm s f f77 f90 for pas hh coffee litcoffee hbs slim slm": "source code as well",
    "sh": "source code: application/x-sh is offered for saving",
    "rs": "Rust, not Resource Lists",
    "mts": "TypeScript modules in a front end; AVCHD recordings, which no browser plays, are .m2ts as well",
    "yaml yml": "registered as application/yaml, text/yaml is its deprecated alias (RFC 9512)",
    "vcf": "registered as text/vcard (RFC 6350)",
    "flac": "registered as audio/flac (RFC 9639)",
    "mka mkv": "registered as audio/matroska and video/matroska (RFC 9559)",
    "m4v": "an MP4 file; video/x-m4v is Apple's, and some players refuse it",
    "jfif": "a JPEG file; image/pjpeg was Internet Explorer's name for progressive ones",
    "svgz": "gzip, sent without Content-Encoding as a .gz is: image/svg+xml would show as broken XML",
    "p12 pfx": "registered as application/pkcs12 (RFC 7292)",
    "exe dll": "registered as application/vnd.microsoft.portable-executable",
    "deb": "registered as application/vnd.debian.binary-package",
}
DEVIATING = {extension for group in DEVIATIONS for extension in group.split()}

# extensions -> why they are in fastfile's table although mime-db has none
ADDITIONS = {
    "astro bash cs cts glsl frag vert hlsl go gql graphql hpp kt proto ps1 py pyi rb swift svelte tsx vue zig": "source"
    " code is text/plain whatever its language",
    "adoc bib cfg diff lock patch rst": "text that people read",
    "br zst tgz": "compressed files served as what they are; zst is RFC 8878, br has no registered type",
    "jsonl ndjson": "JSON in lines: the types that their specifications name",
    "topojson": "JSON, without a type of its own",
    "importmap": "application/importmap+json, by the HTML standard",
    "avifs": "an AVIF sequence has the type of AVIF",
    "cur hdr": "registered or in common use",
    "cbor": "RFC 8949",
    "mobileconfig": "what iOS and macOS install profiles by",
    "arrow parquet sqlite sqlite3": "registered with IANA",
    "pbf": "protocol buffers, as map tiles are shipped",
    "dat data mem ipa whl": "binary on purpose: listed so that nobody adds a guess",
}
ADDED = {extension for group in ADDITIONS for extension in group.split()}

OURS = {
    extension.decode(): full_type.decode().partition(";")[0] for extension, full_type in mediatype.BY_EXTENSION.items()
}


@pytest.mark.parametrize("extension", sorted(OURS))
def test_a_type_is_that_of_mime_db_or_a_listed_deviation(extension: str) -> None:
    if extension in MIME_DB:
        assert (OURS[extension] != MIME_DB[extension]) == (extension in DEVIATING)
        assert extension not in ADDED
    else:
        assert extension in ADDED


def test_every_extension_of_mime_db_has_its_type_or_a_listed_deviation() -> None:
    for extension, expected in MIME_DB.items():
        if extension not in DEVIATING:
            assert media_type(f"a.{extension}".encode()).decode().partition(";")[0] == expected


def test_the_shipped_table_is_made_of_the_data() -> None:
    source = Path(mime_db.__file__).read_text()
    assert source == make_module(source), "run tests/tools/mime_table.py"


@given(st.binary(max_size=12))
def test_any_extension_has_one_type(extension: bytes) -> None:
    found = mime_db.maybe_type(extension)
    assert found == (MIME_DB.get(extension.decode("latin-1"), "").encode() or None) or extension.decode() in OURS


def test_nothing_is_listed_that_is_not_in_the_table() -> None:
    assert OURS.keys() >= DEVIATING | ADDED


# Common files of front-end builds, media and downloads.
SHIPPED = """html htm xhtml css js mjs cjs map json jsonl ndjson json5 jsonld webmanifest wasm md markdown txt text
log csv tsv yaml yml toml xml xsl rss atom svg svgz png jpg jpeg jfif gif webp avif apng ico bmp tif tiff
jxl heic heif jp2 woff woff2 ttf otf ttc eot mp3 m4a aac ogg oga opus wav flac weba mid mp4 m4v webm mov
mkv avi ogv mpeg mpg 3gp m3u8 mpd ts tsx jsx mts cts vue svelte scss less pdf epub zip gz br zst bz2 xz
7z rar tar tgz gltf glb obj stl usdz vtt srt ics vcf rtf doc docx xls xlsx ppt pptx odt ods odp sh py c h
rs go java sql graphql proto exe dmg iso deb rpm apk jar war swf crt pem p12 asc sig torrent wgsl glsl
vert frag geojson topojson kml kmz gpx dtd m4s ktx2 hdr exr mtl"""


@pytest.mark.parametrize("extension", SHIPPED.split())
def test_what_the_web_ships_has_a_type(extension: str) -> None:
    assert media_type(f"a.{extension}".encode()) != b"application/octet-stream"


NAMES = [
    pytest.param(b"index.html", b"text/html; charset=utf-8", id="a page with its charset"),
    pytest.param(b"a.css", b"text/css; charset=utf-8", id="a style sheet with its charset"),
    pytest.param(b"a.js", b"text/javascript; charset=utf-8", id="a script is text/javascript (RFC 9239)"),
    pytest.param(b"a.mjs", b"text/javascript; charset=utf-8", id="a module is a script"),
    pytest.param(b"a.json", b"application/json", id="JSON has no charset: it is UTF-8 (RFC 8259)"),
    pytest.param(b"a.js.map", b"application/json", id="a source map is JSON"),
    pytest.param(b"a.svg", b"image/svg+xml", id="SVG has no charset: its declaration counts"),
    pytest.param(b"a.xhtml", b"application/xhtml+xml", id="XHTML has no charset: its declaration counts"),
    pytest.param(b"a.wasm", b"application/wasm", id="WebAssembly by the type that streaming compilation wants"),
    pytest.param(b"A.HTML", b"text/html; charset=utf-8", id="extensions have no case"),
    pytest.param(b"a.min.JS", b"text/javascript; charset=utf-8", id="the last extension counts"),
    pytest.param(b"a.tar.gz", b"application/gzip", id="a compressed archive is what its last extension says"),
    pytest.param(b"app.js.br", b"application/x-brotli", id="a variant asked for directly is what it is"),
    pytest.param(b"seg-1.ts", b"video/mp2t", id=".ts is a segment of a stream"),
    pytest.param(b"index.d.ts", b"text/plain; charset=utf-8", id=".d.ts is a declaration"),
    pytest.param(b"d.ts", b"video/mp2t", id="a segment may be called d"),
    pytest.param(b"a.pkpass", b"application/vnd.apple.pkpass", id="a pass for a wallet"),
    pytest.param(b"a.jnlp", b"application/x-java-jnlp-file", id="Java Web Start"),
    pytest.param(b"a.appinstaller", b"application/appinstaller", id="an installer of Windows apps"),
    pytest.param(b"a.msix", b"application/msix", id="a package of Windows"),
    pytest.param(b"a.application", b"application/x-ms-application", id="ClickOnce"),
    pytest.param(b"a.shtml", b"text/html; charset=utf-8", id="a page by another name"),
    pytest.param(b"a.rdf", b"application/rdf+xml", id="RDF"),
    pytest.param(b"a.ttl", b"text/turtle; charset=utf-8", id="Turtle"),
    pytest.param(b"a.eml", b"message/rfc822", id="a message"),
    pytest.param(b"a.mobileconfig", b"application/x-apple-aspen-config", id="a profile of iOS"),
    pytest.param(b"a.PKPASS", b"application/vnd.apple.pkpass", id="extensions of mime-db have no case either"),
    pytest.param(b"a.mml", b"text/mathml", id="a text whose content says its own charset"),
    pytest.param(b"a.application/x-ms-application", b"application/octet-stream", id="a type is no extension"),
    pytest.param(b"a.a b", b"application/octet-stream", id="nor are two words"),
    pytest.param(b"a.unknown", b"application/octet-stream", id="an unknown extension"),
    pytest.param(b"a.", b"application/octet-stream", id="an empty extension"),
    pytest.param(b"a", b"application/octet-stream", id="no extension"),
    pytest.param(b"", b"application/octet-stream", id="an empty name"),
    pytest.param(b".html", b"application/octet-stream", id="a name that is all extension has none"),
    pytest.param(b".gitignore", b"application/octet-stream", id="a dotfile has no extension"),
    pytest.param(b".eslintrc.json", b"application/json", id="a dotfile with an extension has one"),
    pytest.param(b"html", b"application/octet-stream", id="an extension alone is a name"),
    pytest.param(b"LICENSE", b"text/plain; charset=utf-8", id="a text by its name, for people to read"),
    pytest.param(b"README", b"text/plain; charset=utf-8", id="another one"),
    pytest.param(b"license", b"application/octet-stream", id="names are case-sensitive"),
    pytest.param(b"apple-app-site-association", b"application/json", id="JSON by its name: iOS wants that type"),
    pytest.param(b"caf\xc3\xa9.PNG", b"image/png", id="bytes beyond ASCII in the name"),
    pytest.param(b"a.\xff", b"application/octet-stream", id="bytes beyond ASCII in the extension"),
]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_a_file_name_has_a_content_type(name: bytes, expected: bytes) -> None:
    assert media_type(name) == expected


def test_text_and_only_text_has_a_charset() -> None:
    for full_type in (*mediatype.BY_EXTENSION.values(), *mediatype._BY_NAME.values()):
        kind, _, parameters = full_type.partition(b"; ")
        assert parameters == (b"charset=utf-8" if kind.startswith(b"text/") else b"")


def test_no_extension_is_in_the_table_twice() -> None:
    listed = [extension for group in mediatype._EXTENSIONS.values() for extension in group.split()]
    assert len(listed) == len(set(listed))
