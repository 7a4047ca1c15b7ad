"""A matrix of experiments that is killed again and again equals the one that is not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hexapla.reproduce import reproduce
from tests.fixtures.matrix import results, toy_config, toy_recipe


@pytest.mark.slow
@pytest.mark.fuzz
@pytest.mark.timeout(1800)
def test_ten_kills_at_random_moments_change_nothing_in_the_end(data: Path, tmp_path: Path) -> None:
    recipe = toy_recipe(tmp_path / "toy.toml")
    # All by workers: a sum over other numbers of threads may differ in its last digit.
    whole = reproduce(toy_config(recipe, data, tmp_path / "whole", workers=2))
    assert whole.failures == {}
    draw = random.Random(0)
    out, ends, n_matrices = tmp_path / "killed-1", [], 1
    while len(ends) < 10:
        command = f"-m hexapla reproduce {recipe} --data {data} --workers 2 --out {out} --resume"
        arguments = command.split() if (out / "run.json").is_file() else command.split()[:-1]
        process = subprocess.Popen([sys.executable, *arguments], start_new_session=True)
        time.sleep(draw.uniform(3, 30))
        number = draw.choice([signal.SIGKILL, signal.SIGTERM])
        # Half of the time its workers are not killed with it, and have to notice.
        (os.killpg if draw.random() < 0.5 else os.kill)(process.pid, number)
        if (status := process.wait()) == 0:
            assert results(out) == results(tmp_path / "whole")
            n_matrices += 1
            out = tmp_path / f"killed-{n_matrices}"
        else:
            assert status in (-number, 143)
            ends.append(status)
    done = reproduce(toy_config(recipe, data, out, resume=(out / "run.json").is_file(), workers=2))
    assert done.failures == {}
    assert results(out) == results(tmp_path / "whole")
    left = [path for path in out.rglob("*") if ".lock" in path.name or "building" in path.name]
    assert left == []
    print(f"{n_matrices} matrices, {len(ends)} kills that hit: {ends}")
