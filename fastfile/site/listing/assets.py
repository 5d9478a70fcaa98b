"""What a listing looks like and does in a browser: its style, its script, and the icon of each kind of file.

All of it is in the page itself and known to its Content-Security-Policy by hashes: nothing else is run or loaded.
Icons are shapes that CSS cuts out (clip-path), so a row costs one letter for its icon, and no image is asked for.
"""

from __future__ import annotations

from fastfile.http.media_types import media_type

_PAGE = "M3 1h6.5L13 4.5V15H3zM4.2 2.2v11.6h7.6V5.5H8.7V2.2z"
_FRAME = "M1 3h14v10H1zM2.2 4.2v7.6h11.6V4.2z"
# By class of the link: the outline in a square of 16, by the even-odd rule. Without a class it is a file of any kind.
_ICONS = {
    "": _PAGE,
    "d": "M1 3h5l1.8 2H15v8.5H1z",  # a folder
    "u": "M8 2l5.5 5.5-1 1L8.8 4.8V14H7.2V4.8L3.5 8.5l-1-1z",  # the way up
    "t": _PAGE + "M5.5 7.5h5v1.1h-5zM5.5 10h5v1.1h-5z",  # text to read
    "c": "M5.4 3.6L1 8l4.4 4.4 1.1-1.1L3.2 8l3.3-3.3zM10.6 3.6L9.5 4.7 12.8 8l-3.3 3.3 1.1 1.1L15 8z",  # code
    "i": _FRAME + "M3 11l3-4 2.2 2.6L10 7.5l3 3.5zM10.6 5.4h1.8v1.8h-1.8z",  # an image
    "v": _FRAME + "M6.3 5.4L10.7 8l-4.4 2.6z",  # moving pictures
    "a": "M6 3l7-1.6v9.4a2 1.7 0 1 1-1.2-1.5V4.6L7.2 5.7v6.7A2 1.7 0 1 1 6 10.9z",  # sound
    "z": "M1.5 2.5h13V6h-13zM2.5 7h11v6.5h-11zM6 8.5h4v1.2H6z",  # an archive
    "f": "M6.8 2h2.4l4.3 12h-2l-1.1-3.2H5.6L4.5 14h-2zM8 4.6L6.2 9.2h3.6z",  # a font
}

_KINDS_BY_MAIN_TYPE = {b"image": "i", b"video": "v", b"audio": "a", b"font": "f", b"model": "i"}
_CODE = b"""
css html htm xhtml js mjs cjs jsx ts mts cts tsx vue svelte json jsonc json5 map xml yaml yml toml ini wasm webmanifest
py pyi rb rs go c h cc cpp hpp java kt swift cs php pl lua sh bash zsh fish ps1 bat sql graphql scss sass less rss atom
"""
_TEXT = b"txt md markdown rst adoc csv tsv log pdf epub rtf doc docx odt xls xlsx ods ppt pptx odp tex ps ics vtt srt"
_ARCHIVES = b"zip gz tgz br zst bz2 xz 7z rar tar jar war deb rpm apk dmg iso whl crate"
_KINDS = {
    **dict.fromkeys(_CODE.split(), "c"),
    **dict.fromkeys(_TEXT.split(), "t"),
    **dict.fromkeys(_ARCHIVES.split(), "z"),
}


def kind_of_extension(extension: bytes) -> str:
    """Return the class of the icon for an extension, in any case of letters; "" where no other is known."""
    extension = extension.lower()
    kind = _KINDS.get(extension)
    if kind is None:
        kind = _KINDS_BY_MAIN_TYPE.get(media_type(b"a." + extension).partition(b"/")[0], "")
    return kind


