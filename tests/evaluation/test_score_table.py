"""Scores in Python: a list that prints as a table of means and becomes a data frame."""

from __future__ import annotations

import dataclasses

from hexapla.evaluation.score_table import Scores
from hexapla.evaluation.scores import Score, read_scores
from hexapla.evaluation.stage import evaluate

SCORE = Score(
    task="bitext/toy",
    metric="accuracy",
    value=0.5,
    n=60,
    languages="eng_Latn-deu_Latn",
    seen=True,
    split="all",
    encoder="tiny",
    encoder_sha="",
    corpus=None,
    regime=None,
    seed=None,
    signature="",
    per_item=None,
)


def other(**changed: object) -> Score:
    return dataclasses.replace(SCORE, **changed)


def test_a_line_is_the_mean_of_a_task_a_metric_and_a_group_of_languages():
    scores = Scores(
        [
            SCORE,
            other(languages="eng_Latn-fra_Latn", value=0.6, n=1060),
            other(languages="eng_Latn-swh_Latn", value=0.1, seen=False),
            other(metric="spearman", value=-0.25, task="sts/toy", seen=None, languages="eng_Latn"),
        ]
    )
    assert str(scores) == repr(scores)
    assert str(scores).splitlines() == [
        "task        languages  metric    mean, %        items",
        "bitext/toy  2 seen     accuracy     55.0  60 to 1,060",
        "bitext/toy  1 unseen   accuracy     10.0           60",
        "sts/toy     English    Spearman    -25.0           60",
    ]
    assert str(Scores([SCORE, other(split="dev")])).splitlines()[1].startswith("bitext/toy, all ")
    assert str(Scores()) == "no scores"
    assert scores[1:] == [scores[1], scores[2], scores[3]]


def test_both_directions_are_averaged_into_a_language_that_counts_once():
    scores = Scores(
        [
            other(value=0.2),
            other(value=0.4, languages="deu_Latn-eng_Latn"),
            other(value=0.9, languages="eng_Latn-fra_Latn"),
            other(value=0.1, languages="deu_Latn-fra_Latn"),
            other(value=0.3, languages="fra_Latn-deu_Latn"),
        ]
    )
    assert [line.split()[1:6] for line in str(scores).splitlines()[1:]] == [
        ["2", "seen", "accuracy", "60.0", "60"],  # (0.3 + 0.9) / 2
        ["1", "pair", "seen", "accuracy", "20.0"],
    ]


def test_a_data_frame_has_a_row_for_each_score():
    frame = Scores([SCORE, other(value=0.25)]).to_pandas()
    assert list(frame.columns) == [field.name for field in dataclasses.fields(Score)]
    assert frame["value"].tolist() == [0.5, 0.25]
    assert Scores().to_pandas().columns.tolist() == list(frame.columns)


def test_an_evaluation_returns_such_scores(oracle, config):
    scores = evaluate(dataclasses.replace(config, suite="dev"), quiet=True)
    assert str(scores).startswith("task ") and len(scores.to_pandas()) == len(scores)
    assert scores == read_scores(config.out)
    again = evaluate(dataclasses.replace(config, suite="dev", resume=True), quiet=True)
    assert str(again) == str(scores)
