"""Names with a content hash: real names from real builds, and names that only look like it."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.checkout import DATA

from fastfile.http.content.content_hash import is_immutable

DATA = DATA / "immutable"

# The least number of recognised names of each tool. A missed name costs a 304.
RECALL = [
    ("vite8", 106, 122),
    ("vite7", 96, 122),
    ("vite4", 109, 122),
    ("rollup", 94, 122),
    ("rollup-hex", 115, 122),
    ("rollup-base36", 0, 122),  # looks like words with numbers
    ("webpack", 122, 122),
    ("webpack-short", 117, 122),
    ("esbuild", 71, 123),  # its images are beside the page, like images named by people
    ("parcel", 98, 122),  # so do Parcel's
    ("angular", 99, 106),
    ("next-webpack", 89, 92),
    ("next-turbopack", 79, 80),
    ("sveltekit", 130, 140),
    ("astro", 102, 105),
    ("django", 151, 153),
    ("docusaurus", 56, 60),
]

# Names that other tools write, from their documentation or from published sites.
FURTHER = [
    pytest.param("static/js/main.8d3db4a1.chunk.js", id="Create React App"),
    pytest.param("static/media/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg", id="Create React App, media"),
    pytest.param("js/chunk-vendors.04da6b21.js", id="Vue CLI"),
    pytest.param("component---src-pages-index-js-0d2b6a3a9a5a2a8b1c4e.js", id="Gatsby"),
    pytest.param("assets/application-908e25f4bf641868d8683022a5b62f54.js", id="Sprockets, MD5"),
    pytest.param("css/style.min.3f2a1b4c5d6e7f803f2a1b4c5d6e7f803f2a1b4c5d6e7f803f2a1b4c5d6e7f80.css", id="Hugo"),
    pytest.param("app-7a1f4c2b9d3e8f60_bg.wasm", id="Trunk"),
    pytest.param("_nuxt/entry.BvXs3m9q.css", id="Nuxt, a style"),
    pytest.param("_nuxt/BvXs3m9q.js", id="Nuxt, a chunk"),
    pytest.param("assets/index-DiwrgTda.js", id="Vite, a hash without a digit"),
    pytest.param("assets/index-legacy-BvXs3m9q.js", id="Vite's legacy plugin"),
    pytest.param("docs/_astro/index.BvXs3m9q.css", id="a folder of hashes beneath another"),
    pytest.param("assets/index-BvXs3m9q.JS", id="an extension in upper case"),
]


def names_in(file: str) -> list[str]:
    return [line for line in (DATA / f"{file}.txt").read_text().splitlines() if not line.startswith("# ")]


def immutable(name: str) -> bool:
    return is_immutable(os.fsencode(name))


@pytest.mark.parametrize(("tool", "least", "count"), RECALL, ids=[tool for tool, _, _ in RECALL])
def test_most_names_that_a_tool_hashed_are_recognised(tool: str, least: int, count: int) -> None:
    names = names_in(tool)
    assert len(names) == count
    missed = [name for name in names if not immutable(name)]
    assert count - len(missed) >= least, missed


def test_every_list_of_a_tool_is_measured() -> None:
    assert {path.stem for path in DATA.glob("*.txt")} == {tool for tool, _, _ in RECALL} | {"names", "lookalikes"}


@pytest.mark.parametrize("name", FURTHER)
def test_names_of_further_tools_are_recognised(name: str) -> None:
    assert immutable(name)


@pytest.mark.parametrize("name", names_in("lookalikes"))
def test_a_lookalike_is_not_immutable(name: str) -> None:
    assert not immutable(name)


def test_no_name_of_published_packages_is_taken_for_a_hash() -> None:
    names = names_in("names")
    assert len(names) > 3000
    assert [name for name in names if immutable(name)] == []


@pytest.mark.parametrize("place", ["index-{}.js", "app.{}.css", "assets/index-{}.js", "chunk-{}.js", "_astro/{}.js"])
def test_no_word_of_eight_letters_is_a_hash_anywhere(place: str) -> None:
    words = {word for name in names_in("names") for word in re.findall(r"(?<![A-Za-z])[a-z]{8}(?![a-z])", name)}
    assert len(words) > 300
    written = [form for word in words for form in (word, word.capitalize(), word.upper())]
    assert [word for word in written if immutable(place.format(word))] == []


@pytest.mark.parametrize("place", ["index-{}.js", "assets/index-{}.js", "view.{}.css"])
def test_no_two_words_of_four_letters_are_a_hash(place: str) -> None:
    found = {word for name in names_in("names") for word in re.findall(r"(?<![A-Za-z])[a-z]{4}(?![a-z])", name)}
    words = sorted(word for word in found if set(word) & set("aeiouy"))
    assert len(words) > 300
    pairs = [first + second.capitalize() for first, second in zip(words, words[::-1], strict=True)]
    assert [pair for pair in pairs if immutable(place.format(pair))] == []


@given(st.binary(max_size=40), st.sampled_from([b".js", b"", b"-", b"."]))
def test_any_bytes_are_judged(name: bytes, end: bytes) -> None:
    assert is_immutable(name + end) in (True, False)
