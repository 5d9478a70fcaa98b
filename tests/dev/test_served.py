"""When targets were looked up for clients."""

import pytest

from fastfile.dev import served as module
from fastfile.dev.served import MAX_TARGETS, MAX_TIMES, Served


def test_it_knows_when_a_target_was_first_looked_up_since(monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served()
    for now_ns in (10, 20, 30):
        monkeypatch.setattr(module.time, "time_ns", lambda now_ns=now_ns: now_ns)
        served.note(b"/a")
    assert [served.first_since(b"/a", since) for since in (5, 10, 11, 30, 31)] == [10, 10, 20, 30, 31]
    assert served.first_since(b"/b", 7) == 7


def test_it_knows_what_was_found_and_stays_small() -> None:
    served = Served()
    served.note_found(b"/a", True)
    assert served.was_found(b"/a")
    assert served.was_file(b"/a")
    served.note_found(b"/a", False)
    assert served.was_found(b"/a")
    assert not served.was_file(b"/a")
    assert not served.was_found(b"/b")
    for _ in range(MAX_TIMES + 5):
        served.note(b"/a")
    assert served.first_since(b"/a", 0) > 0
    for number in range(MAX_TARGETS + 1):
        served.note(b"/%d" % number)
    assert not served.was_found(b"/a")
