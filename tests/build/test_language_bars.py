"""The progress of a build: sentences and tokens per language, what was done before apart."""

from __future__ import annotations

import logging

import pytest

from hexapla.build import language_bars
from hexapla.build.language_bars import LanguageBars
from hexapla.build.shard_plan import ShardPlan
from hexapla.build.shard_worker import ShardResult, ShardTask
from hexapla.runs import progress
from hexapla.runs.progress import Progress


def test_a_log_tells_sentences_and_tokens_of_each_language(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    assert language_bars.time is progress.time
    caplog.set_level(logging.INFO, logger="hexapla")
    plan = ShardPlan({"00000": 60, "00001": 40}, {})
    with Progress() as shown:
        bars = LanguageBars(shown, "translating", ("deu_Latn", "fra_Latn"), plan)
        bars.skip(ShardTask("cells", "00000", ("deu_Latn",)))
        now += 40.0
        task = ShardTask("cells", "00001", ("deu_Latn", "fra_Latn"))
        bars.advance(task, ShardResult({"deu_Latn": 800, "fra_Latn": 1200}))
    german, french = (record.getMessage() for record in caplog.records)
    assert german == "translating German: 100 of 100 sentences (100 %), 1 sentences/s, tokens/s 20"
    assert french.startswith("translating French: 40 of 100 sentences (40 %)")
    assert "tokens/s 30" in french and french.endswith("left")
