"""The settings of a cell's training and of its evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hexapla.alignment.config import AlignConfig
from hexapla.evaluation.config import EvaluateConfig
from hexapla.reproduce.experiments import CORPUS, MatrixRecipe
from hexapla.reproduce.matrix import READ_KEYS, MatrixCell
from hexapla.runs.settings import make

# Of an encoder's settings of training: those that an evaluation of it needs too.
TRUST_KEYS = ("trust_remote_code", "allow_pickle")


def align_config(recipe: MatrixRecipe, cell: MatrixCell, corpus: str, out: Path) -> AlignConfig:
    """Return the settings of a cell's training on a corpus, in a result folder."""
    if not cell.is_trained or cell.corpus is None or cell.budget is None or cell.seed is None:
        raise ValueError(f"{cell.label} is not trained")
    table = recipe.corpora[cell.corpus]
    settings = {
        **recipe.training(cell.encoder, cell.regime, cell.budget),
        "corpus": corpus,
        "encoder": recipe.encoders[cell.encoder].name,
        "out": cell.encoder_folder(out),
        "languages": table.languages if table.is_whole and table.build is None else None,
        "seed": cell.seed,
        "report_to": "none",
    }
    return make(AlignConfig, settings)


def evaluate_config(
    recipe: MatrixRecipe, cell: MatrixCell, suite: str, corpus: str | None, out: Path
) -> EvaluateConfig:
    """Return the settings of a cell's evaluation on a suite.

    Args:
        recipe: The recipe.
        cell: The cell.
        suite: Name of the suite.
        corpus: Path of the cell's corpus; None if it has none.
        out: The result folder.
    """
    encoder = recipe.encoders[cell.encoder].name
    if cell.is_trained:
        encoder = str(cell.encoder_folder(out))
    keys = TRUST_KEYS if cell.is_trained else (*TRUST_KEYS, *READ_KEYS)
    settings = {**encoder_settings(recipe, cell.encoder, keys), **recipe.suites[suite]}
    if settings.get("data") == CORPUS and cell.corpus is not None:
        table = recipe.corpora[cell.corpus]
        languages = table.languages if table.is_whole else None
        settings = {"languages": languages, **settings, "data": corpus}
    settings |= {"encoder": encoder, "out": cell.score_folder(out, suite)}
    return make(EvaluateConfig, settings)


def suite_config(recipe: MatrixRecipe, suite: str) -> EvaluateConfig:
    """Return the settings of a suite, of any encoder and for no folder."""
    return make(EvaluateConfig, {**recipe.suites[suite], "encoder": "tiny", "out": "unknown"})


def encoder_settings(recipe: MatrixRecipe, encoder: str, keys: Sequence[str]) -> dict[str, Any]:
    """Return those settings of training that an encoder has under every regime."""
    settings = {**recipe.align, **recipe.encoders[encoder].align}
    return {key: settings[key] for key in keys if key in settings}
