"""The main job in minutes: the sample corpus and an encoder -> translations found before and after.

The encoder is the lowest four layers of multilingual-e5-small, or, where they cannot be downloaded,
the tiny one that the package carries.
The rows that are compared on are held out of both trainings; Italian, Polish and Hindi are in
neither training.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hexapla.alignment.config import AlignConfig, Regime
from hexapla.encoder.locate import TINY
from hexapla.errors import InputError
from hexapla.evaluation.config import EvaluateConfig
from hexapla.fetch_encoder.config import FetchEncoderConfig
from hexapla.fetch_encoder.stage import fetch_encoder
from hexapla.report.config import CompareConfig
from hexapla.runs.config import DemoEncoder
from hexapla.runs.disk_errors import AGAIN
from hexapla.runs.record import check_run_folder, write_record
from hexapla.runs.run_folder import hold_run, remove_run

if TYPE_CHECKING:
    from hexapla.report.maps import Examples

POOL = ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans", "jpn_Jpan")
UNSEEN = ("ita_Latn", "pol_Latn", "hin_Deva")
# Share of the 320 rows: enough are left to train on, and enough held out for a confidence interval
# to be meaningful.
HELD_OUT = 0.3
ROWS_PER_STEP = 16
_SMALL: Final = "small@4"
EPOCHS = {_SMALL: 1.5, TINY: 6.0}
LEARNING_RATE = {_SMALL: 5e-4, TINY: 1e-3}
_REGIMES = (Regime.EN_X, Regime.MULTIWAY)
_TITLES: dict[str, str] = {Regime.EN_X: "English-X", Regime.MULTIWAY: "multiway"}
# Each is the folder of a run, all of which is replaced.
_OWN = ("run.json", *(str(regime) for regime in _REGIMES), "scores", "comparison")
_DONE = "comparison/comparison.json"
_N_RIGHTED = 3  # sentences to show whose nearest neighbour became right
_MIN_SHOWN = 12  # characters of such a sentence
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SampleSentence:
    """A sentence of the sample, its language, and the English of its row."""

    language: str
    text: str
    english: str


@dataclass(frozen=True, kw_only=True)
class Righted:
    """A sentence whose nearest neighbour is a translation since the alignment.

    Attributes:
        query: The sentence.
        before: Its nearest neighbour before.
        after: Its nearest neighbour after.
    """

    query: SampleSentence
    before: SampleSentence
    after: SampleSentence


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo found on the rows that neither training saw.

    Attributes:
        base: The encoder that was aligned.
        n_rows: Rows.
        found: Of each encoder, by "base", "en-x" and "multiway", the number of sentences for whom
            the nearest of all other sentences is a translation, in languages seen in training and
            in unseen ones.
        n_sentences: How many there are, seen and unseen.
        righted: Some that became right under multiway.
        statistics: The file with all scores and their intervals.
    """

    base: str
    n_rows: int
    found: Mapping[str, tuple[int, int]]
    n_sentences: tuple[int, int]
    righted: Sequence[Righted]
    statistics: Path


def demo(
    out: Path,
    *,
    encoder: DemoEncoder = "auto",
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
) -> DemoResult:
    """Align an encoder under en-x and multiway, and measure all three on held-out rows.

    Args:
        out: Folder for the two encoders, their scores and the comparison.
        encoder: The encoder; "auto" for small@4 if it can be had, and otherwise tiny.
        seed: Seed of the two trainings.
        overwrite: Replace an earlier demo in `out`.
        quiet: Show no progress.

    Raises:
        InputError: `out` cannot be used, or is not empty; or small@4 was asked for and cannot be
            downloaded.
    """
    check = partial(check_run_folder, out, "demo", {}, done=_DONE, resume=None, overwrite=overwrite)
    check()
    base = _choose(encoder, quiet)
    with hold_run(out, AGAIN):
        check()  # again, now that no other run can write there
        remove_run(out, _OWN)
        write_record(out, "demo", {"encoder": base, "seed": seed})
        return _run(out, base, seed, quiet)


def _choose(encoder: DemoEncoder, quiet: bool) -> str:
    """Return the encoder to align, downloaded if need be."""
    if encoder == TINY:
        return TINY
    is_needed = encoder == _SMALL
    try:
        fetch_encoder(FetchEncoderConfig(name=_SMALL), quiet=quiet, patient=is_needed)
    except InputError as error:
        if is_needed:
            raise
        _log.warning("The demo takes the tiny encoder in place of %s: %s", _SMALL, error)
        return TINY
    return _SMALL


