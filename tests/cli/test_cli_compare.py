"""The compare command: its flags reach the comparison and the print."""

from __future__ import annotations

from pathlib import Path

import pytest

from hexapla.cli.app import main
from tests.fixtures.score_folders import BITEXT, DEU, SWH, hits, write_aligned, write_run


def test_the_command_takes_seeds_apart_and_prints_what_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = {(BITEXT, pair): {**hits(5), "f1": [0.5] * 10} for pair in (DEU, SWH)}
    base = write_run(
        tmp_path / "base", measured, regime=None, encoder="hub/xlmr", seen=None, seed=None
    )
    paths = [
        str(base),
        *(str(write_aligned(tmp_path / f"{seed}", measured, seed=seed)) for seed in (0, 1)),
    ]
    assert main(["compare", *paths]) == 0
    text = capsys.readouterr().out
    assert "2 seeds" in text and "cannot be below 0.5" in " ".join(text.split())
    assert "F1, as MTEB, %" not in text and "swh_Latn" not in text and "p seeds" not in text
    assert main(["compare", *paths, "--per-language"]) == 0
    assert "p seeds" in capsys.readouterr().out
    assert main(["compare", *paths, "--seeds", "apart", "--all-metrics", "--per-language"]) == 0
    text = capsys.readouterr().out
    assert "seed 0" in text and "seed 1" in text and "F1, as MTEB, %" in text and "swh_Latn" in text
    other = str(write_aligned(tmp_path / "en-x", measured, "en-x", n_rows_seen=99))
    assert main(["compare", *paths, other]) == 2
    assert "--different-budgets" in capsys.readouterr().err
    assert main(["compare", *paths, other, "--different-budgets"]) == 0
    assert "no comparison of regimes" in " ".join(capsys.readouterr().out.split())
