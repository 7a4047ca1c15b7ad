"""A recipe of experiments in TOML -> what it names, checked: corpora, encoders, regimes, suites, experiments.

Everything has a name, and an experiment is lists of names: all combinations of its encoders,
corpora, regimes, budgets and seeds. A table that bears the name of a regime is of that one unless
it says otherwise. Settings of training come in this order, later over earlier: the defaults, the
recipe's `[align]`, the encoder's `align`, the regime's. A list where a corpus takes a number makes
a corpus of each (a sweep).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

from hexapla.alignment.config import AlignConfig, Budget, Regime
from hexapla.errors import InputError, did_you_mean
from hexapla.evaluation.config import EvaluateConfig
from hexapla.reproduce.build_settings import BUILD_KEYS, make_build
from hexapla.reproduce.corpora import SWEPT, CorpusRecipe
from hexapla.runs.recipe import find_recipe, read_toml

BASE = "base"  # the name of the regime that is none: the encoder as it is
DATA = "DATA/"  # what begins a path in the folder that the caller names
# the data of a suite that is measured on the rows that training on the cell's corpus left out
CORPUS = "CORPUS"

_TABLES = ("title", "align", "corpora", "encoders", "regimes", "suites", "experiments")
_OF_THE_RUN = (
    "corpus",
    "encoder",
    "out",
    "seed",
    "budget",
    "resume",
    "overwrite",
    "languages",
    "report_to",
)
_ALIGN = tuple(
    each.name for each in dataclasses.fields(AlignConfig) if each.name not in _OF_THE_RUN
)
_EVALUATE = tuple(
    each.name
    for each in dataclasses.fields(EvaluateConfig)
    if each.name not in ("encoder", "out", "vectors", "resume", "overwrite", "corpus")
)
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe:
    """One encoder, and the settings of training that it needs: a Hub name, a folder or "tiny"."""

    name: str
    align: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """All combinations of what it names.

    Attributes:
        name: Its own.
        encoders: Names of the recipe's encoders.
        corpora: Names of its corpora, sweeps written out.
        regimes: Names of its regimes; "base" is the encoder as it is.
        budgets: Of each training.
        seeds: Of each training.
        suites: Names of its suites.
        baseline: The regime that the others are compared with; the first one by default.
        page: Write a page for each comparison, and not its tables alone.
    """

    name: str
    encoders: tuple[str, ...]
    corpora: tuple[str, ...]
    regimes: tuple[str, ...]
    suites: tuple[str, ...]
    budgets: tuple[Budget, ...] = ("rows",)
    seeds: tuple[int, ...] = (0,)
    baseline: str = ""
    page: bool = True


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Of which table a corpus is one of several, by which key, and its value."""

    table: str
    key: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a recipe says.

    Attributes:
        title: Of its pages.
        corpora: By name, sweeps written out.
        sweeps: Of the corpora that are one of several, by name.
        encoders: By name.
        regimes: The settings of training of each, by name.
        suites: The settings of evaluation of each, by name.
        experiments: In order.
        align: Settings of all trainings.
    """

    title: str
    corpora: Mapping[str, CorpusRecipe]
    sweeps: Mapping[str, Sweep]
    encoders: Mapping[str, EncoderRecipe]
    regimes: Mapping[str, Mapping[str, Any]]
    suites: Mapping[str, Mapping[str, Any]]
    experiments: tuple[Experiment, ...]
    align: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, encoder: str, regime: str) -> dict[str, Any]:
        """Return the settings of an encoder's training under a regime."""
        return {**self.align, **self.encoders[encoder].align, **self.regimes[regime]}