def _run(out: Path, base: str, seed: int, quiet: bool) -> DemoResult:
    # These import torch, after the check.
    from hexapla.alignment.stage import align
    from hexapla.evaluation.stage import evaluate
    from hexapla.report.stage import compare

    encoders = {"base": base}
    for regime in _REGIMES:
        _log.info("Aligning %s by %s ...", base, _TITLES[regime])
        encoders[regime] = str(out / regime)
        with _own_lines_only():
            align(_align_config(out / regime, base, regime, seed), quiet=quiet)
    for name, encoder in encoders.items():
        _log.info(
            "Measuring %s ...",
            f"the encoder aligned by {_TITLES[name]}" if name in _TITLES else base,
        )
        with _own_lines_only():
            evaluate(_evaluate_config(out / "scores" / name, encoder), quiet=quiet)
    scores = tuple(out / "scores" / name for name in encoders)
    compare(CompareConfig(scores=scores, out=out / "comparison"))
    return _result(base, dict(zip(encoders, scores, strict=True)), out / "comparison")


@contextmanager
def _own_lines_only() -> Iterator[None]:
    """Leave out what the stages report of themselves, but for warnings."""
    stages = [
        logging.getLogger(f"hexapla.{name}") for name in ("alignment", "encoder", "evaluation")
    ]
    before = [stage.level for stage in stages]
    for stage in stages:
        stage.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for stage, level in zip(stages, before, strict=True):
            stage.setLevel(level)


def _result(base: str, scores: Mapping[str, Path], comparison: Path) -> DemoResult:
    from hexapla.report.maps import read_examples

    examples = {name: one for name, path in scores.items() if (one := read_examples(path))}
    before, after = examples["base"], examples[Regime.MULTIWAY]
    seen = [place for place, language in enumerate(before.languages) if language in POOL]
    unseen = [place for place, language in enumerate(before.languages) if language in UNSEEN]
    return DemoResult(
        base=base,
        n_rows=len(set(before.items)),
        n_sentences=(len(seen), len(unseen)),
        found={
            name: (int(one.found[seen].sum()), int(one.found[unseen].sum()))
            for name, one in examples.items()
        },
        righted=_righted(before, after),
        statistics=comparison / "comparison.md",
    )


def _righted(before: Examples, after: Examples) -> list[Righted]:
    """Choose short sentences that became right, each of another language and row."""
    english = {
        item: text
        for item, language, text in zip(before.items, before.languages, before.texts, strict=True)
        if language == POOL[0]
    }

    def sentence(place: int) -> SampleSentence:
        language, text = before.languages[place], before.texts[place]
        return SampleSentence(language=language, text=text, english=english[before.items[place]])

    gained = (after.found & ~before.found).nonzero()[0].tolist()
    chosen: list[int] = []
    used = {POOL[0]}  # languages, and rows
    for place in sorted(gained, key=lambda place: len(before.texts[place])):
        language, item = before.languages[place], before.items[place]
        if len(before.texts[place]) >= _MIN_SHOWN and not used & {language, item}:
            chosen.append(place)
            used |= {language, item}
    return [
        Righted(
            query=sentence(place),
            before=sentence(before.nearest[place]),
            after=sentence(after.nearest[place]),
        )
        for place in chosen[:_N_RIGHTED]
    ]


def _align_config(out: Path, base: str, regime: Regime, seed: int) -> AlignConfig:
    return AlignConfig(
        corpus="sample",
        encoder=base,
        out=out,
        languages=POOL,
        regime=regime,
        held_out=HELD_OUT,
        whiten="start",  # of which weak encoders gain
        budget="rows",
        epochs=EPOCHS[base],
        learning_rate=LEARNING_RATE[base],
        rows_per_step=ROWS_PER_STEP,
        seed=seed,
        report_to="none",
    )


def _evaluate_config(out: Path, encoder: str) -> EvaluateConfig:
    return EvaluateConfig(
        encoder=encoder,
        out=out,
        suite="bitext",
        data="sample",
        split="held-out",
        held_out=HELD_OUT,
        languages=(*POOL, *UNSEEN),
        seen=POOL,
    )
