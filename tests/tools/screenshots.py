"""Make the images of docs/listing.md and README.md again: `make screenshots`.

Serves a folder made for this, with fixed names, sizes and times, and captures its pages with Chromium.
"""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from support.checkout import CHECKOUT
from support.chromium import open_browser
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
    ("not-found-light", "/missing", (860, 480, 1.0), "light", ""),
    ("not-found-dark-phone", "/missing", (390, 480, 1.5), "dark", ""),
]


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
    return base64.b64decode(chrome.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"])


def main() -> None:
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "docs"
    with tempfile.TemporaryDirectory() as site, tempfile.TemporaryDirectory() as profile:
        make_site(Path(site))
        with ServerProcess([site]) as server, open_browser(Path(profile)) as chrome:
            chrome.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "UTC"})
            for name, target, size, scheme, filtered in SHOTS:
                picture = take(chrome, f"http://localhost:{server.port}{target}", size, scheme, filtered)
                (into / f"{name}.png").write_bytes(picture)


if __name__ == "__main__":
    main()