def read_experiments(name: str | Path, data: Path | None = None) -> Recipe:
    """Read a recipe and check all that it says by itself.

    Args:
        name: A TOML file, or the name of a recipe that the package carries.
        data: The folder that `DATA/` in its paths stands for.

    Raises:
        InputError: No such recipe, not TOML, an unknown key or name (the nearest is told), a value
            that will not do.
    """
    path = find_recipe(name, "experiments")
    content = read_toml(path)
    try:
        return _recipe(_placed(content, data))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _placed(value: Any, data: Path | None) -> Any:
    """Put the folder of the data in the place of `DATA/`, wherever a text begins with it."""
    if isinstance(value, dict):
        return {key: _placed(each, data) for key, each in value.items()}
    if isinstance(value, list):
        return [_placed(each, data) for each in value]
    if isinstance(value, str) and (value.startswith(DATA) or value == DATA.rstrip("/")):
        if data is None:
            raise InputError(
                f'"{value}" lies in a folder of data that is not given; say where it is (--data)'
            )
        return str(data / value.removeprefix(DATA.rstrip("/")).lstrip("/"))
    return value


def _recipe(content: Mapping[str, Any]) -> Recipe:
    _check_keys("the recipe", content, _TABLES)
    shared = _table("align", content.get("align", {}))
    _check_keys("align", shared, _ALIGN)
    corpora: dict[str, CorpusRecipe] = {}
    sweeps: dict[str, Sweep] = {}
    stands_for: dict[str, tuple[str, ...]] = {}  # what a name in an experiment's list means
    for key, table in _named(content, "corpora").items():
        found = _corpora(key, table)
        if clash := [name for name in found if name in corpora]:
            raise InputError(
                f"corpora.{key}: there are two corpora {clash[0]}; call one of them otherwise"
            )
        corpora |= found
        stands_for |= {**{name: (name,) for name in found}, key: tuple(found)}
        swept = next((name for name in SWEPT if isinstance(table.get(name), list)), None)
        if swept is not None:
            for name, value in zip(found, table[swept], strict=True):
                sweeps[name] = Sweep(table=key, key=swept, value=float(value))
    encoders = {key: _encoder(key, table) for key, table in _named(content, "encoders").items()}
    regimes = {
        key: {"regime": key, **table} if key in tuple(Regime) else table
        for key, table in _named(content, "regimes").items()
    }
    for key, table in regimes.items():
        if key == BASE:
            raise InputError(
                f"regimes.{BASE}: this name stands for the encoder as it is; take another"
            )
        _check_keys(f"regimes.{key}", table, _ALIGN)
    suites = {key: _suite(key, table) for key, table in _named(content, "suites").items()}
    recipe = Recipe(
        title=_text("title", content.get("title", "What alignment gained")),
        corpora=corpora,
        sweeps=sweeps,
        encoders=encoders,
        regimes={BASE: {}, **regimes},
        suites=suites,
        align=shared,
        experiments=tuple(
            _experiment(key, table, stands_for, encoders, regimes, suites)
            for key, table in _named(content, "experiments").items()
        ),
    )
    for experiment in recipe.experiments:
        _check_settings(recipe, experiment)
    return recipe


def _corpora(key: str, table: Mapping[str, Any]) -> dict[str, CorpusRecipe]:
    """Return the corpora that a table names: one, or one for each value of the key that has a list."""
    where = f"corpora.{key}"
    _check_keys(where, table, [each.name for each in dataclasses.fields(CorpusRecipe)])
    swept = [name for name in SWEPT if isinstance(table.get(name), list)]
    if len(swept) > 1:
        raise InputError(
            f"{where}: {' and '.join(swept)} both have lists; one of them may, so name two corpora"
        )
    paths = table.get("path", [])
    fixed = {**table, "path": tuple(paths if isinstance(paths, list) else [paths])}
    if "build" in table:
        fixed["build"] = _build(where, _table(f"{where}.build", table["build"]))
    if not swept:
        return {key: _checked(where, lambda: CorpusRecipe(**fixed))}
    (name,) = swept
    if not table[name] or len(set(map(repr, table[name]))) < len(table[name]):
        raise InputError(
            f"{where}.{name} is {table[name]!r}; a list has one value or more, each of them once"
        )
    return {
        f"{key}-{value}": _checked(where, functools.partial(CorpusRecipe, **{**fixed, name: value}))
        for value in table[name]
    }


