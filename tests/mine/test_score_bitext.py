"""Given pairs keep their order and get the cosine and the margin score of the definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hexapla.cli.app import main
from hexapla.encoder.encode import encode
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from hexapla.mine import score
from hexapla.mine.config import ScoreConfig
from tests.fixtures.toy import toy_rows


@pytest.fixture
def bitext(tmp_path: Path) -> Path:
    """Twelve pairs, of which the third is wrong and the fifth has only one side."""
    rows = toy_rows(12, seed=2)
    pairs = [[str(row["eng_Latn"]), str(row["deu_Latn"])] for row in rows]
    pairs[2][1], pairs[4][1] = "deu59 deu58 deu57", ""
    path = tmp_path / "bitext.tsv"
    path.write_text("source\ttarget\n" + "".join("\t".join(pair) + "\n" for pair in pairs))
    return path


def test_every_pair_has_its_scores_and_the_wrong_one_the_worst(
    known: str, bitext: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scored.tsv"
    assert main(["score", str(bitext), "--encoder", known, "--out", str(out), "--k", "3"]) == 0
    assert capsys.readouterr().out.strip() == f"{out}: 12 pairs, 11 of them scored"
    given = [line.split("\t") for line in bitext.read_text().splitlines()]
    found = [line.split("\t") for line in out.read_text().splitlines()]
    assert found[0] == ["source", "target", "margin", "cosine"]
    assert [row[:2] for row in found] == given and found[5][2:] == ["", ""]
    rows = [n for n in range(1, 13) if n != 5]
    model = load_encoder(known)
    source, target = (
        encode(model, [given[n][side] for n in rows], task="BitextMining") for side in (0, 1)
    )
    matrix = source @ target.T
    means = [
        np.sort(matrix, axis=axis)[::-1][:3].mean(axis=0)
        if axis == 0
        else np.sort(matrix, axis=1)[:, -3:].mean(axis=1)
        for axis in (1, 0)
    ]
    for place, n in enumerate(rows):
        expected = matrix[place, place] / ((means[0][place] + means[1][place]) / 2)
        assert float(found[n][2]) == pytest.approx(expected, abs=1e-4)
        assert float(found[n][3]) == pytest.approx(matrix[place, place], abs=1e-4)
    assert min(rows, key=lambda n: float(found[n][2])) == 3


def test_parquet_and_other_fields(known: str, bitext: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(bitext.read_text().replace("source\ttarget", "en,de").replace("\t", ","))
    settings = {"encoder": known, "source_field": "en", "target_field": "de", "margin": "absolute"}
    table = score(ScoreConfig(bitext=other, out=tmp_path / "out.parquet", **settings), quiet=True)  # type: ignore[arg-type]
    assert pq.read_table(tmp_path / "out.parquet").equals(table)
    assert table.column_names == ["en", "de", "margin", "cosine"] and table["margin"].equals(
        table["cosine"]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 12}, "k is 12; the smaller side has 11 different sentences"),
        (
            {"source_field": "sorce"},
            r'bitext\.tsv has no field sorce; it has source, target; did you mean "source"\?',
        ),
        ({"bitext": Path("none.tsv")}, r"none\.tsv: no such file"),
        ({"out": Path("scored.txt")}, r"scored\.txt: must end in \.tsv or \.parquet"),
        ({"margin": "ration"}, r'margin is "ration"; .*did you mean "ratio"\?'),
    ],
)
def test_what_cannot_be_scored_is_refused(
    change: dict[str, object], message: str, known: str, bitext: Path, tmp_path: Path
) -> None:
    settings = {"bitext": bitext, "encoder": known, "out": tmp_path / "out.tsv"}
    with pytest.raises(InputError, match=message):
        score(ScoreConfig(**{**settings, **change}), quiet=True)  # type: ignore[arg-type]
    assert not (tmp_path / "out.tsv").exists()
