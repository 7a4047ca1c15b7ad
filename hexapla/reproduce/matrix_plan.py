"""A recipe -> a plan: everything that it names looked at, hashed and counted.

Nothing is made or loaded yet. A dry run asks nothing of the Hub, and notes what is not on this
machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from hexapla.alignment.config import MAX_ROWS_PER_STEP
from hexapla.encoder.check_encoder import check_folder
from hexapla.encoder.kind import find_kind
from hexapla.encoder.locate import cached_folder, describe, locate
from hexapla.errors import InputError
from hexapla.reproduce.build_settings import make_build
from hexapla.reproduce.cell_settings import TRUST_KEYS, encoder_settings, suite_config
from hexapla.reproduce.content_keys import corpus_key
from hexapla.reproduce.corpus_size import CorpusSize, measure_corpora
from hexapla.reproduce.experiments import BASE, CORPUS, MatrixRecipe
from hexapla.reproduce.matrix import CellGroup, MatrixCell, MatrixKeys, make_cells, make_groups
from hexapla.reproduce.recipe_tables import at
from hexapla.reproduce.suite_size import SuiteSize, measure_suite, suite_key
from hexapla.translate.backends import open_translator
from hexapla.translate.config import TranslatorConfig

_MAX_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class MatrixPlan:
    """What a recipe asks for.

    Attributes:
        recipe: The recipe.
        keys: Hashes of what the recipe names.
        cells: Cells in order.
        groups: Groups of cells that are compared.
        sizes: Sizes of the corpora, by name.
        suites: What an evaluation on each suite reads, by name.
        notes: What could not be looked at.
    """

    recipe: MatrixRecipe
    keys: MatrixKeys
    cells: tuple[MatrixCell, ...]
    groups: tuple[CellGroup, ...]
    sizes: Mapping[str, CorpusSize]
    suites: Mapping[str, SuiteSize]
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the plan as lines of text."""
        lines = [f"{self.recipe.title}: {len(self.cells)} cells, {len(self.groups)} comparisons"]
        for name, size in self.sizes.items():
            made = "built" if self.recipe.corpora[name].build is not None else "taken"
            lines.append(f"corpus {name}: {size.n_rows:,} rows, {made}, {' '.join(size.languages)}")
        for experiment in self.recipe.experiments:
            lists = (
                experiment.encoders,
                experiment.corpora,
                experiment.regimes,
                experiment.budgets,
                ("seeds", *map(str, experiment.seeds)),
            )
            lines.append(
                f"experiment {experiment.name}: {' x '.join(map(_listed, lists))}, "
                f"measured on {_listed(experiment.suites)}"
            )
        for name, suite in self.suites.items():
            lines.append(f"suite {name}: {suite.n_texts:,} sentences")
        return [*lines, *(f"note: {note}" for note in self.notes)]


def plan_matrix(recipe: MatrixRecipe, *, dry_run: bool = False) -> MatrixPlan:
    """Look at everything that a recipe names.

    Args:
        recipe: The recipe.
        dry_run: Ask nothing of the Hub.

    Raises:
        InputError: A corpus, translator or suite lacks a language, or an encoder, file or folder is
            missing.
    """
    notes: list[str] = []
    sizes = measure_corpora(recipe, notes.append, dry_run=dry_run)
    configs = {name: suite_config(recipe, name) for name in recipe.used("suites")}
    suites = {
        name: at(f"suites.{name}", partial(measure_suite, config, sizes, notes.append))
        for name, config in configs.items()
    }
    keys = MatrixKeys(
        corpora={
            name: at(f"corpora.{name}", partial(corpus_key, recipe.corpora[name])) for name in sizes
        },
        encoders={
            name: at(f"encoders.{name}", partial(_encoder_key, recipe, name, dry_run, notes.append))
            for name in recipe.used("encoders")
        },
        kinds={
            name: at(
                f"encoders.{name}",
                partial(find_kind, recipe.encoders[name].name, ask_hub=not dry_run),
            )
            for name in recipe.used("encoders")
        },
        teachers=_teacher_keys(recipe, dry_run, notes.append),
        suites={
            name: at(f"suites.{name}", partial(suite_key, config, suites[name]))
            for name, config in configs.items()
        },
    )
    _check_rows(recipe, sizes)
    _check_columns(recipe, sizes)
    _check_translators(recipe, dry_run)
    cells = make_cells(recipe, keys)
    return MatrixPlan(
        recipe=recipe,
        keys=keys,
        cells=tuple(cells),
        groups=tuple(make_groups(recipe, keys, cells)),
        sizes=sizes,
        suites=suites,
        notes=tuple(dict.fromkeys(notes)),
    )


