"""When a burst of changes is over."""

import pytest

from fastfile.dev.burst import Burst
from fastfile.dev.changes import Change

A, B = Change(b"/a"), Change(b"/b")


@pytest.mark.parametrize(
    ("gaps", "quiet"),
    [
        ([], 0.02),  # one change
        ([0.005, 0.005], 0.02),
        ([0.05], 0.1),  # twice the largest gap
        ([0.3, 0.01], 0.6),
        ([0.9], 1.0),  # a second at most
        ([5.0, 0.01], 0.02),  # a pause that long is no rhythm
    ],
)
def test_it_is_over_after_twice_its_largest_gap(gaps: list[float], quiet: float) -> None:
    burst, now_s = Burst(), 100.0
    burst.note([A], now_s)
    for number, gap_s in enumerate(gaps):
        now_s += gap_s
        burst.note([Change(b"/%d" % number)], now_s)
    assert burst.over_s() == pytest.approx(now_s + quiet)


def test_a_file_that_is_open_holds_it_for_a_second_and_then_no_more() -> None:
    burst = Burst()
    burst.note([Change(b"/a", True)], 100.0)
    assert burst.over_s() == pytest.approx(101.0)
    burst.note([A], 100.5)
    assert burst.over_s() < 101.6
    burst.clear(False)
    burst.note([Change(b"/log", True)], 200.0)
    assert burst.over_s() == pytest.approx(201.0)
    burst.clear(False)
    burst.note([Change(b"/log", True)], 201.1)
    assert burst.is_empty, "it is written on and on"
    burst.note([Change(b"/log")], 202.0)
    assert not burst.is_empty, "it is closed"


def test_a_file_that_changes_again_and_again_prolongs_it_for_a_second_at_most() -> None:
    burst = Burst()
    for tick in range(100):
        burst.note([A], 100 + tick / 10)
    assert burst.over_s() == pytest.approx(101.2)


def test_it_begins_anew_and_may_keep_its_rhythm() -> None:
    burst = Burst()
    burst.note([A], 100.0)
    burst.note([B], 100.2)
    burst.clear(True)
    assert burst.is_empty
    burst.note([A], 100.9)
    assert burst.over_s() == pytest.approx(101.9)  # the gap of 0.7 s counts
    burst.clear(False)
    burst.note([A], 101.0)
    assert burst.over_s() == pytest.approx(101.02)
