"""The filters in order, on the cells of a column: the first that rejects a cell is the reason.

What is normal differs between columns, so a chain is made from the `Statistics` of the whole
corpus. After that, a verdict depends on its own cell alone, and shards can be judged separately and
in any order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hexapla.errors import InputError
from hexapla.filters.candidate import Candidate, JudgedColumn, Scorer
from hexapla.filters.filter_settings import FilterSettings
from hexapla.filters.statistics import Statistics

EMPTY = "empty"
# Markup for display that some translators add. It says nothing about the translation.
_MARKUP = re.compile(
    r"</?(?:a|b|br|code|em|i|li|ol|p|small|span|strong|sub|sup|u|ul)(?:\s[^<>]*)?/?>"
)


class Verdict(NamedTuple):
    """Why a cell is rejected.

    Attributes:
        reason: The name of the filter, or the problem that the translator reported.
        score: The filter's score; a higher one is worse.
    """

    reason: str
    score: float


class _Check(NamedTuple):
    """A filter that is ready for the cells of one column."""

    name: str
    accept: Callable[[float], bool]
    scorer: Scorer


class Chain:
    """Judges the cells of a corpus.

    Attributes:
        notes: What the filters cannot check in a language of this corpus.
    """

    notes: tuple[str, ...]

    def __init__(
        self,
        settings: FilterSettings,
        pivot: str,
        languages: Sequence[str],
        statistics: Statistics,
        *,
        judged: Sequence[str] | None = None,
    ) -> None:
        """Prepare the filters for the columns to judge.

        Args:
            settings: Which filters are on, and how strict they are.
            pivot: Canonical code of the sources.
            languages: Canonical codes of all columns, with or without the pivot.
            statistics: Statistics of the whole corpus, before any cell was rejected.
            judged: Canonical codes of the columns to judge. By default all but the pivot's.

        Raises:
            InputError: The library or the encoder of a filter is not there.
        """
        settings.check_available()
        self.settings = settings
        pool = tuple(dict.fromkeys([pivot, *languages]))
        notes: list[str] = []
        self._checks: dict[str, list[_Check]] = {}
        for language in pool[1:] if judged is None else judged:
            column = JudgedColumn(
                language=language,
                pivot=pivot,
                pool=pool,
                statistics=statistics.column(language),
                notes=notes,
            )
            self._checks[language] = _prepare(settings, column)
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
            language: Canonical code of the column.
            sources: The pivot cells.
            cells: The cell of each source. None is a missing cell, which is rejected only if a
                problem says why it is missing.
            log_probs: The log-probability of each cell, where the translator reports them.
            problems: What the translator reported as wrong with each cell, if anything.

        Returns:
            For each cell None if it stays, else the reason why not.

        Raises:
            InputError: The chain was not made for the language.
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
                verdicts.append(self._judge_empty(text, problem))
                continue
            if "<" in text:
                source, text = _MARKUP.sub("", source), _MARKUP.sub("", text)
            verdicts.append(_first_rejection(checks, Candidate(source, text, log_prob, problem)))
        return self._judge_meaning(sources, cells, verdicts)

    def _judge_empty(self, text: str | None, problem: str | None) -> Verdict | None:
        if problem is not None and self.settings.problem is not None:
            return Verdict(problem, 1.0)
        return None if text is None else Verdict(EMPTY, 1.0)

    def _judge_meaning(
        self, sources: Sequence[str], cells: Sequence[str | None], verdicts: list[Verdict | None]
    ) -> list[Verdict | None]:
        """Apply the encoder, if there is one, to the cells that no other filter rejected."""
        if self.settings.cosine is None:
            return verdicts
        left = [i for i, verdict in enumerate(verdicts) if verdict is None and cells[i] is not None]
        scores = self.settings.cosine.scores([Candidate(sources[i], cells[i] or "") for i in left])
        for i, score in zip(left, scores, strict=True):
            if not self.settings.cosine.accept(score):
                verdicts[i] = Verdict("cosine", score)
        return verdicts


def _prepare(settings: FilterSettings, column: JudgedColumn) -> list[_Check]:
    """Return the filters that can judge a column, in order."""
    checks = []
    for name, chosen in settings.active():
        scorer = chosen.scorer(column)
        if scorer is not None:
            checks.append(_Check(name, chosen.accept, scorer))
    return checks


def _first_rejection(checks: Sequence[_Check], candidate: Candidate) -> Verdict | None:
    """Return the verdict of the first filter that rejects a cell."""
    for name, accept, scorer in checks:
        score = scorer(candidate)
        if score is not None and not accept(score):
            return Verdict(
                candidate.problem if name == "problem" and candidate.problem else name, score
            )
    return None
