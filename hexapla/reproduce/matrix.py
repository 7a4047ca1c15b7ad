"""A recipe -> its cells: one training with its evaluations each.

A cell's key is the hash of everything that it is made from. Cells that several experiments ask for
are one, and so are those of budgets that come to the same. They are done in order: the first seed
of all experiments, then the second, so that a first comparison of everything is there early.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from hexapla.alignment.config import AlignConfig, Budget, Regime
from hexapla.alignment.kind_defaults import fill_in
from hexapla.encoder.kind import Kind
from hexapla.errors import InputError
from hexapla.reproduce.content_keys import hash_facts
from hexapla.reproduce.experiments import BASE, CORPUS, Experiment, MatrixRecipe
from hexapla.reproduce.result_folder import ENCODERS, FORMAT, SCORES, keyed_folder
from hexapla.runs.settings import make

READ_KEYS = ("pooling", "prompt", "max_tokens")
"""Settings of training by which an encoder is also read when it is not trained."""


@dataclass(frozen=True, kw_only=True)
class MatrixKeys:
    """Hashes of what a recipe names, by name.

    Attributes:
        corpora: Of each corpus's settings and texts.
        encoders: Of each base encoder's weights.
        kinds: The kind of each base encoder, from which defaults of training follow.
        suites: Of each suite's settings and data.
        teachers: Of each teacher's weights, by the name that settings give.
    """

    corpora: Mapping[str, str]
    encoders: Mapping[str, str]
    kinds: Mapping[str, Kind]
    suites: Mapping[str, str]
    teachers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MatrixCell:
    """One training and its evaluations.

    Attributes:
        encoder: Name of the base encoder in the recipe.
        regime: Name of the regime; "base" for no training.
        corpus: Name of the corpus; None without training and without a suite that is measured on
            the corpus.
        budget: Budget of the training; None without one.
        seed: Seed of the training; None without one.
        key: Hash of everything that the trained encoder depends on.
        suites: Names of the suites to evaluate on, each with its key.
    """

    encoder: str
    regime: str
    corpus: str | None
    budget: Budget | None
    seed: int | None
    key: str
    suites: tuple[tuple[str, str], ...]

    @property
    def is_trained(self) -> bool:
        """Whether there is a training, or the encoder is used as it is."""
        return self.regime != BASE

    @property
    def label(self) -> str:
        """The cell's name in messages."""
        seed = None if self.seed is None else f"seed {self.seed}"
        parts = (self.encoder, self.corpus, self.regime, self.budget, seed)
        return ", ".join(part for part in parts if part is not None)

    @property
    def name(self) -> str:
        """The cell's name in folders."""
        return self.label.replace(", ", ".").replace(" ", "")

    def encoder_folder(self, out: Path) -> Path:
        """Return the folder of its trained encoder in a result folder."""
        return keyed_folder(out / ENCODERS, self.name, self.key)

    def scores_folder(self, out: Path) -> Path:
        """Return the folder of its scores on all suites."""
        return keyed_folder(out / SCORES, self.name, self.key)

    def score_folder(self, out: Path, suite: str) -> Path:
        """Return the folder of its scores on a suite."""
        return keyed_folder(self.scores_folder(out), suite, dict(self.suites)[suite])


@dataclass(frozen=True, kw_only=True)
class CellGroup:
    """Cells to compare: the regimes of an experiment with everything else equal, over its seeds.

    Attributes:
        experiment: The experiment.
        encoder: Name of the base encoder.
        corpus: Name of the corpus.
        budget: Budget of the trainings.
        suite: Name of the suite.
        cells: The cells of all seeds, by the name of the regime; the baseline's first.
    """

    experiment: Experiment
    encoder: str
    corpus: str
    budget: Budget
    suite: str
    cells: Mapping[str, tuple[MatrixCell, ...]]

    @property
    def name(self) -> str:
        """The name of its folder: the experiment, and whatever it has several of."""
        experiment = self.experiment
        several = (
            (self.encoder, experiment.encoders),
            (self.corpus, experiment.corpora),
            (self.budget, experiment.budgets),
            (self.suite, experiment.suites),
        )
        return ".".join([experiment.name, *(name for name, among in several if len(among) > 1)])


def make_cells(recipe: MatrixRecipe, keys: MatrixKeys) -> list[MatrixCell]:
    """Return every cell once, in the order in which they are done."""
    asked = [
        (place, cell)
        for experiment in recipe.experiments
        for place, cell in _enumerate_cells(recipe, experiment, keys)
    ]
    cells: dict[str, MatrixCell] = {}
    for _, cell in sorted(asked, key=lambda item: item[0]):  # stable: experiments stay in order
        before = cells.get(cell.key)
        if before is not None:
            cell = replace(before, suites=tuple(dict.fromkeys((*before.suites, *cell.suites))))
        cells[cell.key] = cell
    return list(cells.values())