STYLE = (
    ":root{color-scheme:light dark;--line:#e3e7eb;--dim:#5b6673;--link:#0b57d0;--back:#fff;--ink:#1a1d21;"
    "--hover:#f3f6fa;--folder:#d99a1c;--image:#1a8a5a;--media:#9a3fc4;--code:#2f6fd0;--box:#a8672a}"
    "@media(prefers-color-scheme:dark){:root{--line:#2a2f35;--dim:#98a2ad;--link:#8ab4f8;--back:#15181b;--ink:#e6e8ea;"
    "--hover:#1e2328;--folder:#e8b64c;--image:#5cc596;--media:#cf8ef0;--code:#84aef5;--box:#d2a06d}}"
    "*{box-sizing:border-box}"
    "body{max-width:64rem;margin:1.5rem auto 3rem;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif;"
    "background:var(--back);color:var(--ink)}"
    "h1{margin:0;font-size:1.3rem;font-weight:600;overflow-wrap:anywhere}a{color:var(--link);text-decoration:none}"
    "a:hover{text-decoration:underline}"
    ":focus-visible{outline:2px solid var(--link);outline-offset:-2px;border-radius:4px}"
    ".bar{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;align-items:center;margin:.4rem 0 .8rem;color:var(--dim);"
    "font-size:.9rem}"
    "input{margin-left:auto;width:15rem;padding:.35rem .6rem;font:inherit;color:var(--ink);background:var(--hover);"
    "border:1px solid var(--line);border-radius:6px}"
    "table{width:100%;table-layout:fixed;border-collapse:collapse}"
    "th,td{padding:.3rem .5rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap;"
    "color:var(--dim);font-weight:400;font-variant-numeric:tabular-nums;overflow:hidden}"
    "th{position:sticky;top:0;z-index:1;background:var(--back);font-size:.85rem}th a{color:inherit}"
    "th[aria-sort]{color:var(--ink)}"
    "[aria-sort=ascending] a::after{content:' \\2191'}[aria-sort=descending] a::after{content:' \\2193'}"
    "th:first-child{text-align:left}th:nth-child(2){width:6.5rem}th:last-child{width:11rem}"
    "tbody tr:hover{background:var(--hover)}"
    # A name is shown as it is: runs of spaces kept, broken anywhere, and its direction marks end with it.
    "td:first-child{padding:0;text-align:left;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}"
    "td a{display:block;position:relative;padding:.3rem .5rem .3rem 2rem}"
    "td a::before{content:'';position:absolute;left:.5rem;top:.55rem;width:16px;height:16px;background:var(--dim);"
    f"clip-path:path(evenodd,'{_ICONS['']}')}}"
    + "".join(f".{kind}::before{{clip-path:path(evenodd,'{path}')}}" for kind, path in _ICONS.items() if kind)
    + ".d::before{background:var(--folder)}.i::before{background:var(--image)}"
    ".v::before,.a::before{background:var(--media)}.c::before{background:var(--code)}.z::before{background:var(--box)}"
    "section{margin-top:2rem;border:1px solid var(--line);border-radius:8px}"
    "h2{margin:0;padding:.5rem 1rem;font-size:.95rem;font-weight:600;border-bottom:1px solid var(--line)}"
    "pre{margin:0;padding:1rem;font:.9rem/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".keys{margin-top:1rem;color:var(--dim);font-size:.85rem}"
    "kbd{padding:0 .35rem;border:1px solid var(--line);border-radius:4px;font:inherit}"
    "@media(hover:none){.keys{display:none}}"
    "@media(max-width:40rem){body{margin-top:1rem;padding:0 .6rem}th:last-child,td:last-child,.keys{display:none}"
    "input{width:100%}th:nth-child(2){width:5.5rem}"
    "td a{padding-top:.55rem;padding-bottom:.55rem}td a::before{top:.8rem}}"
)

# Without it everything is there but the filter, the keys and the local time.
SCRIPT = """
(() => {
const body = document.querySelector("tbody"), up = body.querySelector(".u");
const rows = [...body.rows].slice(up ? 1 : 0);
const make = (tag, parent, text = "") => {
  const made = document.createElement(tag);
  made.textContent = text;
  parent.append(made);
  return made;
};

const two = number => String(number).padStart(2, "0");
for (const time of body.querySelectorAll("time")) {
  const date = new Date(time.textContent.replace(" ", "T"));
  time.dateTime = time.textContent;
  time.textContent = `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
    + ` ${two(date.getHours())}:${two(date.getMinutes())}`;
}
const zone = document.querySelector("th:last-child");
zone.title = Intl.DateTimeFormat().resolvedOptions().timeZone;
zone.querySelector("span").remove();

const bar = document.querySelector(".bar"), count = bar.firstElementChild, total = count.textContent;
const box = make("input", bar);
box.type = "search";
box.placeholder = "Filter";
count.setAttribute("role", "status");
box.setAttribute("aria-label", "Filter by name");
box.setAttribute("aria-keyshortcuts", "/");
const names = rows.map(row => row.cells[0].textContent.toLowerCase());
box.oninput = () => {
  const words = box.value.toLowerCase().split(/\\s+/);
  let shown = 0;
  rows.forEach((row, index) => {
    const hit = words.every(word => names[index].includes(word));
    shown += hit;
    if (row.hidden === hit) row.hidden = !hit;
  });
  count.textContent = box.value.trim() ? `${shown} of ${rows.length} shown` : total;
};

const keys = make("p", document.body);
keys.className = "keys";
for (const [key, use] of [["/", "filter"], ["\\u2191 \\u2193", "choose"], ["Enter", "open"], ["Backspace", "up"]]) {
  make("kbd", keys, key);
  keys.append(` ${use} \\u00a0 `);
}
body.parentNode.after(keys);

const step = down => {
  const next = row => row && row[down ? "nextElementSibling" : "previousElementSibling"];
  let row = document.activeElement.closest("tbody tr");
  row = row ? next(row) : down ? rows[0] || body.firstElementChild : null;
  while (row && row.hidden) row = next(row);
  const link = row && row.querySelector("a");
  if (link) link.focus();
  else if (!down) box.focus();
};
document.onkeydown = event => {
  const typing = event.target === box, key = event.key;
  if (event.ctrlKey || event.metaKey || event.isComposing || (event.altKey && key !== "ArrowUp")) return;
  if (key === "ArrowUp" && event.altKey || key === "Backspace" && !typing) up && up.click();
  else if (key === "ArrowUp" || key === "ArrowDown") step(key === "ArrowDown");
  else if (key === "/" && !typing) box.select();
  else if (key === "Enter" && typing) {
    const row = rows.find(row => !row.hidden);
    if (row) row.querySelector("a").click();
  } else if (key === "Escape" && typing) {
    box.value = "";
    box.oninput();
    box.blur();
  } else return;
  event.preventDefault();
};
})();
"""