def _build(where: str, table: Mapping[str, Any]) -> Mapping[str, Any]:
    _check_keys(f"{where}.build", table, BUILD_KEYS)
    for key in ("texts", "to", "translator"):
        if key not in table:
            raise InputError(
                f"{where}.build has no {key}; it needs texts, the languages to translate to, a translator"
            )
    _checked(f"{where}.build", lambda: make_build(table, Path("unknown")))
    return table


def _encoder(key: str, table: Mapping[str, Any]) -> EncoderRecipe:
    _check_keys(f"encoders.{key}", table, ("name", "align"))
    align = _table(f"encoders.{key}.align", table.get("align", {}))
    _check_keys(f"encoders.{key}.align", align, _ALIGN)
    return EncoderRecipe(name=_text(f"encoders.{key}.name", table.get("name", key)), align=align)


def _suite(key: str, table: Mapping[str, Any]) -> Mapping[str, Any]:
    _check_keys(f"suites.{key}", table, _EVALUATE)
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in table.items()
    }
    settings.setdefault("suite", key)
    if settings.get("data") == CORPUS and (
        settings["suite"],
        settings.setdefault("split", "held-out"),
    ) != (
        "bitext",
        "held-out",
    ):
        raise InputError(
            f'suites.{key}: data is {CORPUS}; then suite is "bitext" and split "held-out"'
        )
    _checked(
        f"suites.{key}", lambda: EvaluateConfig(encoder="tiny", out=Path("unknown"), **settings)
    )
    return settings


def _experiment(
    key: str,
    table: Mapping[str, Any],
    corpora: Mapping[str, Sequence[str]],
    encoders: Mapping[str, object],
    regimes: Mapping[str, object],
    suites: Mapping[str, object],
) -> Experiment:
    where = f"experiments.{key}"
    _check_keys(
        where, table, [each.name for each in dataclasses.fields(Experiment) if each.name != "name"]
    )
    known = {
        "encoders": encoders,
        "corpora": corpora,
        "regimes": {BASE: None, **regimes},
        "suites": suites,
        "budgets": get_args(Budget),
    }
    chosen: dict[str, tuple[Any, ...]] = {}
    for name, allowed in known.items():
        values = table.get(name, ["rows"] if name == "budgets" else None)
        if (
            not isinstance(values, list)
            or not values
            or not all(isinstance(each, str) for each in values)
        ):
            raise InputError(
                f"{where}.{name} is {values!r}; it must be a list of one or more of {', '.join(allowed)}"
            )
        for value in values:
            if value not in allowed:
                raise InputError(
                    f'{where}.{name} has "{value}"; it may have {", ".join(allowed)}{did_you_mean(value, allowed)}'
                )
        chosen[name] = tuple(dict.fromkeys(values))
    seeds = table.get("seeds", [0])
    if (
        not isinstance(seeds, list)
        or not seeds
        or not all(type(seed) is int and seed >= 0 for seed in seeds)
    ):
        raise InputError(
            f"{where}.seeds is {seeds!r}; it must be a list of whole numbers, 0 or more"
        )
    baseline = table.get("baseline", chosen["regimes"][0])
    if baseline not in chosen["regimes"]:
        raise InputError(
            f'{where}.baseline is "{baseline}"; it must be one of its regimes, '
            f"{', '.join(chosen['regimes'])}{did_you_mean(str(baseline), chosen['regimes'])}"
        )
    if len(chosen["regimes"]) < 2:
        raise InputError(f"{where}.regimes has {baseline} alone; a comparison needs two or more")
    chosen["corpora"] = tuple(
        dict.fromkeys(name for each in chosen["corpora"] for name in corpora[each])
    )
    page = table.get("page", True)
    if not isinstance(page, bool):
        raise InputError(f"{where}.page is {page!r}; it must be true or false")
    return Experiment(
        name=key, **chosen, seeds=tuple(dict.fromkeys(seeds)), baseline=baseline, page=page
    )


