"""A recipe -> a plan: everything that it names looked at, hashed and counted, before anything is made or loaded.

A dry run asks nothing of the Hub and says so of what is not here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hexapla.corpus.reader import open_corpus
from hexapla.encoder.locate import cached_folder, check_folder, describe, locate
from hexapla.errors import InputError
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.data import read_data
from hexapla.evaluation.fetch import data_source
from hexapla.evaluation.mteb_table import languages_of, parse_suite
from hexapla.reproduce.build_settings import make_build
from hexapla.reproduce.corpora import CorpusRecipe, chosen_languages, corpus_key, taken_rows
from hexapla.reproduce.experiments import BASE, CORPUS, Recipe
from hexapla.reproduce.matrix import TRUST, Cell, Group, Keys, make_cells, make_groups, of_encoder
from hexapla.sources.texts import STANDARD_INPUT
from hexapla.translate.backends import open_translator
from hexapla.translate.config import TranslatorConfig

_CHARACTERS = 110.0  # of a sentence, where none has been read: a line of news or Wikipedia
_SENTENCES = 20_000  # of a task and language, where the data have not been read


@dataclass(frozen=True, kw_only=True)
class CorpusSize:
    """How large a corpus is, or will be.

    Attributes:
        n_rows: Rows.
        languages: Columns.
        n_characters: Of its cells, on average.
        n_translations: Sentences to translate for it, once for each language; 0 for one that is
            taken from others.
    """

    n_rows: int
    languages: tuple[str, ...]
    n_characters: float
    n_translations: int = 0


@dataclass(frozen=True, kw_only=True)
class SuiteSize:
    """What one evaluation on a suite reads.

    Attributes:
        n_texts: Distinct sentences.
        n_characters: Of one, on average.
        tasks: Name, split and hash of the data of each task; none where the data are the Hub's or a
            corpus's.
    """

    n_texts: int
    n_characters: float
    tasks: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done.

    Attributes:
        recipe: That it is of.
        keys: Of all that the recipe names.
        cells: In order.
        groups: Of cells that are compared.
        sizes: Of the corpora, by name.
        suites: What an evaluation on each suite reads, by name.
        notes: What could not be looked at.
    """

    recipe: Recipe
    keys: Keys
    cells: tuple[Cell, ...]
    groups: tuple[Group, ...]
    sizes: Mapping[str, CorpusSize]
    suites: Mapping[str, SuiteSize]
    notes: tuple[str, ...] = field(default_factory=tuple)

    def lines(self) -> list[str]:
        """Return the plan as text."""
        told = [f"{self.recipe.title}: {len(self.cells)} cells, {len(self.groups)} comparisons"]
        for name, size in self.sizes.items():
            made = "built" if self.recipe.corpora[name].build is not None else "taken"
            told.append(f"corpus {name}: {size.n_rows:,} rows, {made}, {' '.join(size.languages)}")
        for experiment in self.recipe.experiments:
            told.append(
                f"experiment {experiment.name}: {' '.join(experiment.encoders)} x {' '.join(experiment.corpora)} x "
                f"{' '.join(experiment.regimes)} x {' '.join(experiment.budgets)} x seeds "
                f"{' '.join(map(str, experiment.seeds))}, measured on {' '.join(experiment.suites)}"
            )
        for name, suite in self.suites.items():
            told.append(f"suite {name}: {suite.n_texts:,} sentences")
        return [*told, *(f"note: {note}" for note in self.notes)]


