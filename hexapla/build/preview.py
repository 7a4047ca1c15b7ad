"""A few sentences of a build, translated and judged as the build would, before it is paid for.

Nothing is written: no output folder, and no answer of an endpoint is kept or taken from the request
cache, so that the time is that of real answers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from hexapla.build.build_estimate import (
    BuildEstimate,
    BuildTexts,
    estimate_texts,
    read_build_texts,
)
from hexapla.build.build_preview import BuildPreview, PreviewCell
from hexapla.build.cell_judge import CellJudge, ask_for
from hexapla.build.check_build import check_build
from hexapla.build.config import BuildConfig
from hexapla.build.references import References, ReferenceScores
from hexapla.build.shard_plan import no_sentence_left
from hexapla.corpus.rows import row_id
from hexapla.errors import InputError
from hexapla.filters import Chain, FilterReport, FilterSettings, Statistics
from hexapla.runs.progress import Progress
from hexapla.text.limits import with_text_limit
from hexapla.translate.backends import open_translator
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.translator import Translation, Translator

_log = logging.getLogger(__name__)


@with_text_limit
def preview_build(config: BuildConfig, n_sentences: int, *, quiet: bool = False) -> BuildPreview:
    """Translate some sentences of a build into every language, and judge them.

    Args:
        config: The build.
        n_sentences: How many, taken at even distances from all that the build would translate, or
            from those that have a reference; all of them if there are fewer.
        quiet: Show no progress.

    Returns:
        The translations, what the filters say, and what the whole build would take.

    Raises:
        InputError: As in `build`, or `n_sentences` is below 1.
    """
    if n_sentences < 1:
        raise InputError(f"preview is {n_sentences}; it must be a whole number of 1 or more")
    filters = check_build(config, dry_run=True)
    # What is in the request cache costs the build nothing, although the trial asks for it.
    translator, payer = _open_both(config)
    with closing(translator):
        translator.check(config.to)
        texts = read_build_texts(config)
        if not texts.texts:
            raise no_sentence_left(texts.left_out)
        references = _references(config, texts.texts)
        known = [text for text in texts.texts if references is None or references.has(row_id(text))]
        chosen = spread_evenly(known, n_sentences)
        estimate = estimate_texts(config, payer, texts)
        expected = estimate_texts(config, translator, BuildTexts(chosen))
        _log.info("translating %d of %d sentences", len(chosen), len(texts.texts))
        trial = _Trial(config, translator, chosen, quiet)
        columns = trial.translate()
        chain = _make_chain(config, filters, chosen, columns)
        cells = _judge(chain, translator, chosen, columns)
    n_tokens = sum(cell.n_tokens for column in columns.values() for cell in column)
    n_characters = sum(len(text) for code in config.to for text in texts.of(code))
    return BuildPreview(
        sentences=chosen,
        cells=cells,
        estimate=_corrected(config, estimate, expected, n_tokens),
        n_tokens=round(n_tokens * n_characters / (expected.n_characters * len(config.to))),
        seconds=trial.seconds_for(n_characters / len(config.to)),
        scores=_score(references, chosen, cells) if references else None,
        notes=(*chain.notes, *_loss_note(config, chosen, cells)),
    )


def spread_evenly(texts: Sequence[str], n_texts: int) -> list[str]:
    """Return texts at even distances.

    >>> spread_evenly("abcdefghi", 3), spread_evenly("ab", 3)
    (['b', 'e', 'h'], ['a', 'b'])
    """
    n_texts = min(n_texts, len(texts))
    return [texts[(2 * place + 1) * len(texts) // (2 * n_texts)] for place in range(n_texts)]


def _references(config: BuildConfig, texts: Sequence[str]) -> References | None:
    if config.reference is None:
        return None
    row_ids = {row_id(text) for text in texts}
    return References.load(config.reference, config.pivot, config.to, row_ids)


def _score(
    references: References, sentences: Sequence[str], cells: Mapping[str, Sequence[PreviewCell]]
) -> dict[str, Any]:
    scores = ReferenceScores(references)
    row_ids = [row_id(sentence) for sentence in sentences]
    for language, column in cells.items():
        kept = [cell.text if cell.is_kept else None for cell in column]
        rejected = [None if cell.is_kept else cell.text for cell in column]
        scores.add(language, row_ids, kept, rejected)
    return scores.to_json()


def _open_both(config: BuildConfig) -> tuple[Translator, Translator]:
    """Return the translator of the trial, and the one whose request cache the build would use."""
    given = config.translator
    if not isinstance(given, TranslatorConfig):
        return given, given
    translator = open_translator(given, keep_answers=False)
    return translator, open_translator(given) if given.backend == "openai" else translator


class _Trial:
    """The translation of some sentences, timed.

    The first sentence is translated apart from the others, so that loading is not in the time.
    """

    def __init__(
        self, config: BuildConfig, translator: Translator, sentences: list[str], quiet: bool
    ) -> None:
        self._to, self._translator, self._quiet = config.to, translator, quiet
        self._sentences = sentences
        self._seconds = 0.0

    def translate(self) -> dict[str, list[Translation]]:
        """Return the translations by language."""
        columns: dict[str, list[Translation]] = {language: [] for language in self._to}
        each = [(language,) for language in self._to]
        groups = [self._to] if self._translator.multilingual else each
        with Progress(quiet=self._quiet) as progress:
            bar = progress.add("translating", len(self._sentences) * len(self._to), unit="cells")
            for group in groups:
                self._translate(group, self._sentences[:1], columns)
                bar.advance(len(group))
                started = time.monotonic()
                self._translate(group, self._sentences[1:], columns)
                self._seconds += time.monotonic() - started
                bar.advance(len(group) * (len(self._sentences) - 1))
        return columns

    def seconds_for(self, n_characters: float) -> float | None:
        """Return the time for so many characters a language; None where no sentence was timed."""
        n_timed = sum(map(len, self._sentences[1:]))
        return self._seconds * n_characters / n_timed if n_timed else None

    def _translate(
        self, group: Sequence[str], texts: list[str], columns: dict[str, list[Translation]]
    ) -> None:
        if not texts:
            return
        pairs = [(text, language) for language in group for text in texts]
        cells = ask_for(self._translator, pairs)
        for place, language in enumerate(group):
            columns[language] += cells[place * len(texts) : (place + 1) * len(texts)]


def _make_chain(
    config: BuildConfig,
    filters: FilterSettings,
    sentences: Sequence[str],
    columns: Mapping[str, Sequence[Translation]],
) -> Chain:
    """Return the filters, for which these sentences and columns to top up are the whole corpus."""
    statistics = Statistics()
    if config.top_up and config.origin:
        config.origin.add_to(statistics, config.to)
    for language, cells in columns.items():
        texts, log_probs = [cell.text for cell in cells], [cell.log_prob for cell in cells]
        statistics.add(language, sentences, texts, log_probs)
    return Chain(filters, config.pivot, config.languages, statistics, judged=config.to)


def _judge(
    chain: Chain,
    translator: Translator,
    sentences: Sequence[str],
    columns: Mapping[str, Sequence[Translation]],
) -> dict[str, list[PreviewCell]]:
    judge = CellJudge(chain, partial(ask_for, translator, retry=True))
    return {
        language: [
            PreviewCell(cell, judged.verdicts[place], judged.accepted.get(place))
            for place, cell in enumerate(columns[language])
        ]
        for language, judged in judge.judge(sentences, columns).items()
    }


def _corrected(
    config: BuildConfig, estimate: BuildEstimate, expected: BuildEstimate, n_tokens: int
) -> BuildEstimate:
    """Return an endpoint's estimate with answers as long as the trial found them."""
    if not n_tokens or not expected.output_tokens or not estimate.output_tokens:
        return estimate
    output_tokens = round(estimate.output_tokens * n_tokens / expected.output_tokens)
    cost = estimate.cost
    if cost is not None and isinstance(config.translator, TranslatorConfig):
        price = config.translator.price_out or 0.0
        cost += (output_tokens - estimate.output_tokens) * price / 1e6
    return replace(estimate, output_tokens=output_tokens, cost=cost)


def _loss_note(
    config: BuildConfig, sentences: Sequence[str], cells: Mapping[str, Sequence[PreviewCell]]
) -> list[str]:
    """Say that a build would stop, if a language loses too much."""
    report = FilterReport()
    for language, column in cells.items():
        verdicts = [None if cell.is_kept else cell.verdict for cell in column]
        report.add(language, sentences, [cell.first.text for cell in column], verdicts)
    try:
        report.check(config.max_loss)
    except InputError as error:
        return [f"a build with such a loss stops: {error}"]
    return []
