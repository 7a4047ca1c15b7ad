"""The filters, one after another, on the cells of a column: the first that rejects a cell is the reason.

Every column is judged by what is normal in it, so a chain is made from `Statistics` of the whole
corpus; after that a verdict depends on nothing but its own cell, and shards can be judged apart and
in any order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hexapla.errors import InputError
from hexapla.filters.candidate import Candidate, Column, Scorer
from hexapla.filters.filter_settings import FilterSettings
from hexapla.filters.statistics import Statistics

EMPTY = "empty"
# Markup for the reader's eye, which some translators add; it says nothing of the translation.
_MARKUP = re.compile(
    r"</?(?:a|b|br|code|em|i|li|ol|p|small|span|strong|sub|sup|u|ul)(?:\s[^<>]*)?/?>"
)


class Verdict(NamedTuple):
    """Why a cell is rejected.

    Attributes:
        reason: The name of the filter, or what the translator said is wrong.
        score: What that filter gave; it grows with badness.
    """

    reason: str
    score: float


class Chain:
    """Judges the cells of a corpus.

    Attributes:
        notes: What a filter cannot do for a language of this corpus.
    """

    notes: tuple[str, ...]

    def __init__(
        self, settings: FilterSettings, pivot: str, languages: Sequence[str], statistics: Statistics
    ) -> None:
        """Prepare to judge every column but the pivot's.

        Args:
            settings: Which filters, and how strict.
            pivot: Canonical code of the sources.
            languages: Canonical codes of all columns; the pivot may be among them.
            statistics: Of the whole corpus, as it was before any cell was rejected.
        """
        self.settings = settings
        pool = tuple(dict.fromkeys([pivot, *languages]))
        notes: list[str] = []
        self._checks: dict[str, list[tuple[str, Callable[[float], bool], Scorer]]] = {}
        for language in pool[1:]:
            column = Column(
                language=language,
                pivot=pivot,
                pool=pool,
                statistics=statistics.column(language),
                notes=notes,
            )
            scorers = [
                (name, chosen.accept, chosen.scorer(column)) for name, chosen in settings.active()
            ]
            self._checks[language] = [
                (name, accept, scorer) for name, accept, scorer in scorers if scorer
            ]
        self.notes = tuple(notes)

    def judge(
        self,
        language: str,
        sources: Sequence[str],
        cells: Sequence[str | None],
        log_probs: Sequence[float | None] | None = None,
        problems: Sequence[str | None] | None = None,
    ) -> list[Verdict | None]:
        """Judge cells of one column.

        Args:
            language: Which column.
            sources: The pivot cells.
            cells: The cell of each source. None is no cell: rejected only where a problem says why
                there is none.
            log_probs: Of each cell, where the translator tells them.
            problems: What the translator said is wrong with each cell, if anything.

        Returns:
            For each cell None if it stays, else why not.
        """
        if language not in self._checks:
            raise InputError(
                f"{language} is not among the languages to judge: {', '.join(self._checks)}"
            )
        n = len(sources)
        rows = zip(sources, cells, log_probs or [None] * n, problems or [None] * n, strict=True)
        verdicts: list[Verdict | None] = []
        checks = self._checks[language]
        for source, text, log_prob, problem in rows:
            if text is None or not text or text.isspace():
                verdicts.append(self._judge_none(text, problem))
                continue
            if "<" in text:
                source, text = _MARKUP.sub("", source), _MARKUP.sub("", text)
            verdicts.append(_first(checks, Candidate(source, text, log_prob, problem)))
        return self._judge_meaning(sources, cells, verdicts)

    def _judge_none(self, text: str | None, problem: str | None) -> Verdict | None:
        if problem is not None and self.settings.problem is not None:
            return Verdict(problem, 1.0)
        return None if text is None else Verdict(EMPTY, 1.0)

    def _judge_meaning(
        self, sources: Sequence[str], cells: Sequence[str | None], verdicts: list[Verdict | None]
    ) -> list[Verdict | None]:
        """Ask the encoder, if there is one, about the cells that are still accepted."""
        if self.settings.cosine is None:
            return verdicts
        left = [i for i, verdict in enumerate(verdicts) if verdict is None and cells[i] is not None]
        scores = self.settings.cosine.scores([Candidate(sources[i], cells[i] or "") for i in left])
        for i, score in zip(left, scores, strict=True):
            if not self.settings.cosine.accept(score):
                verdicts[i] = Verdict("cosine", score)
        return verdicts


def _first(
    checks: Sequence[tuple[str, Callable[[float], bool], Scorer]], candidate: Candidate
) -> Verdict | None:
    """Return the verdict of the first filter that rejects a cell."""
    for name, accept, scorer in checks:
        score = scorer(candidate)
        if score is not None and not accept(score):
            return Verdict(
                candidate.problem if name == "problem" and candidate.problem else name, score
            )
    return None
