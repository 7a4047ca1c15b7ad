"""A recipe -> its cells: one training with its evaluations each, keyed by the content of all that it is made from.

Cells that several experiments ask for, or several budgets that come to the same, are one. They
stand in the order in which they are done: the first seed of all experiments, then the second, so
that a first comparison of everything is there early.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hexapla.alignment.config import AlignConfig, Budget, Regime
from hexapla.errors import InputError
from hexapla.evaluation.config import EvaluateConfig
from hexapla.reproduce.experiments import BASE, CORPUS, Experiment, Recipe

FORMAT = 1  # of the result folder; part of every key
# Of an encoder's settings of training: what an evaluation of it needs, and how one that is not
# trained is read.
TRUST, _READ = ("trust_remote_code", "allow_pickle"), ("pooling", "prompt", "max_tokens")
BUILT = "built"  # what a corpus folder is called that several corpora of a recipe may be taken from
CORPORA, ENCODERS, SCORES, COMPARISONS, LOGS = (
    "corpora",
    "encoders",
    "scores",
    "comparisons",
    "logs",
)


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The hashes of what a recipe names, by name: a corpus's settings and texts, weights, suites with their data."""

    corpora: Mapping[str, str]
    encoders: Mapping[str, str]
    suites: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training and its evaluations.

    Attributes:
        encoder: Name of the base encoder in the recipe.
        regime: Name of the regime; "base" for no training.
        corpus: Name of the corpus; None for no training and no suite that is measured on the
            corpus.
        budget: Of the training; None for none, as the next one.
        seed: Of the training.
        key: Hash of all that the trained encoder depends on.
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
        """Whether there is a training, or the encoder as it is."""
        return self.regime != BASE

    @property
    def label(self) -> str:
        """Name it as the lines on screen do."""
        parts = (
            self.encoder,
            self.corpus,
            self.regime,
            self.budget,
            None if self.seed is None else f"seed {self.seed}",
        )
        return ", ".join(part for part in parts if part is not None)

    @property
    def name(self) -> str:
        """Name it as its folders do."""
        return self.label.replace(", ", ".").replace(" ", "")

    def encoder_folder(self, out: Path) -> Path:
        """Return where its trained encoder lies."""
        return standing(out / ENCODERS, self.name, self.key)

    def scores(self, out: Path) -> Path:
        """Return where its scores of all suites lie."""
        return standing(out / SCORES, self.name, self.key)

    def score_folder(self, out: Path, suite: str) -> Path:
        """Return where its scores of a suite lie."""
        return standing(self.scores(out), suite, dict(self.suites)[suite])


@dataclass(frozen=True, kw_only=True)
class Group:
    """What is compared with one another: the regimes of an experiment on one corpus, at one budget, over its seeds.

    Attributes:
        experiment: That it is of.
        encoder: Name of the encoder.
        corpus: Name of the corpus.
        budget: Of the trainings.
        suite: Name of the suite.
        cells: The regimes' names, each with the cell of every seed; the baseline's first.
    """

    experiment: Experiment
    encoder: str
    corpus: str
    budget: Budget
    suite: str
    cells: Mapping[str, tuple[Cell, ...]]

    @property
    def name(self) -> str:
        """Name its folder, by what there are several of in the experiment."""
        told = [self.experiment.name]
        lists = (
            self.experiment.encoders,
            self.experiment.corpora,
            self.experiment.budgets,
            self.experiment.suites,
        )
        for value, among in zip(
            (self.encoder, self.corpus, self.budget, self.suite), lists, strict=True
        ):
            if len(among) > 1:
                told.append(value)
        return ".".join(told)


def standing(parent: Path, name: str, key: str) -> Path:
    """Return where the thing of a key stands, which may be under a name that a recipe gave it before, or is to."""
    named = parent / f"{name}-{key[:8]}"
    if named.exists():
        return named
    return min(parent.glob(f"*-{key[:8]}"), default=named)


def make_cells(recipe: Recipe, keys: Keys) -> list[Cell]:
    """Return every cell once, in the order in which they are done."""
    asked = [
        (place, cell)
        for experiment in recipe.experiments
        for place, cell in enumerate_cells(recipe, experiment, keys)
    ]
    found: dict[str, Cell] = {}
    for _, cell in sorted(asked, key=lambda item: item[0]):  # stable: experiments stay in order
        before = found.get(cell.key)
        if before is not None:
            cell = replace(before, suites=tuple(dict.fromkeys((*before.suites, *cell.suites))))
        found[cell.key] = cell
    return list(found.values())


def enumerate_cells(
    recipe: Recipe, experiment: Experiment, keys: Keys
) -> Iterator[tuple[int, Cell]]:
    """Yield an experiment's cells with the place of their seed."""
    for place, seed in enumerate(experiment.seeds):
        for encoder in experiment.encoders:
            for corpus in experiment.corpora:
                for budget in experiment.budgets:
                    for regime in experiment.regimes:
                        yield (
                            place,
                            make_cell(
                                recipe, experiment, keys, encoder, corpus, regime, budget, seed
                            ),
                        )


