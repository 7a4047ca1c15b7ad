"""Which translator made which cells of the columns that a top-up fills.

A column of one translator has its facts in `corpus.json`. One of several has `translators`, their
list in the order in which they were used, each with `n_cells`; beside the rows,
`meta.translator.LANG` has the place in this list of the translator that made a cell, from 0, which
null stands for too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

TRANSLATOR = "meta.translator."
"""Prefix of the columns that hold the places; a language code follows."""

_Facts = dict[str, object]


class ColumnMakers:
    """The translators of the columns that one translator tops up, and the cells of each.

    Args:
        columns: How each column was made, as `corpus.json` has it.
        languages: The columns to top up.
        facts: All that the output of the translator depends on.
    """

    def __init__(
        self,
        columns: Mapping[str, Mapping[str, object]],
        languages: Sequence[str],
        facts: Mapping[str, object],
    ) -> None:
        new: _Facts = json.loads(json.dumps(facts, default=str))
        self._makers: dict[str, list[_Facts]] = {}
        self._places: dict[str, str] = {}
        for language in languages:
            makers = _makers_of(columns.get(language, {}))
            if new not in makers:
                makers.append(new)
            self._makers[language] = makers
            self._places[language] = str(makers.index(new))
        self._n_cells: Counter[tuple[str, str]] = Counter()

    @property
    def meta(self) -> tuple[str, ...]:
        """The columns of places: one for each language that has several translators."""
        several = [language for language, makers in self._makers.items() if len(makers) > 1]
        return tuple(f"{TRANSLATOR}{language}" for language in several)

    def place(self, language: str) -> str:
        """Return what stands beside a cell that the translator made."""
        return self._places[language]

    def count(self, texts: Mapping[str, str | None], meta: Mapping[str, str | None]) -> None:
        """Count the cells of a row of the corpus."""
        for language in self._makers:
            if texts[language] is not None:
                self._n_cells[language, meta.get(f"{TRANSLATOR}{language}") or "0"] += 1

    def to_json(self) -> dict[str, _Facts]:
        """Return how each of the columns was made, with the cells counted so far."""
        return {
            language: makers[0]
            if len(makers) == 1
            else {
                "translators": [
                    {**facts, "n_cells": self._n_cells[language, str(place)]}
                    for place, facts in enumerate(makers)
                ]
            }
            for language, makers in self._makers.items()
        }


def _makers_of(column: Mapping[str, object]) -> list[_Facts]:
    several = column.get("translators")
    if not isinstance(several, list):
        return [dict(column)]
    return [{key: value for key, value in each.items() if key != "n_cells"} for each in several]