def _check_settings(recipe: Recipe, experiment: Experiment) -> None:
    """Have the training itself refuse what it cannot be set to, and keep evaluation rows out of it."""
    trained = [regime for regime in experiment.regimes if regime != BASE]
    for encoder in experiment.encoders:
        for regime in trained:
            for budget in experiment.budgets:
                settings = recipe.settings(encoder, regime)
                config = _checked(
                    f"experiments.{experiment.name}, encoder {encoder}, regime {regime}",
                    lambda settings=settings, budget=budget: AlignConfig(  # type: ignore[misc]
                        corpus="sample",
                        encoder="tiny",
                        out=Path("unknown"),
                        budget=budget,
                        **settings,
                    ),
                )
                for suite in (
                    suite
                    for suite in experiment.suites
                    if recipe.suites[suite].get("data") == CORPUS
                ):
                    _check_held_out(
                        config, recipe.suites[suite], f"suites.{suite}", f"regimes.{regime}"
                    )
        _check_seen(recipe, experiment, [recipe.settings(encoder, regime) for regime in trained])


def _check_held_out(
    config: AlignConfig, suite: Mapping[str, Any], measured: str, trained: str
) -> None:
    share = suite.get("held_out", 0.05)
    if config.held_out != share:
        raise InputError(
            f"{measured} measures on {share} of the corpus's rows and {trained} has held_out {config.held_out}; give "
            "both the same share (held_out), or it learns what it is asked"
        )
    if config.budget == "converged":
        raise InputError(
            f"{measured} measures on the rows by which {trained} stops under budget converged, and would flatter it; "
            "measure on other data, or take budget rows or encodings"
        )


def _check_seen(
    recipe: Recipe, experiment: Experiment, trainings: Sequence[Mapping[str, Any]]
) -> None:
    """Refuse regimes that saw other languages than one another, unless the suite says which ones count as seen."""
    regimes = {str(settings.get("regime", Regime.MULTIWAY)) for settings in trainings}
    if Regime.PIVOT_ONLY not in regimes or len(regimes) < 2:
        return
    for suite in (suite for suite in experiment.suites if "seen" not in recipe.suites[suite]):
        raise InputError(
            f"experiments.{experiment.name}: under {Regime.PIVOT_ONLY} an encoder sees the pivot alone, and under "
            f"{', '.join(sorted(regimes - {str(Regime.PIVOT_ONLY)}))} other languages too; say which count as seen "
            f"(suites.{suite}.seen), or give {Regime.PIVOT_ONLY} an experiment of its own"
        )


def _named(content: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    """Return the tables of a kind by their names; a recipe has at least one of each."""
    tables = _table(key, content.get(key, {}))
    if not tables:
        raise InputError(f"no [{key}.NAME]; a recipe has one or more")
    for name in tables:
        if not name or any(not (each.isalnum() or each in "-_+") for each in name):
            raise InputError(
                f'{key}."{name}": a name has letters, digits, and - _ + alone, since folders bear it'
            )
    return {name: _table(f"{key}.{name}", table) for name, table in tables.items()}


def _table(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where} is {value!r}; it must be a table, [{where}]")
    return value


def _text(where: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{where} is {value!r}; it must be a text")
    return value


def _check_keys(where: str, table: Mapping[str, Any], allowed: Sequence[str]) -> None:
    for key in table:
        if key not in allowed:
            raise InputError(
                f'{where} has the unknown key "{key}"{did_you_mean(key, allowed)}; '
                f"it may have {', '.join(allowed)}"
            )


def _checked(where: str, make: Callable[[], _T]) -> _T:
    """Say of what a value will not do."""
    try:
        return make()
    except (InputError, TypeError) as error:
        raise InputError(f"{where}: {error}") from error
