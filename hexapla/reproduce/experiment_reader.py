"""A recipe of experiments in TOML -> what it names, checked.

A table with the name of a regime is that regime unless it says otherwise. A list where a corpus
takes a number makes one corpus of each value (a sweep). The settings of training, evaluation and
building are checked by the classes that the command line uses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

from hexapla.alignment.config import AlignConfig, Budget, Regime
from hexapla.errors import InputError, did_you_mean
from hexapla.evaluation.config import HELD_OUT, EvaluateConfig
from hexapla.reproduce.build_settings import BUILD_KEYS, make_build
from hexapla.reproduce.corpus_recipe import SWEPT, CorpusRecipe
from hexapla.reproduce.experiment_checks import check_trainings
from hexapla.reproduce.experiments import (
    BASE,
    CORPUS,
    EncoderRecipe,
    Experiment,
    MatrixRecipe,
    Sweep,
)
from hexapla.reproduce.recipe_tables import (
    as_table,
    at,
    check_keys,
    check_settings,
    keys_of,
    named_tables,
    place_data,
)
from hexapla.runs.ranges import MAX_SEED
from hexapla.runs.recipe import find_recipe, read_toml
from hexapla.runs.schema import shown
from hexapla.runs.settings import make

_TABLES = ("title", "align", "corpora", "encoders", "regimes", "suites", "experiments")
MAX_CELLS = 10_000
"""Trainings and evaluations of one experiment: at a minute each, a week."""
ALIGN_KEYS = keys_of(
    AlignConfig,
    without=(
        "corpus",
        "encoder",
        "out",
        "seed",
        "budget",
        "resume",
        "overwrite",
        "languages",
        "report_to",
    ),
)
EVALUATE_KEYS = keys_of(
    EvaluateConfig, without=("encoder", "out", "vectors", "resume", "overwrite", "corpus")
)


def read_experiments(name: str | Path, data: Path | None = None) -> MatrixRecipe:
    """Read a recipe and check everything in it that can be checked by itself.

    Args:
        name: A TOML file, or the name of a recipe that the package carries.
        data: The folder that `DATA/` in its paths stands for.

    Raises:
        InputError: There is no such recipe, it is not TOML, a key or name is unknown (the nearest
            is named), or a value is not allowed.
    """
    path = find_recipe(name, "experiments")
    content = read_toml(path)
    return at(str(path), lambda: _read_recipe(place_data(content, data)))


def _read_recipe(content: Mapping[str, Any]) -> MatrixRecipe:
    check_keys("the recipe", content, _TABLES)
    title = content.get("title", "What alignment gained")
    if not isinstance(title, str) or not title:
        raise InputError(f"title is {shown(title)}; it must be a text")
    align = as_table("align", content.get("align", {}))
    check_settings("align", align, AlignConfig, ALIGN_KEYS)
    corpora, sweeps, meanings = _read_corpora(named_tables(content, "corpora"))
    encoders = {
        key: _read_encoder(key, table) for key, table in named_tables(content, "encoders").items()
    }
    regimes = _read_regimes(named_tables(content, "regimes"))
    suites = {
        key: _read_suite(key, table) for key, table in named_tables(content, "suites").items()
    }
    names: dict[str, Sequence[str]] = {
        "encoders": list(encoders),
        "corpora": list(meanings),
        "regimes": list(regimes),
        "suites": list(suites),
        "budgets": get_args(Budget),
    }
    experiments = tuple(
        _read_experiment(key, table, names, meanings)
        for key, table in named_tables(content, "experiments").items()
    )
    recipe = MatrixRecipe(
        title=title,
        corpora=corpora,
        sweeps=sweeps,
        encoders=encoders,
        regimes=regimes,
        suites=suites,
        experiments=experiments,
        align=align,
    )
    for experiment in experiments:
        check_trainings(recipe, experiment)
    return recipe


def _read_corpora(
    tables: Mapping[str, dict[str, Any]],
) -> tuple[dict[str, CorpusRecipe], dict[str, Sweep], dict[str, tuple[str, ...]]]:
    """Return corpora by name, their places in sweeps, and the corpora that a name stands for."""
    corpora: dict[str, CorpusRecipe] = {}
    sweeps: dict[str, Sweep] = {}
    meanings: dict[str, tuple[str, ...]] = {}
    for key, table in tables.items():
        of_table, of_sweep = _read_corpus(key, table)
        if clash := [name for name in of_table if name in corpora]:
            raise InputError(f"corpora.{key}: there are two corpora {clash[0]}; rename one of them")
        corpora |= of_table
        sweeps |= of_sweep
        meanings |= {**{name: (name,) for name in of_table}, key: tuple(of_table)}
    return corpora, sweeps, meanings


def _read_corpus(
    key: str, table: dict[str, Any]
) -> tuple[dict[str, CorpusRecipe], dict[str, Sweep]]:
    """Return the corpora of a table: one, or one for each value of the key that has a list."""
    place = f"corpora.{key}"
    check_keys(place, table, keys_of(CorpusRecipe))
    if "build" in table:
        _check_build(f"{place}.build", as_table(f"{place}.build", table["build"]))
    swept = [name for name in SWEPT if isinstance(table.get(name), list)]
    if len(swept) > 1:
        raise InputError(
            f"{place}: {' and '.join(swept)} both have lists; only one of them may, so name two "
            "corpora"
        )
    if not swept:
        return {key: at(place, lambda: make(CorpusRecipe, table))}, {}
    (name,) = swept
    values = table[name]
    if not values or len(set(map(repr, values))) < len(values):
        raise InputError(
            f"{place}.{name} is {shown(values)}; a list has one value or more, each of them once"
        )
    corpora, sweeps = {}, {}
    for value in values:
        settings = {**table, name: value}
        corpora[f"{key}-{value}"] = at(place, partial(make, CorpusRecipe, settings))
        sweeps[f"{key}-{value}"] = Sweep(table=key, key=name, value=float(value))
    return corpora, sweeps


def _check_build(place: str, table: Mapping[str, Any]) -> None:
    check_keys(place, table, BUILD_KEYS)
    for key in ("texts", "to", "translator"):
        if key not in table:
            raise InputError(
                f"{place} has no {key}; it needs texts, the languages to translate to, a translator"
            )
    at(place, lambda: make_build(table, Path("unknown")))


def _read_encoder(key: str, table: dict[str, Any]) -> EncoderRecipe:
    place = f"encoders.{key}"
    check_keys(place, table, keys_of(EncoderRecipe))
    align = as_table(f"{place}.align", table.get("align", {}))
    check_settings(f"{place}.align", align, AlignConfig, ALIGN_KEYS)
    return at(place, lambda: make(EncoderRecipe, {"name": key, **table}))


def _read_regimes(tables: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    regimes: dict[str, dict[str, Any]] = {BASE: {}}
    for key, table in tables.items():
        if key == BASE:
            raise InputError(
                f"regimes.{BASE}: this name stands for the encoder as it is; choose another"
            )
        check_settings(f"regimes.{key}", table, AlignConfig, ALIGN_KEYS)
        regimes[key] = {"regime": key, **table} if key in tuple(Regime) else table
    return regimes


def _read_suite(key: str, table: dict[str, Any]) -> dict[str, Any]:
    place = f"suites.{key}"
    check_keys(place, table, EVALUATE_KEYS)
    settings = {"suite": key, **table}
    if settings.get("data") == CORPUS:
        settings = {"split": "held-out", "held_out": HELD_OUT, **settings}
        if (settings["suite"], settings["split"]) != ("bitext", "held-out"):
            raise InputError(
                f'{place}: data is {CORPUS}; then suite is "bitext" and split "held-out"'
            )
    settings.setdefault("split", "all")
    at(place, lambda: make(EvaluateConfig, {**settings, "encoder": "tiny", "out": "unknown"}))
    return settings


def _read_experiment(
    key: str,
    table: dict[str, Any],
    names: Mapping[str, Sequence[str]],
    meanings: Mapping[str, Sequence[str]],
) -> Experiment:
    """Return an experiment.

    Args:
        key: Its name.
        table: Its table.
        names: What each of its lists may have.
        meanings: The corpora that a name in the list of corpora stands for.
    """
    place = f"experiments.{key}"
    check_keys(place, table, keys_of(Experiment, without=("name",)))
    lists = {"budgets": ["rows"], **table}
    chosen = {
        kind: _read_names(f"{place}.{kind}", lists.get(kind), allowed)
        for kind, allowed in names.items()
    }
    seeds = table.get("seeds", [0])
    is_list = isinstance(seeds, list) and all(
        type(seed) is int and 0 <= seed <= MAX_SEED for seed in seeds
    )
    if not is_list or not seeds:
        raise InputError(
            f"{place}.seeds is {shown(seeds)}; it must be a list of whole numbers from 0 to "
            f"{MAX_SEED:,}"
        )
    regimes = chosen["regimes"]
    baseline = table.get("baseline", regimes[0])
    if baseline not in regimes:
        raise InputError(
            f"{place}.baseline is {shown(baseline)}; it must be one of its regimes, "
            f"{', '.join(regimes)}{did_you_mean(str(baseline), regimes)}"
        )
    if len(regimes) < 2:
        raise InputError(f"{place}.regimes has {baseline} alone; a comparison needs two or more")
    corpora = dict.fromkeys(name for each in chosen["corpora"] for name in meanings[each])
    seeds = tuple(dict.fromkeys(seeds))
    _check_size(place, {**chosen, "corpora": tuple(corpora), "seeds": seeds})
    settings = {
        **table,
        **chosen,
        "name": key,
        "corpora": tuple(corpora),
        "seeds": seeds,
        "baseline": baseline,
    }
    return at(place, lambda: make(Experiment, settings))


def _check_size(place: str, lists: Mapping[str, Sequence[Any]]) -> None:
    """Refuse more cells than can be done, before any of them is made."""
    sizes = {kind: len(values) for kind, values in lists.items() if kind != "suites"}
    if (n_cells := math.prod(sizes.values())) > MAX_CELLS:
        counted = " x ".join(f"{size:,} {kind}" for kind, size in sizes.items())
        raise InputError(
            f"{place}: {counted} are {n_cells:,} cells; at most {MAX_CELLS:,} are allowed, so "
            "shorten a list"
        )


def _read_names(place: str, values: object, allowed: Sequence[str]) -> tuple[str, ...]:
    """Return a list of names without repetitions."""
    is_list = isinstance(values, list) and all(isinstance(value, str) for value in values)
    if not isinstance(values, list) or not is_list or not values:
        raise InputError(
            f"{place} is {shown(values)}; it must be a list of one or more of {', '.join(allowed)}"
        )
    for value in values:
        if value not in allowed:
            raise InputError(
                f'{place} has "{value}"; it may have {", ".join(allowed)}'
                f"{did_you_mean(value, allowed)}"
            )
    return tuple(dict.fromkeys(values))
