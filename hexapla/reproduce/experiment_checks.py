"""Checks of an experiment as a whole: its settings of training, and those against its suites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hexapla.alignment.config import AlignConfig, Regime
from hexapla.errors import InputError
from hexapla.reproduce.experiments import BASE, CORPUS, Experiment, MatrixRecipe
from hexapla.reproduce.recipe_tables import at
from hexapla.runs.settings import make


def check_trainings(recipe: MatrixRecipe, experiment: Experiment) -> None:
    """Refuse settings that cannot be trained with, and suites that measure what training learnt.

    Raises:
        InputError: See above; the place in the recipe is named.
    """
    trained = [regime for regime in experiment.regimes if regime != BASE]
    on_corpus = [suite for suite in experiment.suites if recipe.suites[suite].get("data") == CORPUS]
    for encoder in experiment.encoders:
        for regime in trained:
            for budget in experiment.budgets:
                place = f"experiments.{experiment.name}, encoder {encoder}, regime {regime}"
                settings = {
                    **recipe.training(encoder, regime, budget),
                    "corpus": "sample",
                    "encoder": "tiny",
                    "out": "unknown",
                }
                for seed in experiment.seeds:
                    config = at(place, partial(make, AlignConfig, {**settings, "seed": seed}))
                for suite in on_corpus:
                    _check_held_out(config, recipe.suites[suite], suite, regime)
        _check_seen(recipe, experiment, [recipe.settings(encoder, regime) for regime in trained])


def _check_held_out(
    config: AlignConfig, settings: Mapping[str, Any], suite: str, regime: str
) -> None:
    share = settings.get("held_out", 0.05)
    if config.held_out != share:
        raise InputError(
            f"suites.{suite} measures on {share} of the corpus's rows and regimes.{regime} has "
            f"held_out {config.held_out}; give both the same share (held_out), or the encoder is "
            "trained on what it is tested on"
        )
    if config.budget == "converged":
        raise InputError(
            f"suites.{suite} measures on the rows by which regimes.{regime} stops under budget "
            "converged, so its scores would be too high; measure on other data, or choose budget "
            "rows or encodings"
        )


def _check_seen(
    recipe: MatrixRecipe, experiment: Experiment, trainings: Sequence[Mapping[str, Any]]
) -> None:
    """Refuse regimes that see different languages, unless the suite says which count as seen."""
    regimes = {str(settings.get("regime", Regime.MULTIWAY)) for settings in trainings}
    if Regime.PIVOT_ONLY not in regimes or len(regimes) < 2:
        return
    others = ", ".join(sorted(regimes - {str(Regime.PIVOT_ONLY)}))
    for suite in (suite for suite in experiment.suites if "seen" not in recipe.suites[suite]):
        raise InputError(
            f"experiments.{experiment.name}: under {Regime.PIVOT_ONLY} an encoder sees the pivot "
            f"alone, and under {others} other languages too; say which count as seen "
            f"(suites.{suite}.seen), or give {Regime.PIVOT_ONLY} an experiment of its own"
        )
