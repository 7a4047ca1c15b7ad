"""A build with two worker processes, killed again and again: in the end the same bytes, and no process is left."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from hexapla.cli.signals import interruptible
from tests.fixtures.builds import start_or_resume, toy_config, tree, write_text
from tests.fixtures.toy_translator import SlowTranslator

CONTEXT = multiprocessing.get_context("spawn")


def _build(folder: Path, **changes: Any) -> None:
    logging.disable()
    # Without the identity of languages, whose model takes longer to load than all the rest.
    filters = folder.parent / "filters.toml"
    filters.write_text("language = false\n")
    translator = SlowTranslator(seconds=0.3)
    config = toy_config(
        folder, filters=str(filters), rows_per_shard=8, translator=translator, **changes
    )
    start_or_resume(config)


def _build_until_stopped(folder: Path) -> None:
    with interruptible() as interruption:
        try:
            _build(folder, workers=2)
        except KeyboardInterrupt:
            os._exit(interruption.status)


def _fresh(folder: Path) -> Path:
    folder.mkdir(parents=True)
    write_text(folder)
    return folder


@pytest.mark.slow
@pytest.mark.fuzz
@pytest.mark.timeout(900)
def test_twenty_kills_of_a_build_with_two_workers_change_nothing_in_the_end(
    tmp_path: Path,
) -> None:
    _build(whole := _fresh(tmp_path / "whole" / "text"))
    expected = tree(whole)
    draw = random.Random(0)
    ends: list[int] = []
    n_builds = 0
    while len(ends) < 20:
        n_builds += 1
        folder = _fresh(tmp_path / str(n_builds) / "text")
        while True:
            process = CONTEXT.Process(target=_build_until_stopped, args=(folder,))
            process.start()
            if len(ends) < 20:
                time.sleep(draw.uniform(0.5, 12))
                workers = psutil.Process(process.pid).children(recursive=True)
                os.kill(process.pid or 0, draw.choice([signal.SIGKILL, signal.SIGTERM]))
            else:
                workers = []
            process.join(120)
            assert not psutil.wait_procs(workers, timeout=20)[1], "a worker outlives its parent"
            if process.exitcode == 0:
                break
            # A process that has not yet begun to handle SIGTERM just ends by it.
            assert process.exitcode in (-signal.SIGKILL, -signal.SIGTERM, 143)
            ends.append(process.exitcode)
        assert tree(folder) == expected
        assert sorted(path.name for path in folder.iterdir()) == ["corpus", "text.txt"]
    print(f"{n_builds} builds, {len(ends)} kills that hit: {ends}")
