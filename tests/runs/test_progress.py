"""Progress without a terminal: a line every half minute, with done, total, rate, time left, facts."""

from __future__ import annotations

import logging

import pytest

from hexapla.runs import progress
from hexapla.runs.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list whose only entry is the time."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_every_half_minute(clock, caplog):
    caplog.set_level(logging.INFO, logger="hexapla")
    with Progress() as bars:
        bar = bars.add("training", total=100, unit="steps")
        for _ in range(100):
            clock[0] += 1
            bar.advance(loss="0.5000")
        bar.advance(0)  # the last line is not repeated
    assert caplog.messages == [
        "training: 30 of 100 steps (30 %), 1 steps/s, loss 0.5000, 1 min 10 s left",
        "training: 60 of 100 steps (60 %), 1 steps/s, loss 0.5000, 40 s left",
        "training: 90 of 100 steps (90 %), 1 steps/s, loss 0.5000, 10 s left",
        "training: 100 of 100 steps (100 %), 1 steps/s, loss 0.5000",
    ]


def test_short_work_and_quiet_work_log_nothing(clock, caplog):
    caplog.set_level(logging.INFO, logger="hexapla")
    with Progress() as bars:
        clock[0] += 5
        bars.add("reading", total=1).advance()
    with Progress(quiet=True) as bars:
        bar = bars.add("reading", total=2)
        clock[0] += 100
        bar.advance()
    assert caplog.messages == []


def test_what_an_earlier_run_did_says_nothing_about_the_rate(clock, caplog):
    caplog.set_level(logging.INFO, logger="hexapla")
    with Progress() as bars:
        bar = bars.add("translating", total=1000, unit="rows")
        bar.skip(900)
        clock[0] += 40
        bar.advance(20)
    assert caplog.messages == ["translating: 920 of 1,000 rows (92 %), 0.5 rows/s, 2 min 40 s left"]


def test_work_of_unknown_length_has_no_share_and_no_end(clock, caplog):
    caplog.set_level(logging.INFO, logger="hexapla")
    with Progress() as bars:
        bar = bars.add("reading [a].tmx", unit="entries")
        clock[0] += 60
        bar.advance(1200, description="reading b.tmx")
    assert caplog.messages == ["reading b.tmx: 1,200 entries, 20 entries/s"]


def test_tracked_items_are_counted_one_by_one(clock, caplog):
    caplog.set_level(logging.INFO, logger="hexapla")
    with Progress() as bars:
        for _ in bars.track(range(3), "encoding", total=3, unit="texts"):
            clock[0] += 31
    assert [line.split(" (")[0] for line in caplog.messages] == [
        "encoding: 1 of 3 texts",
        "encoding: 2 of 3 texts",
        "encoding: 3 of 3 texts",
    ]
