"""The main job, offline, on what the package carries: sample and tiny encoder -> a comparison.

The rows that are compared on are held out of both trainings; Italian, Polish and Hindi are in
neither training.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from hexapla.alignment.config import AlignConfig, Regime
from hexapla.encoder.locate import TINY
from hexapla.evaluation.config import EvaluateConfig
from hexapla.report.config import CompareConfig
from hexapla.runs.disk_errors import AGAIN
from hexapla.runs.record import check_run_folder, write_record
from hexapla.runs.run_folder import hold_run, remove_run

if TYPE_CHECKING:
    from hexapla.report import Comparison

POOL = ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans", "jpn_Jpan")
UNSEEN = ("ita_Latn", "pol_Latn", "hin_Deva")
# Share of the 320 rows: enough are left to train on, and enough held out for a confidence interval
# to be meaningful.
HELD_OUT = 0.3
EPOCHS, LEARNING_RATE, ROWS_PER_STEP = 6.0, 1e-3, 32
_REGIMES = (Regime.EN_X, Regime.MULTIWAY)
# Each is the folder of a run, all of which is replaced.
_OWN = ("run.json", *(str(regime) for regime in _REGIMES), "scores", "comparison")
_log = logging.getLogger(__name__)


def demo(out: Path, *, seed: int = 0, overwrite: bool = False, quiet: bool = False) -> Comparison:
    """Align the tiny encoder under en-x and multiway, and compare both with it on held-out rows.

    Args:
        out: Folder for the two encoders, their scores and the comparison.
        seed: Seed of the two trainings.
        overwrite: Replace an earlier demo in `out`.
        quiet: Show no progress.

    Raises:
        InputError: `out` cannot be used, or is not empty.
    """
    settings = {"seed": seed}
    done = "comparison/comparison.json"
    check_run_folder(out, "demo", settings, done=done, resume=None, overwrite=overwrite)
    with hold_run(out, AGAIN):
        # Again, now that no other run can write there.
        check_run_folder(out, "demo", settings, done=done, resume=None, overwrite=overwrite)
        remove_run(out, _OWN)
        write_record(out, "demo", settings)
        return _run(out, seed, quiet)


def _run(out: Path, seed: int, quiet: bool) -> Comparison:
    # These import torch, after the check.
    from hexapla.alignment.stage import align
    from hexapla.evaluation.stage import evaluate
    from hexapla.report.stage import compare

    encoders = {"base": TINY}
    for regime in _REGIMES:
        _log.info("Aligning the tiny encoder under %s ...", regime)
        encoders[regime] = str(out / regime)
        align(_align_config(out / regime, regime, seed), quiet=quiet)
    for name, encoder in encoders.items():
        _log.info("Evaluating %s ...", name)
        evaluate(_evaluate_config(out / "scores" / name, encoder), quiet=quiet)
    scores = tuple(out / "scores" / name for name in encoders)
    return compare(CompareConfig(scores=scores, out=out / "comparison"))


def _align_config(out: Path, regime: Regime, seed: int) -> AlignConfig:
    return AlignConfig(
        corpus="sample",
        encoder=TINY,
        out=out,
        languages=POOL,
        regime=regime,
        held_out=HELD_OUT,
        epochs=EPOCHS,
        learning_rate=LEARNING_RATE,
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
