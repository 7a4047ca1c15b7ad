"""Two encoders and a list of alphas -> the accuracy and pivot value of each, and the best one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer

from hexapla.encoder.held_out import HeldOutAccuracy
from hexapla.encoder.interpolation import Interpolation
from hexapla.encoder.load import load_encoder, training_prompt
from hexapla.encoder.locate import SWEEP, is_bare
from hexapla.errors import InputError
from hexapla.merge.check_merge import CheckedMerge, mismatch_message
from hexapla.merge.config import MergeConfig, parse_alphas
from hexapla.merge.encoder_difference import loaded_difference
from hexapla.merge.pivot_quality import Measure
from hexapla.runs.atomic import write_json
from hexapla.runs.progress import Progress
from hexapla.runs.schema import Stored, read_object


class _StoredPoint(Stored):
    alpha: float
    accuracy: float
    pivot: float


class _StoredSweep(Stored):
    points: list[_StoredPoint]


def load_ends(
    config: MergeConfig, checked: CheckedMerge
) -> tuple[SentenceTransformer, Interpolation]:
    """Load both encoders; the aligned one is returned, and takes the weights of every alpha.

    Raises:
        InputError: An encoder does not load, or the two differ in what a merge needs equal.
    """
    base, aligned = (_load_end(config, name) for name in (config.base, config.aligned))
    difference = loaded_difference(base, aligned, checked.pivots, bare=is_bare(config.base))
    if difference is not None:
        raise InputError(mismatch_message(config, difference))
    return aligned, Interpolation(base.state_dict(), aligned)


def _load_end(config: MergeConfig, name: str) -> SentenceTransformer:
    with torch.random.fork_rng():
        # What the file of a bare base lacks, such as an unused pooler, is drawn the same each time.
        torch.manual_seed(0)
        return load_encoder(name, **config.loading)


def sweep(
    config: MergeConfig,
    checked: CheckedMerge,
    model: SentenceTransformer,
    interpolation: Interpolation,
    measure: Measure,
    *,
    quiet: bool,
) -> list[dict[str, Any]]:
    """Measure every alpha, the smallest first; alpha 0 is the reference and always measured.

    What is measured is written at once, and a resumed run does not measure it again.

    Args:
        config: Settings.
        checked: The rows that judge.
        model: The encoder that `interpolation` sets.
        interpolation: The weights.
        measure: Value of the pivot, higher is better.
        quiet: Show no progress.

    Returns:
        For each alpha its accuracy, its pivot value, whether it loses nothing, and whether it was
        asked for.
    """
    prompt = checked.alignment.get("prompt") if config.prompt is None else config.prompt
    accuracy = HeldOutAccuracy(
        Dataset.from_dict(dict(checked.columns)),
        checked.corpus.languages,
        training_prompt(model) if prompt is None else prompt,
    )
    asked = parse_alphas(config.alpha)
    alphas = sorted({0.0, *asked})
    measured = _read_measured(config.out)
    with Progress(quiet=quiet) as progress:
        bar = progress.add("merging", len(alphas), unit="alphas")
        bar.skip(len(measured))
        for alpha in alphas:
            if alpha not in measured:
                interpolation.set(alpha)
                retrieval, value = accuracy(model)[accuracy.primary_metric], measure(model)
                measured[alpha] = {"alpha": alpha, "accuracy": retrieval, "pivot": value}
                write_json(config.out / SWEEP, {"points": list(measured.values())})
                bar.advance()
    lowest = measured[0.0]["pivot"] - float(config.tolerance or 0.0)
    return [
        {
            **measured[alpha],
            "loses_nothing": measured[alpha]["pivot"] >= lowest,
            "asked": alpha in asked,
        }
        for alpha in alphas
    ]


def _read_measured(out: Path) -> dict[float, dict[str, float]]:
    """Return what an interrupted run measured, by alpha."""
    if not (out / SWEEP).is_file():
        return {}
    stored = read_object(out / SWEEP, _StoredSweep, "remove it to measure again")
    return {point["alpha"]: point for point in stored["points"]}


def best_point(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the point to keep: of those that qualify the most accurate, else that of alpha 0.

    Of equally accurate points the one with the higher pivot value is kept, of equal ones the one
    nearest to the base.
    """
    qualified = [point for point in points if point["asked"] and point["loses_nothing"]]
    return max(qualified, key=lambda point: (point["accuracy"], point["pivot"]), default=points[0])
