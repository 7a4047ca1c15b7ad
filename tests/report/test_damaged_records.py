"""Whatever stands in the records beside scores or in an encoder, it is read rightly or refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from hexapla.encoder.encoder_screen import inspect_encoder
from hexapla.errors import InputError
from hexapla.report.score_runs import check_comparable, read_runs
from hexapla.report.training import read_curves
from hexapla.report.training_chart import training_chart
from tests.fixtures.damaged_values import JSON_VALUES, as_json, replaced

from ..fixtures.merging import write_records
from ..fixtures.score_folders import record, twins, two_languages
from ..fixtures.toy import toy_encoder

STRIDES = [pytest.param(7, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.fuzz)]


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("name", ["scores.jsonl", "run.json"])
def test_scores_and_their_record_are_read_or_refused(
    tmp_path: Path, name: str, stride: int
) -> None:
    losses = {"losses": [{"step": 1, "loss": 2.0}], "held_out": [{"step": 1, "accuracy": 0.5}]}
    folders = twins(tmp_path, two_languages(7, 9, 2, 4), training=record(**losses))
    path = folders[1] / name
    first, *others = path.read_text().split("\n")
    n_refused = 0
    for place, value, changed in replaced(json.loads(first), JSON_VALUES, stride):
        path.write_text("\n".join([as_json(changed), *others]))
        try:
            check_comparable(read_runs(folders))
            training_chart({"one": read_curves(folders[1])})
        except InputError as error:
            n_refused += 1
            assert "\n" not in str(error), (place, value)
    assert n_refused > 50 / stride


@pytest.mark.parametrize("stride", STRIDES)
def test_the_record_of_an_alignment_is_read_or_refused(tmp_path: Path, stride: int) -> None:
    base, folder = toy_encoder(tmp_path / "base"), toy_encoder(tmp_path / "aligned")
    merged = {"base": "b", "alpha": 0.5, "accuracy": 0.5, "qualified": True, "n_rows": 3}
    columns = {"eng_Latn": {"file": "x"}}
    write_records(folder, base, merged=merged, columns=columns)
    path = folder / "align.json"
    n_refused = 0
    for place, value, changed in replaced(json.loads(path.read_text()), JSON_VALUES, stride):
        path.write_text(as_json(changed))
        try:
            inspect_encoder(str(folder)).render(Console(file=io.StringIO()))
        except InputError as error:
            n_refused += 1
            assert "\n" not in str(error), (place, value)
    assert n_refused > 50 / stride
