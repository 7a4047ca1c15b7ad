"""Judging one cell by one filter, as the chain does."""

from __future__ import annotations

from hexapla.filters.candidate import Candidate, JudgedColumn
from hexapla.filters.statistics import ColumnStatistics

POOL = (
    "eng_Latn",
    "deu_Latn",
    "spa_Latn",
    "por_Latn",
    "rus_Cyrl",
    "jpn_Jpan",
    "zho_Hans",
    "arb_Arab",
    "swh_Latn",
)


def column(
    language: str = "deu_Latn", statistics: ColumnStatistics | None = None, pivot: str = "eng_Latn"
) -> JudgedColumn:
    """Return a column of a corpus in the languages of `POOL`."""
    return JudgedColumn(
        language=language, pivot=pivot, pool=POOL, statistics=statistics or ColumnStatistics()
    )


def stays(chosen: object, source: str, text: str, language: str = "deu_Latn") -> bool:
    """Return whether one filter accepts a cell, as the chain uses it."""
    scorer = chosen.scorer(column(language))  # type: ignore[attr-defined]
    score = scorer(Candidate(source, text)) if scorer else None
    return score is None or chosen.accept(score)  # type: ignore[attr-defined]