def make_plan(recipe: Recipe, *, dry_run: bool = False) -> Plan:
    """Look at all that a recipe names.

    Args:
        recipe: What to do.
        dry_run: Ask nothing of the Hub.

    Raises:
        InputError: Languages that a corpus, translator or suite lacks; an encoder, file or folder
            that is not there.
    """
    notes: list[str] = []
    corpora, encoders, suites = (
        list(
            dict.fromkeys(
                name for experiment in recipe.experiments for name in getattr(experiment, kind)
            )
        )
        for kind in ("corpora", "encoders", "suites")
    )
    sizes = {
        name: _of("corpora", name, lambda name=name: _size(recipe.corpora[name], dry_run, notes))
        for name in corpora
    }
    read = {
        name: _of("suites", name, lambda name=name: _texts(recipe.suites[name], sizes, notes))
        for name in suites
    }
    keys = Keys(
        corpora={
            name: _of("corpora", name, lambda name=name: corpus_key(recipe.corpora[name]))
            for name in corpora
        },
        encoders={
            name: _of("encoders", name, lambda name=name: _weights(recipe, name, dry_run, notes))
            for name in encoders
        },
        suites={
            name: _of("suites", name, lambda name=name: _suite_key(recipe, name, read[name]))
            for name in suites
        },
    )
    _check_steps(recipe, sizes)
    _check_columns(recipe, sizes)
    cells = make_cells(recipe, keys)
    return Plan(
        recipe=recipe,
        keys=keys,
        cells=tuple(cells),
        groups=tuple(make_groups(recipe, keys, cells)),
        sizes=sizes,
        suites=read,
        notes=tuple(notes),
    )


def _of(kind: str, name: str, look: Any) -> Any:
    try:
        return look()
    except InputError as error:
        raise InputError(f"{kind}.{name}: {error}") from error


def _size(recipe: CorpusRecipe, dry_run: bool, notes: list[str]) -> CorpusSize:
    if recipe.build is not None:
        return _size_of_build(recipe, dry_run, notes)
    sources = [open_corpus(path) for path in recipe.path]
    languages = chosen_languages(recipe, sources)
    n_there = (
        len(sources[0])
        if recipe.is_whole
        else len({row for source in sources for row in source.row_ids()})
    )
    n_rows = taken_rows(recipe, len(languages), n_there)
    batch = next(
        sources[0].batches(
            [code for code in languages if code in sources[0].languages], n_rows=1000
        )
    )
    cells = [
        cell
        for name in batch.schema.names
        if name != "row_id"
        for cell in batch.column(name).to_pylist()
        if cell
    ]
    return CorpusSize(
        n_rows=n_rows, languages=languages, n_characters=sum(map(len, cells)) / max(1, len(cells))
    )


