"""The main job on what the package carries, in minutes and offline: sample corpus and tiny encoder -> a comparison.

The rows that are compared on are held out of both trainings, and Italian, Polish and Hindi are in
neither.
"""

from __future__ import annotations

import logging
from pathlib import Path

from hexapla.alignment.config import AlignConfig, Regime
from hexapla.alignment.stage import align
from hexapla.encoder.locate import TINY
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.stage import evaluate
from hexapla.report import Comparison, compare
from hexapla.report.config import CompareConfig
from hexapla.runs.record import check_out, clear, write_run

POOL = ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans", "jpn_Jpan")
UNSEEN = ("ita_Latn", "pol_Latn", "hin_Deva")
HELD_OUT = (
    0.3  # of 320 rows: enough left to train on, enough held out for an interval to mean something
)
EPOCHS, LEARNING_RATE, ROWS_PER_STEP = 6.0, 1e-3, 32
_log = logging.getLogger(__name__)


def demo(out: Path, *, seed: int = 0, overwrite: bool = False, quiet: bool = False) -> Comparison:
    """Align the tiny encoder on the sample corpus under en-x and multiway, and compare on the rows held out.

    Args:
        out: folder for the two encoders, the scores and the comparison.
        seed: of the two trainings.
        overwrite: replace an earlier demo in `out`.
        quiet: show no progress and no notes.

    Raises:
        InputError: `out` is not empty.
    """
    settings = {"seed": seed}
    check_out(
        out, "demo", settings, done="comparison/comparison.json", resume=None, overwrite=overwrite
    )
    clear(out)
    write_run(out, "demo", settings)
    encoders = {"base": TINY}
    for regime in (Regime.EN_X, Regime.MULTIWAY):
        _log.info("Aligning the tiny encoder under %s ...", regime)
        encoders[regime] = str(out / regime)
        align(
            AlignConfig(
                corpus="sample",
                encoder=TINY,
                out=out / regime,
                languages=POOL,
                regime=regime,
                held_out=HELD_OUT,
                epochs=EPOCHS,
                learning_rate=LEARNING_RATE,
                rows_per_step=ROWS_PER_STEP,
                seed=seed,
                report_to="none",
            ),
            quiet=quiet,
        )
    for name, encoder in encoders.items():
        _log.info("Evaluating %s ...", name)
        evaluate(
            EvaluateConfig(
                encoder=encoder,
                out=out / "scores" / name,
                suite="bitext",
                data="sample",
                split="held-out",
                held_out=HELD_OUT,
                languages=(*POOL, *UNSEEN),
                seen=POOL,
            ),
            quiet=quiet,
        )
    return compare(
        CompareConfig(
            scores=tuple(out / "scores" / name for name in encoders), out=out / "comparison"
        )
    )
