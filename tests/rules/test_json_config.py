"""Any vercel.json and serve.json: the readers return working rules, or problems, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastfile.message import RequestHead
from fastfile.rules.headers import FieldBook
from fastfile.rules.json_config import MOST_ITEMS, Document
from fastfile.rules.rule import Place
from fastfile.rules.rulebook import Rulebook
from fastfile.rules.serve import read_serve_config
from fastfile.rules.vercel import read_vercel_config

# What patterns, globs and destinations are made of, put together at random.
PARTS = (
    *("/", "a", "b", "/a", "/b", ":b", ":b*", ":b+", "(.*)", "(\\d", "{/c}?", "{", "}", "*", "**", "?", "[", "]", "!"),
    *("@(", "|", ")", "\\", "$1", "$9", "#", "\u00e9", "\n", "(?<n>a)", "(?!", ".", "%zz", ",", ":", "\r\n"),
)
TEXTS = st.lists(st.sampled_from(PARTS), max_size=5).map("".join)
PATHS = TEXTS.map("/".__add__)
VALUES = st.none() | st.booleans() | st.integers(-1, 999) | TEXTS | st.lists(TEXTS, max_size=1)


def mostly(usual: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.integers(0, 9).flatmap(lambda number: usual if number else VALUES)


def records(**members: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return mostly(st.fixed_dictionaries({}, optional={name: mostly(member) for name, member in members.items()}))


OPERATIONS = records(eq=TEXTS, neq=TEXTS, pre=TEXTS, suf=TEXTS, re=TEXTS, inc=st.lists(TEXTS, max_size=2), gt=VALUES)
CONDITION = records(
    type=st.sampled_from(["host", "header", "cookie", "query"]), key=st.sampled_from("ab"), value=TEXTS | OPERATIONS
)
RULE = mostly(
    st.fixed_dictionaries(
        {"source": mostly(PATHS), "destination": mostly(PATHS | st.just("https://x.example/:b"))},
        optional={
            "permanent": VALUES,
            "statusCode": st.sampled_from([200, 301, 404, 999]),
            "type": st.sampled_from([200, 301, 404, 999]),
            "has": st.lists(CONDITION, max_size=2),
            "missing": st.lists(CONDITION, max_size=2),
        },
    )
)
FIELDS = st.lists(records(key=st.sampled_from(["X-A", "Date", "\n"]), value=TEXTS), max_size=2)
HEADERS = records(source=PATHS, headers=FIELDS, has=st.lists(CONDITION, max_size=1))
CONFIGS = st.fixed_dictionaries(
    {"redirects": mostly(st.lists(RULE, max_size=3)), "rewrites": mostly(st.lists(RULE, max_size=3))},
    optional={
        "headers": mostly(st.lists(HEADERS, max_size=2)),
        "cleanUrls": st.lists(PATHS, max_size=2) | VALUES,
        "directoryListing": VALUES,
        "trailingSlash": VALUES,
    },
)


@pytest.mark.parametrize("read", [read_vercel_config, read_serve_config])
@given(config=CONFIGS, path=st.sampled_from(["/", "/a", "/a/b", "/c/", "/index.html", "/é\n"]))
@settings(max_examples=100)
def test_whatever_a_file_says_requests_are_answered(read, config, path):
    deployment = read(json.dumps(config).encode())
    head = RequestHead(b"GET", b"/", 1, 0, b"a: 1\r\nCookie: a=b\r\n", authority=b"localhost")
    outcome = Rulebook(deployment.rules).find(path.encode(), b"a=b", head)
    if outcome is not None:
        assert outcome.rule.refusal or outcome.reference.startswith((b"/", b"http"))
        assert not outcome.reference.startswith(b"//")
        assert not set(outcome.reference) & set(b"\r\n ")
    changes = FieldBook(deployment.header_rules, False).changes(path.encode())
    assert not any(set(name + value) & set(b"\r\n") for name, value in changes.added)
    assert all("\n" not in str(problem.place) for problem in deployment.problems)


@given(content=st.binary(max_size=20) | st.text(alphabet='{}[]":,a1 \n', max_size=12).map(str.encode))
@settings(max_examples=100)
def test_whatever_the_bytes_are_they_are_read_or_a_problem(content):
    document = Document("x.json", content)
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except ValueError:
        value = None
    assert [entry.name for entry in document] == (list(value) if isinstance(value, dict) else [])
    assert bool(document.problems) is not isinstance(value, dict)


def test_each_entry_knows_its_line():
    document = Document("x.json", b'{\n"a": [\n {"b": 1},\n\n {}\n],\n"c": true }')
    assert {entry.name: entry.place.line for entry in document} == {"a": 2, "c": 7}
    assert [(item.name, item.place) for item in document.items("a")] == [
        ("a[0]", Place("x.json", 3)),
        ("a[1]", Place("x.json", 5)),
    ]


def test_so_many_items_of_a_list_are_read():
    content = b'{"a": [%b]}' % b",".join([b"{}"] * (MOST_ITEMS + 1))
    document = Document("x.json", content)
    assert len(list(document.items("a"))) == MOST_ITEMS
    assert [str(problem) for problem in document.problems] == [
        f"x.json:1: a[{MOST_ITEMS}]: no more than {MOST_ITEMS} are read"
    ]


def test_half_a_surrogate_pair_is_a_problem():
    assert "surrogates not allowed" in str(Document("x.json", b'{"a": "\\ud800"}').problems[0])


def test_a_file_nested_too_deeply_is_a_problem():
    assert Document("x.json", b'{"a":' + b"[" * 100_000).problems
