"""Make the images of docs/ and README.md again: `make screenshots`.

Serves folders made for this, with fixed names, sizes and times, and captures their pages with Chromium. The film strip
of docs/dev.md shows one page of a server with --live while its files change.
"""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from support.checkout import CHECKOUT
from support.chromium import TIMEOUT_S, open_browser
from support.serverprocess import ServerProcess

FOLDERS = ("Day 1", "Day 2", "Day 10", "edited")
FILES = {
    "all pictures.zip": 48_300_000,
    "film.mp4": 734_003_200,
    "Futura.woff2": 34_800,
    "index of places.html.txt": 5_120,
    "map.js": 3_480,
    "map.svg": 23_550,
    **{f"photo {number}.jpg": 1_000_000 + number * 379_811 % 3_900_000 for number in (1, 2, 3, 9, 10, 11)},
    "route.gpx": 812_000,
    "song.flac": 31_500_000,
}
README = """\
# Holiday

All pictures are free to use. The long film is cut from the three short ones; `route.gpx` is the way we went.

- **Day 1** to **Day 10**: as they came from the camera
- *edited*: cropped, for printing
"""
START = 1_789_999_980
WIDE, PHONE = (860, 740, 1.0), (390, 800, 1.5)
SHOTS = [
    ("listing-light-wide", "/Trips/Holiday/", WIDE, "light", ""),
    ("listing-dark-wide", "/Trips/Holiday/", WIDE, "dark", ""),
    ("listing-light-phone", "/Trips/Holiday/", PHONE, "light", ""),
    ("listing-dark-phone", "/Trips/Holiday/", PHONE, "dark", "photo"),
    ("not-found-light", "/missing", (860, 420, 1.0), "light", ""),
]
FRAME = (460, 270, 1.5)
APP = """<!DOCTYPE html><html lang=en><meta charset=utf-8>
<meta name=viewport content="width=device-width"><title>Tea</title>
<link rel=stylesheet href=style.css>
<h1>{}</h1><p><label>Name <input placeholder="Who drinks it?"></label> <button>Order</button>"""
STYLE = "body {{ font: 18px system-ui; margin: 32px }} h1 {{ color: {} }} button {{ background: {}; {} }}"
RED, TEAL = (
    ("#b3261e", "#eee", "padding: 4px 12px"),
    ("#00695c", "#00695c", "color: #fff; border: 0; padding: 8px 16px"),
)
STRIP = """<!DOCTYPE html><meta charset=utf-8><style>
* {{ box-sizing: border-box }}
body {{ overflow: hidden; margin: 0; padding: 16px; display: grid; grid-template-columns: 1fr 1fr; gap: 16px;
  background: #eef1f4; font: 15px/1.4 system-ui; color: #1b1f24 }}
figure {{ margin: 0; background: #fff; border: 1px solid #c4ccd4; border-radius: 10px; overflow: hidden }}
img {{ display: block; width: 100% }} figcaption {{ padding: 8px 14px; background: #f3f6f9; height: 60px }}
</style>{}"""


def make_site(root: Path) -> None:
    folder = root / "Trips" / "Holiday"
    for index, name in enumerate((*FOLDERS, *FILES, "README.md")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in FILES:
            with path.open("wb") as file:
                file.truncate(FILES[name])
        elif name in FOLDERS:
            path.mkdir()
        else:
            path.write_text(README)
        mtime_s = START + index * 90_060
        os.utime(path, (mtime_s, mtime_s))


def take(chrome: webdriver.Chrome, url: str, size: tuple[int, int, float], scheme: str, filtered: str) -> bytes:
    width, height, scale = size
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    chrome.get(url)
    if filtered:
        chrome.find_element(By.TAG_NAME, "input").send_keys(filtered)
    return capture(chrome)


def capture(chrome: webdriver.Chrome) -> bytes:
    return base64.b64decode(chrome.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"])


def take_film(chrome: webdriver.Chrome, folder: Path) -> bytes:
    """Return the film strip: a page, a style sheet that is swapped, the page reloaded, and a build that fails."""
    (folder / "index.html").write_text(APP.format("Tea for two"))
    (folder / "style.css").write_text(STYLE.format(*RED))
    build = folder.parent / "build"
    build.write_text("read line <go\necho 'src/menu.ts:12: Cannot find name price'\nexit 1\n")
    os.mkfifo(folder.parent / "go")
    with ServerProcess(["--live", "--run", "sh build", str(folder)], cwd=str(folder.parent)) as server:
        first = take(chrome, f"http://localhost:{server.port}/", FRAME, "light", "Ada")
        frames = [(first, "The page is open, and a name is typed.")]
        (folder / "style.css").write_text(STYLE.format(*TEAL))
        wait(chrome, "getComputedStyle(document.querySelector('h1')).color === 'rgb(0, 105, 92)'")
        frames.append((capture(chrome), "<b>style.css</b> is saved: swapped in place, and the name stays."))
        (folder / "index.html").write_text(APP.format("Tea for three"))
        wait(chrome, "document.querySelector('h1')?.textContent === 'Tea for three'")
        frames.append((capture(chrome), "<b>index.html</b> is saved: the page reloads."))
        (folder.parent / "go").write_text("\n")
        wait(chrome, "document.querySelector('fastfile-notice')?.shadowRoot.textContent.includes('menu.ts')")
        frames.append((capture(chrome), "The build of <b>--run</b> fails: the page says why."))
    figures = ""
    for frame, text in frames:
        image = base64.b64encode(frame).decode()
        figures += f"<figure><img src='data:image/png;base64,{image}' alt><figcaption>{text}</figcaption></figure>"
    strip = folder.parent / "strip.html"
    strip.write_text(STRIP.format(figures))
    return take(chrome, strip.as_uri(), (880, 658, 1.0), "light", "")


def wait(chrome: webdriver.Chrome, condition: str) -> None:
    WebDriverWait(chrome, TIMEOUT_S).until(lambda chrome: chrome.execute_script(f"return {condition}"))


def main() -> None:
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "docs"
    with tempfile.TemporaryDirectory() as site, tempfile.TemporaryDirectory() as profile:
        make_site(Path(site))
        with ServerProcess([site]) as server, open_browser(Path(profile)) as chrome:
            chrome.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "UTC"})
            for name, target, size, scheme, filtered in SHOTS:
                picture = take(chrome, f"http://localhost:{server.port}{target}", size, scheme, filtered)
                (into / f"{name}.png").write_bytes(picture)
            app = Path(site) / "app"
            app.mkdir()
            (into / "live.png").write_bytes(take_film(chrome, app))


if __name__ == "__main__":
    main()
