"""Media types by file name (RFC 9110 §8.3), from fastfile's own table, so that every machine gives the same types.

Types are those registered with IANA if there is one, else what browsers use, else those of mime-db (mime_db.py). If a
type differs from mime-db, the test of this module says why. Uses names, never content: the author's name decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastfile.http.content.mime_db import maybe_type

DEFAULT_TYPE = b"application/octet-stream"
NO_ADDITIONS: Mapping[bytes, bytes] = {}

# Source code is text/plain in every language: a browser then shows it, and neither runs nor saves it.
_EXTENSIONS = {
    # parts of pages
    b"text/html": b"html htm",
    b"application/xhtml+xml": b"xhtml xht",
    b"text/css": b"css",
    # RFC 9239. A .cjs in a browser should run there; application/node would be refused under nosniff.
    b"text/javascript": b"js mjs cjs",
    b"application/wasm": b"wasm",
    b"application/manifest+json": b"webmanifest",
    b"application/importmap+json": b"importmap",
    # data
    b"application/json": b"json map topojson",
    b"application/json5": b"json5",
    b"application/ld+json": b"jsonld",
    b"application/geo+json": b"geojson",
    b"application/jsonl": b"jsonl",
    b"application/x-ndjson": b"ndjson",
    b"application/x-ipynb+json": b"ipynb",
    b"application/yaml": b"yaml yml",  # RFC 9512
    b"application/toml": b"toml",
    # RFC 7303 §3: application/xml has no default charset, so that the XML declaration in the file counts.
    b"application/xml": b"xml xsl xsd rng",
    b"application/xslt+xml": b"xslt",
    b"application/xml-dtd": b"dtd",
    b"application/wsdl+xml": b"wsdl",
    b"application/rss+xml": b"rss",
    b"application/atom+xml": b"atom",
    b"application/gpx+xml": b"gpx",
    b"application/vnd.google-earth.kml+xml": b"kml",
    b"application/vnd.google-earth.kmz": b"kmz",
    b"application/vnd.mapbox-vector-tile": b"mvt",
    b"application/x-protobuf": b"pbf",
    b"application/sql": b"sql",
    b"application/vnd.sqlite3": b"sqlite sqlite3",
    b"application/cbor": b"cbor",
    b"application/vnd.apache.parquet": b"parquet",
    b"application/vnd.apache.arrow.file": b"arrow",
    # text
    b"text/plain": b"txt text log ini conf cfg lock diff patch rst adoc bib"
    b" mts cts tsx jsx vue svelte astro scss sass less styl glsl vert frag hlsl graphql gql proto"
    b" asm s f f77 f90 for pas hh coffee litcoffee hbs slim slm"
    b" sh bash ps1 py pyi c cc cpp cxx h hpp cs rs go java kt swift rb pl lua dart zig",
    b"text/markdown": b"md markdown",
    b"text/mdx": b"mdx",
    b"text/csv": b"csv",
    b"text/tab-separated-values": b"tsv",
    b"text/calendar": b"ics",
    b"text/vcard": b"vcf",
    b"text/vtt": b"vtt",
    b"text/wgsl": b"wgsl",
    b"application/x-subrip": b"srt",
    # images
    b"image/svg+xml": b"svg",
    b"image/png": b"png",
    b"image/jpeg": b"jpg jpeg jpe jfif",
    b"image/gif": b"gif",
    b"image/webp": b"webp",
    b"image/avif": b"avif avifs",
    b"image/apng": b"apng",
    b"image/vnd.microsoft.icon": b"ico cur",
    b"image/bmp": b"bmp",
    b"image/tiff": b"tif tiff",
    b"image/jxl": b"jxl",
    b"image/heic": b"heic",
    b"image/heif": b"heif",
    b"image/jp2": b"jp2",
    b"image/aces": b"exr",
    b"image/vnd.radiance": b"hdr",
    b"image/ktx": b"ktx",
    b"image/ktx2": b"ktx2",
    b"image/vnd.ms-dds": b"dds",
    b"image/vnd.adobe.photoshop": b"psd",
    b"image/vnd.djvu": b"djvu",
    # fonts
    b"font/woff": b"woff",
    b"font/woff2": b"woff2",
    b"font/ttf": b"ttf",
    b"font/otf": b"otf",
    b"font/collection": b"ttc",
    b"application/vnd.ms-fontobject": b"eot",
    # sound
    b"audio/mpeg": b"mp3",
    b"audio/mp4": b"m4a m4b",
    b"audio/aac": b"aac",
    b"audio/ogg": b"ogg oga opus spx",
    b"audio/wav": b"wav",
    b"audio/flac": b"flac",  # RFC 9639
    b"audio/webm": b"weba",
    b"audio/matroska": b"mka",  # RFC 9559
    b"audio/midi": b"mid midi",
    b"audio/x-aiff": b"aif aiff",
    # moving images
    b"video/mp4": b"mp4 m4v mp4v",
    b"video/webm": b"webm",
    b"video/quicktime": b"mov qt",
    b"video/matroska": b"mkv",  # RFC 9559
    b"video/x-msvideo": b"avi",
    b"video/ogg": b"ogv",
    b"video/mpeg": b"mpeg mpg mpe",
    b"video/3gpp": b"3gp",
    b"video/3gpp2": b"3g2",
    b"video/x-ms-wmv": b"wmv",
    b"video/x-flv": b"flv",
    b"application/vnd.apple.mpegurl": b"m3u8",
    b"audio/x-mpegurl": b"m3u",
    b"application/dash+xml": b"mpd",
    b"video/iso.segment": b"m4s",
    # In builds, .ts files are segments of HLS streams, and native players need this type. No browser runs TypeScript,
    # so its sources lose nothing; the declarations of a package (.d.ts) are text, see below.
    b"video/mp2t": b"ts m2ts",
    # documents
    b"application/pdf": b"pdf",
    b"application/epub+zip": b"epub",
    b"application/rtf": b"rtf",
    b"application/postscript": b"ps eps ai",
    b"application/x-tex": b"tex",
    b"application/msword": b"doc",
    b"application/vnd.openxmlformats-officedocument.wordprocessingml.document": b"docx",
    b"application/vnd.ms-excel": b"xls",
    b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": b"xlsx",
    b"application/vnd.ms-powerpoint": b"ppt",
    b"application/vnd.openxmlformats-officedocument.presentationml.presentation": b"pptx",
    b"application/vnd.oasis.opendocument.text": b"odt",
    b"application/vnd.oasis.opendocument.spreadsheet": b"ods",
    b"application/vnd.oasis.opendocument.presentation": b"odp",
    b"application/vnd.oasis.opendocument.graphics": b"odg",
    # models
    b"model/gltf+json": b"gltf",
    b"model/gltf-binary": b"glb",
    b"model/obj": b"obj",
    b"model/mtl": b"mtl",
    b"model/stl": b"stl",
    b"model/vnd.usdz+zip": b"usdz",
    b"model/vnd.collada+xml": b"dae",
    # archives, packages, keys. Without Content-Encoding, an .svgz has the type of its container, like a .gz.
    b"application/zip": b"zip",
    b"application/gzip": b"gz tgz svgz",
    b"application/x-brotli": b"br",
    b"application/zstd": b"zst",
    b"application/x-bzip2": b"bz2",
    b"application/x-xz": b"xz",
    b"application/x-7z-compressed": b"7z",
    b"application/vnd.rar": b"rar",
    b"application/x-tar": b"tar",
    b"application/java-archive": b"jar war",
    b"application/vnd.microsoft.portable-executable": b"exe dll",
    b"application/x-msdownload": b"msi",
    b"application/x-apple-diskimage": b"dmg",
    b"application/x-iso9660-image": b"iso",
    b"application/vnd.debian.binary-package": b"deb",
    b"application/x-redhat-package-manager": b"rpm",
    b"application/vnd.android.package-archive": b"apk",
    b"application/x-chrome-extension": b"crx",
    b"application/x-xpinstall": b"xpi",
    b"application/x-shockwave-flash": b"swf",
    b"application/x-bittorrent": b"torrent",
    b"application/x-x509-ca-cert": b"crt der pem",
    b"application/pkix-cert": b"cer",
    b"application/pkix-crl": b"crl",
    b"application/pkcs12": b"p12 pfx",  # RFC 7292
    b"application/x-apple-aspen-config": b"mobileconfig",
    b"application/pgp-keys": b"asc",
    b"application/pgp-signature": b"sig",
    b"application/octet-stream": b"bin dat data mem img ipa so whl",
}

# Files without an extension that have a type by convention, in this spelling. iOS fetches the first and expects JSON;
# the others are for people.
_NAMES = {
    b"application/json": b"apple-app-site-association",
    b"text/plain": b"AUTHORS CHANGELOG CONTRIBUTING CONTRIBUTORS COPYING LICENCE LICENSE NOTICE README"
    b" CNAME Dockerfile Makefile _headers _redirects",
}


# Types of text whose content declares its charset.
_SELF_DESCRIBED = frozenset(b"text/mathml text/richtext text/sgml text/vnd.dvb.subtitle text/vnd.wap.wml".split())


def _full_type(media_type: bytes) -> bytes:
    # Every text of a front-end build is in UTF-8; without the parameter, browsers guess from the user's language. Other
    # types have no such parameter, or a right default: JSON (RFC 8259), XML (RFC 7303), SVG.
    is_text = media_type.startswith(b"text/") and media_type not in _SELF_DESCRIBED
    return media_type + b"; charset=utf-8" if is_text else media_type


BY_EXTENSION = {extension: _full_type(kind) for kind, group in _EXTENSIONS.items() for extension in group.split()}
_BY_NAME = {name: _full_type(kind) for kind, group in _NAMES.items() for name in group.split()}
_DECLARATIONS = (b".d.ts", b".d.mts", b".d.cts")


def make_additions(texts: Iterable[str]) -> dict[bytes, bytes]:
    """Return a type by extension, from option texts ``ext=type``."""
    pairs = (text.encode().split(b"=", 1) for text in texts)
    return {extension: kind if b";" in kind else _full_type(kind) for extension, kind in pairs}


def media_type(name: bytes, additions: Mapping[bytes, bytes] = NO_ADDITIONS) -> bytes:
    """Return the Content-Type value for a file name without its folder.

    ``additions`` win over fastfile's table, and that wins over mime-db. The last extension decides, in upper or lower
    case: ``a.tar.gz`` is gzip. A name that is only an extension, such as ``.gitignore`` or ``.js``, has none.
    """
    stem, _, extension = name.rpartition(b".")
    if not stem:
        return _BY_NAME.get(name, DEFAULT_TYPE)
    if extension == b"ts" and b"ts" not in additions and name.endswith(_DECLARATIONS):
        return BY_EXTENSION[b"txt"]
    extension = extension.lower()
    known = additions.get(extension) or BY_EXTENSION.get(extension)
    if known is not None:
        return known
    found = maybe_type(extension)
    return DEFAULT_TYPE if found is None else _full_type(found)


# Types other than text whose content is text, or numbers in a row: what an encoder makes much smaller. Pictures, sound,
# archives and WOFF fonts are compressed by themselves.
_COMPRESSIBLE = frozenset(
    b"application/json application/json5 application/jsonl application/x-ndjson application/yaml application/toml"
    b" application/xml application/xml-dtd application/sql application/rtf application/postscript application/x-tex"
    b" application/wasm application/vnd.apple.mpegurl application/x-subrip application/pgp-keys audio/x-mpegurl"
    b" application/vnd.ms-fontobject font/ttf font/otf font/collection image/bmp image/vnd.microsoft.icon"
    b" model/gltf-binary model/mtl model/obj model/stl".split()
)


def is_compressible(media_type: bytes) -> bool:
    """Tell whether content of a type (a Content-Type value, in lower case) is usually worth encoding."""
    essence = media_type.partition(b";")[0].rstrip()
    return essence.startswith(b"text/") or essence.endswith((b"+json", b"+xml")) or essence in _COMPRESSIBLE