def _size_of_build(recipe: CorpusRecipe, dry_run: bool, notes: list[str]) -> CorpusSize:
    build = make_build(recipe.build or {}, Path("unknown"))
    if STANDARD_INPUT in build.source.texts:
        raise InputError(
            "texts is standard input, which cannot be read again by a resumed run; give a file"
        )
    if isinstance(build.translator, TranslatorConfig):
        if (
            dry_run
            and build.translator.backend != "openai"
            and not Path(build.translator.translator).exists()
        ):
            notes.append(
                f"translator {build.translator.translator} is looked up when the run begins"
            )
        else:
            open_translator(build.translator).check(build.to)
    for text in build.source.texts:
        if not Path(text).exists() and (text.startswith((".", "/", "~")) or text.count("/") != 1):
            raise InputError(f"{text}: no such file or folder, and no dataset's name (org/name)")
    languages = (build.pivot, *(code for code in build.to if code != build.pivot))
    if absent := [code for code in recipe.languages or () if code not in languages]:
        raise InputError(f"the build has no {', '.join(absent)}; it has {', '.join(languages)}")
    if recipe.n_languages is not None and recipe.n_languages > len(languages):
        raise InputError(f"n_languages is {recipe.n_languages}; the build has {len(languages)}")
    chosen = (recipe.languages or languages)[: recipe.n_languages]
    n_sentences = build.source.sample or build.source.limit or 0
    if not n_sentences:
        here = [
            path
            for text in build.source.texts
            for path in (Path(text), *Path(text).rglob("*"))
            if path.is_file()
        ]
        n_sentences = max(1, round(sum(path.stat().st_size for path in here) / _CHARACTERS))
        notes.append(
            f"how many sentences {', '.join(build.source.texts)} has is a guess, {n_sentences:,}"
        )
    n_rows = recipe.n_rows or (recipe.n_cells and recipe.n_cells // len(chosen)) or n_sentences
    return CorpusSize(
        n_rows=min(n_rows, n_sentences),
        languages=chosen,
        n_characters=_CHARACTERS,
        n_translations=n_sentences * len(build.to),
    )


def _check_steps(recipe: Recipe, sizes: Mapping[str, CorpusSize]) -> None:
    """Refuse a corpus that is taken from others and has fewer rows than a step of a training on it takes."""
    for experiment in recipe.experiments:
        for encoder in experiment.encoders:
            for regime in (regime for regime in experiment.regimes if regime != BASE):
                settings = recipe.settings(encoder, regime)
                least = settings.get("rows_per_step", 64)
                for name in experiment.corpora:
                    if recipe.corpora[name].build is None and sizes[name].n_rows < least:
                        raise InputError(
                            f"corpora.{name}: {sizes[name].n_rows} rows, fewer than the {least} of a step under "
                            f"regimes.{regime}; lower rows_per_step, or take more rows"
                        )


def _check_columns(recipe: Recipe, sizes: Mapping[str, CorpusSize]) -> None:
    """Refuse a suite that measures on a corpus in languages which that has not."""
    for experiment in recipe.experiments:
        for suite in (
            suite for suite in experiment.suites if recipe.suites[suite].get("data") == CORPUS
        ):
            asked = (
                EvaluateConfig(encoder="", out=Path("unknown"), **recipe.suites[suite]).languages
                or ()
            )
            for name in experiment.corpora:
                if absent := [code for code in asked if code not in sizes[name].languages]:
                    raise InputError(
                        f"suites.{suite}: corpora.{name} has no {', '.join(absent)}; it has "
                        f"{', '.join(sizes[name].languages)}"
                    )


def _texts(
    settings: Mapping[str, Any], sizes: Mapping[str, CorpusSize], notes: list[str]
) -> SuiteSize:
    """Read a suite's data, if they are here."""
    config = EvaluateConfig(encoder="tiny", out=Path("unknown"), **settings)
    if config.data == CORPUS:
        largest = max(sizes.values(), key=lambda size: size.n_rows)
        n_texts = round(config.held_out * largest.n_rows) * len(largest.languages)
        return SuiteSize(n_texts=n_texts, n_characters=largest.n_characters)
    if not config.is_mteb or config.data is not None:
        tasks = read_data(config).tasks
        texts = {text for task in tasks for group in task.prompted() for text in group.texts}
        return SuiteSize(
            n_texts=len(texts),
            n_characters=sum(map(len, texts)) / max(1, len(texts)),
            tasks=tuple(sorted({(task.name, task.split, task.data_sha) for task in tasks})),
        )
    names = parse_suite(config.suite)
    if absent := [code for code in config.languages or () if code not in languages_of(names)]:
        raise InputError(f"no task of {config.suite} has {', '.join(absent)}")
    n_texts = (
        _SENTENCES * len(names) * len(config.languages or languages_of(names)) // 4
    )  # a task has a part of them
    notes.append(
        f"the data of {config.suite} are the Hub's; that they are {n_texts:,} sentences is a guess"
    )
    return SuiteSize(n_texts=n_texts, n_characters=_CHARACTERS)


def _weights(recipe: Recipe, encoder: str, dry_run: bool, notes: list[str]) -> str:
    """Return the hash of an encoder's weights; a dry run does not ask the Hub."""
    name = recipe.encoders[encoder].name
    folder = locate(name)
    if folder is not None:
        check_folder(folder, **of_encoder(recipe, encoder, TRUST))
    if dry_run and folder is None:
        folder = cached_folder(name)
        if folder is None:
            notes.append(
                f"encoder {name} is looked up when the run begins; taken for one of base size"
            )
        return name if folder is None else folder.name
    return describe(name).sha256


def _suite_key(recipe: Recipe, name: str, size: SuiteSize) -> str:
    """Return the hash of what a suite measures: its settings, and its data or the revisions of them on the Hub."""
    config = EvaluateConfig(encoder="", out=Path("unknown"), **recipe.suites[name])
    facts: dict[str, Any] = config.identity()
    if size.tasks:
        facts["data"] = size.tasks  # where they lie says nothing of what they are
    elif config.data is None:
        facts["data"] = [data_source(task) for task in parse_suite(config.suite)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
