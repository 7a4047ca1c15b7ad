"""A recipe of experiments: what it names, and what an experiment combines.

Everything has a name, and an experiment is lists of names: all combinations of its encoders,
corpora, regimes, budgets and seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, Strict

from hexapla.alignment.config import MAX_ROWS_PER_STEP, Budget
from hexapla.reproduce.corpus_recipe import CorpusRecipe
from hexapla.runs.ranges import Seed
from hexapla.runs.settings import Name, settings

BASE = "base"
"""Name of the regime without training: the encoder as it is."""
CORPUS = "CORPUS"
"""Data of a suite that is measured on the rows held out from the cell's own corpus."""


@settings
class EncoderRecipe:
    """One base encoder, and settings of training that it needs."""

    name: Name
    """Hub name, encoder folder, or "tiny"."""
    align: Mapping[str, Any] = Field(default_factory=dict)
    """Settings of `hexapla align` for this encoder."""


_Names = Annotated[tuple[str, ...], Strict(False)]


@settings
class Experiment:
    """All combinations of the things that it names."""

    name: str
    """Name of the experiment."""
    encoders: _Names
    """Names of the recipe's encoders."""
    corpora: _Names
    """Names of its corpora, sweeps written out."""
    regimes: _Names
    """Names of its regimes; "base" is the encoder as it is."""
    suites: _Names
    """Names of its suites."""
    budgets: Annotated[tuple[Budget, ...], Strict(False)] = ("rows",)
    """Budgets of the trainings."""
    seeds: Annotated[tuple[Seed, ...], Strict(False)] = (0,)
    """Seeds of the trainings."""
    baseline: str = ""
    """Regime that the others are compared with. By default the first one."""
    page: bool = True
    """Write a page for each comparison, not its tables alone."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The place of a corpus in a sweep: its table, the key that is swept, and its value."""

    table: str
    key: str
    value: float


@dataclass(frozen=True, kw_only=True)
class MatrixRecipe:
    """What a recipe says.

    Attributes:
        title: Title of its pages.
        corpora: Corpora by name, sweeps written out.
        sweeps: Places of the corpora that belong to a sweep, by the corpus's name.
        encoders: Base encoders by name.
        regimes: Settings of training of each regime, by name.
        suites: Settings of evaluation of each suite, by name.
        experiments: Experiments in order.
        align: Settings of all trainings.
    """

    title: str
    corpora: Mapping[str, CorpusRecipe]
    sweeps: Mapping[str, Sweep]
    encoders: Mapping[str, EncoderRecipe]
    regimes: Mapping[str, Mapping[str, Any]]
    suites: Mapping[str, Mapping[str, Any]]
    experiments: tuple[Experiment, ...]
    align: Mapping[str, Any]

    def settings(self, encoder: str, regime: str) -> dict[str, Any]:
        """Return the settings of an encoder's training under a regime.

        Later ones override earlier ones: the recipe's, the encoder's, the regime's.
        """
        return {**self.align, **self.encoders[encoder].align, **self.regimes[regime]}

    def training(self, encoder: str, regime: str, budget: Budget) -> dict[str, Any]:
        """Return the settings of a training.

        The suites measure it, so it holds rows out only if a table says so or the budget needs it.
        Unless a table says otherwise, multiway takes all cells of a row, and whatever the size of
        the corpus, a step has the usual number of rows. Training is one epoch, unless it goes on
        until convergence.
        """
        plain: dict[str, Any] = {"cells_per_row": 0, "rows_per_step": MAX_ROWS_PER_STEP}
        if budget != "converged":
            plain |= {"held_out": 0.0, "epochs": 1.0}
        return {**plain, **self.settings(encoder, regime), "budget": budget}

    def used(self, kind: str) -> list[str]:
        """Return the names of a kind, such as "corpora", that experiments use, in order."""
        names = (name for experiment in self.experiments for name in getattr(experiment, kind))
        return list(dict.fromkeys(names))