def _listed(names: Sequence[str]) -> str:
    """Return names on one line, a long list shortened."""
    if len(names) <= _MAX_LISTED:
        return " ".join(names)
    return f"{' '.join(names[: _MAX_LISTED - 1])} … {names[-1]} ({len(names):,})"


def _encoder_key(
    recipe: MatrixRecipe, encoder: str, dry_run: bool, note: Callable[[str], None]
) -> str:
    """Return the hash of an encoder's weights; a dry run does not ask the Hub."""
    trust = encoder_settings(recipe, encoder, TRUST_KEYS)
    return _weights_key(recipe.encoders[encoder].name, trust, dry_run, note)


def _teacher_keys(
    recipe: MatrixRecipe, dry_run: bool, note: Callable[[str], None]
) -> dict[str, str]:
    """Return the hash of each teacher's weights, by the name that settings give."""
    keys: dict[str, str] = {}
    for experiment in recipe.experiments:
        for encoder, regime in product(experiment.encoders, experiment.regimes):
            settings = {} if regime == BASE else recipe.settings(encoder, regime)
            name = settings.get("teacher")
            if name is not None and name not in keys:
                trust = {key: settings[key] for key in TRUST_KEYS if key in settings}
                keys[name] = at(
                    f"regimes.{regime}", partial(_weights_key, name, trust, dry_run, note)
                )
    return keys


def _weights_key(
    name: str, trust: Mapping[str, Any], dry_run: bool, note: Callable[[str], None]
) -> str:
    folder = locate(name)
    if folder is not None:
        check_folder(folder, **trust)
    if dry_run and folder is None:
        folder = cached_folder(name)
        if folder is None:
            note(f"encoder {name} is looked up when the run begins; its size is a guess")
        return name if folder is None else folder.name
    return describe(name).sha256


def _check_rows(recipe: MatrixRecipe, sizes: Mapping[str, CorpusSize]) -> None:
    """Refuse a corpus that is taken from others and has fewer rows than one step takes."""
    for experiment in recipe.experiments:
        for encoder in experiment.encoders:
            for regime in (regime for regime in experiment.regimes if regime != BASE):
                settings = recipe.settings(encoder, regime)
                n_rows = settings.get("rows_per_step", MAX_ROWS_PER_STEP)
                for name in experiment.corpora:
                    if recipe.corpora[name].build is None and sizes[name].n_rows < n_rows:
                        raise InputError(
                            f"corpora.{name}: {sizes[name].n_rows} rows, fewer than the {n_rows} "
                            f"of a step under regimes.{regime}; lower rows_per_step, or take more "
                            "rows"
                        )


def _check_columns(recipe: MatrixRecipe, sizes: Mapping[str, CorpusSize]) -> None:
    """Refuse a suite that measures on a corpus in languages which the corpus lacks."""
    for experiment in recipe.experiments:
        for suite in experiment.suites:
            if recipe.suites[suite].get("data") != CORPUS:
                continue
            asked = suite_config(recipe, suite).languages or ()
            for name in experiment.corpora:
                languages = sizes[name].languages
                if absent := [code for code in asked if code not in languages]:
                    raise InputError(
                        f"suites.{suite}: corpora.{name} has no {', '.join(absent)}; it has "
                        f"{', '.join(languages)}"
                    )


def _check_translators(recipe: MatrixRecipe, dry_run: bool) -> None:
    """Have the tokenizers say which languages a translator lacks."""
    for name in recipe.used("corpora"):
        table = recipe.corpora[name].build
        if table is None:
            continue
        build = make_build(table, Path("unknown"))
        translator = build.translator
        if not isinstance(translator, TranslatorConfig):
            continue
        # A dry run starts no program and imports no module of the user.
        is_here = translator.backend == "openai" or (
            translator.is_checkpoint and Path(translator.translator).exists()
        )
        if is_here or not dry_run:
            at(f"corpora.{name}", partial(_open_and_check, translator, build.to))


def _open_and_check(translator: TranslatorConfig, languages: Sequence[str]) -> None:
    open_translator(translator).check(languages)