def make_cell(
    recipe: Recipe,
    experiment: Experiment,
    keys: Keys,
    encoder: str,
    corpus: str,
    regime: str,
    budget: Budget,
    seed: int,
) -> Cell:
    """Return one cell."""
    own = {suite for suite in experiment.suites if recipe.suites[suite].get("data") == CORPUS}
    suites = tuple(
        (
            suite,
            _hash({"suite": keys.suites[suite], "corpus": keys.corpora[corpus]})
            if suite in own
            else keys.suites[suite],
        )
        for suite in experiment.suites
    )
    if regime == BASE:
        key = _hash(
            {
                "encoder": keys.encoders[encoder],
                "corpus": keys.corpora[corpus] if own else None,
                **of_encoder(recipe, encoder, _READ),
            }
        )
        of = corpus if own else None
        return Cell(
            encoder=encoder, regime=BASE, corpus=of, budget=None, seed=None, key=key, suites=suites
        )
    settings = recipe.settings(encoder, regime)
    if budget == "encodings" and settings.get("regime", Regime.MULTIWAY) == Regime.MULTIWAY:
        budget = "rows"  # the measure that the others are held to
    config = AlignConfig(corpus="", encoder="", out=Path(), budget=budget, seed=seed, **settings)
    key = _hash(
        {**config.identity(), "encoder": keys.encoders[encoder], "corpus": keys.corpora[corpus]}
    )
    return Cell(
        encoder=encoder,
        regime=regime,
        corpus=corpus,
        budget=budget,
        seed=seed,
        key=key,
        suites=suites,
    )


def make_groups(recipe: Recipe, keys: Keys, cells: list[Cell]) -> list[Group]:
    """Return what is compared with one another, in the order of the recipe.

    Raises:
        InputError: Two regimes of an experiment are the same training.
    """
    by_key = {cell.key: cell for cell in cells}
    groups = []
    for experiment in recipe.experiments:
        regimes = dict.fromkeys((experiment.baseline, *experiment.regimes))
        for suite in experiment.suites:
            for encoder in experiment.encoders:
                for corpus in experiment.corpora:
                    for budget in experiment.budgets:
                        of = {
                            regime: tuple(
                                dict.fromkeys(
                                    by_key[
                                        make_cell(
                                            recipe,
                                            experiment,
                                            keys,
                                            encoder,
                                            corpus,
                                            regime,
                                            budget,
                                            seed,
                                        ).key
                                    ]
                                    for seed in experiment.seeds
                                )
                            )
                            for regime in regimes
                        }
                        _check_distinct(experiment, of)
                        groups.append(
                            Group(
                                experiment=experiment,
                                encoder=encoder,
                                corpus=corpus,
                                budget=budget,
                                suite=suite,
                                cells=of,
                            )
                        )
    return groups


def _check_distinct(experiment: Experiment, cells: Mapping[str, Sequence[Cell]]) -> None:
    first_of: dict[str, str] = {}
    for regime, (cell, *_) in cells.items():
        if (other := first_of.setdefault(cell.key, regime)) != regime:
            raise InputError(
                f"experiments.{experiment.name}: regimes {other} and {regime} are the same training, settings and "
                "all; leave one of them out, or change it"
            )


def align_config(recipe: Recipe, cell: Cell, corpus: str, out: Path) -> AlignConfig:
    """Return the settings of a cell's training."""
    if not cell.is_trained or cell.corpus is None or cell.budget is None or cell.seed is None:
        raise ValueError(f"{cell.label} is not trained")
    of = recipe.corpora[cell.corpus]
    return AlignConfig(
        corpus=corpus,
        encoder=recipe.encoders[cell.encoder].name,
        out=cell.encoder_folder(out),
        budget=cell.budget,
        languages=of.languages if of.is_whole and of.build is None else None,
        seed=cell.seed,
        report_to="none",
        **recipe.settings(cell.encoder, cell.regime),
    )


def evaluate_config(
    recipe: Recipe, cell: Cell, suite: str, corpus: str | None, out: Path
) -> EvaluateConfig:
    """Return the settings of a cell's evaluation on a suite."""
    encoder = (
        str(cell.encoder_folder(out)) if cell.is_trained else recipe.encoders[cell.encoder].name
    )
    read_as = of_encoder(recipe, cell.encoder, TRUST if cell.is_trained else (*TRUST, *_READ))
    settings = {**read_as, **recipe.suites[suite]}
    if settings.get("data") == CORPUS and cell.corpus is not None:
        of = recipe.corpora[cell.corpus]
        settings = {"languages": of.languages if of.is_whole else None, **settings, "data": corpus}
    return EvaluateConfig(encoder=encoder, out=cell.score_folder(out, suite), **settings)


def of_encoder(recipe: Recipe, encoder: str, keys: Sequence[str]) -> dict[str, Any]:
    """Return those settings that an encoder has under every regime."""
    settings = {**recipe.align, **recipe.encoders[encoder].align}
    return {key: settings[key] for key in keys if key in settings}


def _hash(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(
        json.dumps({"format": FORMAT, **facts}, sort_keys=True, default=str).encode()
    ).hexdigest()