def _enumerate_cells(
    recipe: MatrixRecipe, experiment: Experiment, keys: MatrixKeys
) -> Iterator[tuple[int, MatrixCell]]:
    """Yield an experiment's cells, each with the place of its seed."""
    for (place, seed), encoder, corpus, budget, regime in product(
        enumerate(experiment.seeds),
        experiment.encoders,
        experiment.corpora,
        experiment.budgets,
        experiment.regimes,
    ):
        maker = _CellMaker(recipe, experiment, keys, encoder, corpus, budget)
        yield place, maker.make(regime, seed)


@dataclass(frozen=True)
class _CellMaker:
    """Makes the cells of a group: what is the same in all of them."""

    recipe: MatrixRecipe
    experiment: Experiment
    keys: MatrixKeys
    encoder: str
    corpus: str
    budget: Budget

    def make(self, regime: str, seed: int) -> MatrixCell:
        """Return the cell of a regime and a seed."""
        if regime == BASE:
            return self._base()
        recipe, budget = self.recipe, self.budget
        settings = recipe.settings(self.encoder, regime)
        is_measure = settings.get("regime", Regime.MULTIWAY) == Regime.MULTIWAY
        if budget == "encodings" and is_measure and not settings.get("cells_per_row"):
            budget = "rows"  # multiway's sentences are the measure of this budget
        config = make(
            AlignConfig,
            {
                **recipe.training(self.encoder, regime, budget),
                "corpus": "",
                "encoder": "",
                "out": Path(),
                "seed": seed,
            },
        )
        key = _hash(
            {
                **fill_in(config, self.keys.kinds[self.encoder]).identity(),
                "encoder": self.keys.encoders[self.encoder],
                "teacher": config.teacher and self.keys.teachers[config.teacher],
                "corpus": self.keys.corpora[self.corpus],
            }
        )
        return MatrixCell(
            encoder=self.encoder,
            regime=regime,
            corpus=self.corpus,
            budget=budget,
            seed=seed,
            key=key,
            suites=self._suites(),
        )

    def _base(self) -> MatrixCell:
        settings = {**self.recipe.align, **self.recipe.encoders[self.encoder].align}
        corpus = self.corpus if self._on_corpus() else None
        facts = {
            "encoder": self.keys.encoders[self.encoder],
            "corpus": None if corpus is None else self.keys.corpora[corpus],
            **{key: settings[key] for key in READ_KEYS if key in settings},
        }
        return MatrixCell(
            encoder=self.encoder,
            regime=BASE,
            corpus=corpus,
            budget=None,
            seed=None,
            key=_hash(facts),
            suites=self._suites(),
        )

    def _on_corpus(self) -> list[str]:
        """Return the suites that are measured on the corpus."""
        suites = self.recipe.suites
        return [name for name in self.experiment.suites if suites[name].get("data") == CORPUS]

    def _suites(self) -> tuple[tuple[str, str], ...]:
        on_corpus = self._on_corpus()
        keys = {}
        for name in self.experiment.suites:
            keys[name] = self.keys.suites[name]
            if name in on_corpus:
                facts = {"suite": keys[name], "corpus": self.keys.corpora[self.corpus]}
                keys[name] = _hash(facts)
        return tuple(keys.items())


def make_groups(
    recipe: MatrixRecipe, keys: MatrixKeys, cells: Sequence[MatrixCell]
) -> list[CellGroup]:
    """Return the groups of cells to compare, in the order of the recipe.

    Raises:
        InputError: Two regimes of an experiment are the same training.
    """
    by_key = {cell.key: cell for cell in cells}
    groups = []
    for experiment in recipe.experiments:
        regimes = dict.fromkeys((experiment.baseline, *experiment.regimes))
        for suite, encoder, corpus, budget in product(
            experiment.suites, experiment.encoders, experiment.corpora, experiment.budgets
        ):
            maker = _CellMaker(recipe, experiment, keys, encoder, corpus, budget)
            of_regimes = {}
            for regime in regimes:
                made = (maker.make(regime, seed) for seed in experiment.seeds)
                of_regimes[regime] = tuple(dict.fromkeys(by_key[cell.key] for cell in made))
            _check_distinct(experiment, of_regimes)
            group = CellGroup(
                experiment=experiment,
                encoder=encoder,
                corpus=corpus,
                budget=budget,
                suite=suite,
                cells=of_regimes,
            )
            groups.append(group)
    return groups


def _check_distinct(experiment: Experiment, cells: Mapping[str, Sequence[MatrixCell]]) -> None:
    first_of: dict[str, str] = {}
    for regime, (cell, *_) in cells.items():
        if (other := first_of.setdefault(cell.key, regime)) != regime:
            raise InputError(
                f"experiments.{experiment.name}: regimes {other} and {regime} are the same "
                "training in every setting; leave one of them out, or change it"
            )


def _hash(facts: Mapping[str, Any]) -> str:
    return hash_facts({"format": FORMAT, **facts})
