"""Mistakes of `hexapla align` are answered before a heavy library is imported, and nothing is written."""

from __future__ import annotations

import pytest
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from hexapla.alignment.check_alignment import REPORTERS
from tests.fixtures.light_process import Answer, answers

GIVEN = ["align", "sample", "--encoder", "tiny", "--out", "out"]
MISTAKES = {
    "a wrong setting": ([*GIVEN, "--temperature", "0"], "temperature is 0.0; it must be a number"),
    "a setting that is no number": (
        [*GIVEN, "--epochs", "x"],
        'epochs is "x"; it must be a number',
    ),
    "no encoder": (["align", "sample", "--out", "out"], "no encoder; give one (--encoder)"),
    "an unknown language": ([*GIVEN, "--languages", "en,klingon"], "klingon"),
    "an ambiguous language": ([*GIVEN, "--languages", "en,zh"], "zho_Hans"),
    "a column that is missing": ([*GIVEN, "--languages", "en,tur_Latn"], "no column tur_Latn"),
    "a logger that does not exist": ([*GIVEN, "--report-to", "tensorbord"], 'mean "tensorboard"?'),
    "a full folder": ([*GIVEN[:-1], "full"], "full: not empty"),
    "a file as folder": ([*GIVEN[:-1], "full/thesis.txt"], "the output must be a folder"),
    "nothing to resume": ([*GIVEN, "--resume"], "no run to resume here"),
    "no corpus": (["align", "nowhere", *GIVEN[2:]], "there is no corpus at nowhere"),
    "no encoder folder": (
        ["align", "sample", "--encoder", "./nowhere", "--out", "out"],
        "./nowhere: no such encoder folder",
    ),
    "a folder that is no encoder": (
        ["align", "sample", "--encoder", "full", "--out", "out"],
        "full: no encoder in this folder",
    ),
}


@pytest.fixture(scope="module")
def light(tmp_path_factory) -> dict[str, Answer]:
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "full").mkdir()
    (folder / "full" / "thesis.txt").write_text("years of work")
    return answers({name: given for name, (given, _) in MISTAKES.items()}, folder)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_in_one_line_before_a_heavy_library_is_imported(light, mistake):
    answer = light[mistake]
    assert answer.status == 2
    assert MISTAKES[mistake][1] in answer.err and answer.err.count("\n") == 1
    assert answer.heavy == []
    assert answer.left == ["full"]


def test_the_loggers_are_those_that_the_trainer_knows():
    assert set(REPORTERS) == {"none", *INTEGRATION_TO_CALLBACK}
