"""A base and the encoder aligned from it -> the mixture of their weights to keep.

Alignment buys retrieval across languages with some of what the base knew. On a straight line
between the weights of the two there are often points that keep most of both (WiSE-FT, Wortsman et
al. 2022; LM-Cocktail, Xiao et al. 2023). Each alpha of a list is judged on held-out rows of a
corpus. The one with the best retrieval accuracy is kept, of those that lose no more on the pivot
than `MergeConfig.tolerance` allows.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.encoder.locate import MERGED, SWEEP, read_json_object
from hexapla.merge.check_merge import CheckedMerge, check_merge, check_merge_folder
from hexapla.merge.config import MergeConfig
from hexapla.runs.atomic import write_json
from hexapla.runs.record import write_record
from hexapla.runs.run_folder import hold_run, remove_run

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["MergeConfig", "merge"]

_log = logging.getLogger(__name__)


def merge(config: MergeConfig, *, quiet: bool = False) -> dict[str, Any]:
    """Interpolate an encoder with the one aligned from it; keep the best mixture.

    Two things are measured of every alpha. The *accuracy* is how often a held-out text finds its
    row among the others, between the pivot and each other column, in both directions. The *pivot
    value* is a Spearman correlation: with `sts`, of the cosines with the scores; without, of the
    cosines with the base's, over all pairs of held-out pivot texts, so that it is 1 at alpha 0.

    An alpha qualifies if its pivot value is at least that of alpha 0 minus `tolerance`. Of those
    that qualify, the most accurate is kept; of equally accurate ones, the one with the higher pivot
    value. Alpha 0 is always measured; if it was not asked for, it is kept only if no other alpha
    qualifies.

    Args:
        config: Settings.
        quiet: Show no progress.

    Returns:
        The content of `merge.json`: the alpha kept, what it was chosen by, and the sweep. With
        `resume`, alphas that the interrupted run measured are not measured again.

    Raises:
        InputError: Settings, corpus, encoders or output folder cannot be used. Nothing is written
            then.
    """
    checked = check_merge(config)
    with hold_run(config.out):
        # Again, now that no other run can write there.
        if check_merge_folder(config, checked.identity):
            _log.info("%s: this run is finished already", config.out)
            return dict(read_json_object(config.out / MERGED))
        return _merge(config, checked, quiet=quiet)


def _merge(config: MergeConfig, checked: CheckedMerge, *, quiet: bool) -> dict[str, Any]:
    """Merge in a folder that is locked and checked."""
    # These import torch.
    from hexapla.encoder.save import ENCODER_FILES
    from hexapla.merge.pivot_quality import agreement_with_base, agreement_with_scores
    from hexapla.merge.sweep import best_point, load_ends, sweep

    started = time.monotonic()
    model, interpolation = load_ends(config, checked)
    interpolation.set(0.0)
    if checked.judged is None:
        measure = agreement_with_base(model, checked.pivots)
    else:
        measure = agreement_with_scores(checked.judged)
    if config.overwrite:
        remove_run(config.out, ENCODER_FILES)
    if not config.resume:
        write_record(config.out, "merge", checked.identity)

    points = sweep(config, checked, model, interpolation, measure, quiet=quiet)
    kept = best_point(points)
    if kept["alpha"] == 0.0:
        _log.warning("%s", _nothing_left(config, kept))
    interpolation.set(kept["alpha"])
    result = _result(config, checked, points, kept, time.monotonic() - started)
    _save(model, config.out, checked.alignment, result, config.prompt)
    (config.out / SWEEP).unlink(missing_ok=True)
    return result


def _nothing_left(config: MergeConfig, kept: dict[str, Any]) -> str:
    """Say that the base is kept, why, and what to do."""
    why = (
        f"none that keeps the pivot within {config.tolerance:g} is more accurate"
        if kept["asked"]
        else f"no alpha of {config.alpha} keeps the pivot within {config.tolerance:g}"
    )
    return (
        f"alpha 0, the base, is kept: {why}, so nothing of the alignment is left in {config.out}; "
        "allow a larger --tolerance, or align more gently (a lower --learning-rate or --alpha, a "
        "higher --preserve)"
    )


def _result(
    config: MergeConfig,
    checked: CheckedMerge,
    points: list[dict[str, Any]],
    kept: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    return {
        "alpha": kept["alpha"],
        "base": checked.base.name,
        "base_sha256": checked.base.sha256,
        "aligned": checked.aligned.name,
        "aligned_sha256": checked.aligned.sha256,
        "corpus": checked.corpus.name,
        "corpus_sha256": checked.corpus.sha256,
        "pivot": checked.corpus.pivot,
        "languages": list(checked.corpus.languages),
        "held_out": checked.held_out,
        "n_rows": checked.n_rows,
        "origin": checked.origin,
        "measure": "sts" if config.sts else "structure",
        "sts": config.sts.name if config.sts else None,
        "sts_sha256": checked.judged.data_sha if checked.judged else None,
        "tolerance": config.tolerance,
        "accuracy": kept["accuracy"],
        "qualified": kept["asked"],
        "sweep": points,
        "seconds": round(seconds, 1),
    }


def _save(
    model: SentenceTransformer,
    out: Path,
    alignment: dict[str, Any],
    result: dict[str, Any],
    prompt: str | None,
) -> None:
    """Write the encoder as `align` writes one, and `merge.json` last; a prompt replaces its own."""
    from hexapla.encoder.load import save_prompt
    from hexapla.encoder.save import save_encoder

    if prompt is not None:
        save_prompt(model, prompt, ordinary=True)
        alignment = {**alignment, "prompt": prompt}
    # A new card: without this, saving would write the aligned encoder's again, scores included.
    model._model_card_text = None
    model.model_card_data = model.model_card_data_class(local_files_only=True)
    model.model_card_data.register_model(model)
    save_encoder(model, out, {**alignment, "merged": result})
    write_json(out / MERGED, result)
