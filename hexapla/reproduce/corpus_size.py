"""How large the corpora of a recipe are or will be, before any is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hexapla.build.config import BuildConfig
from hexapla.corpus.reader import open_corpus
from hexapla.errors import InputError
from hexapla.reproduce.build_settings import make_build
from hexapla.reproduce.corpus_recipe import CorpusRecipe, count_rows, select_columns
from hexapla.reproduce.experiments import MatrixRecipe
from hexapla.reproduce.recipe_tables import at
from hexapla.sources.texts import STANDARD_INPUT
from hexapla.translate.backends import check_translator
from hexapla.translate.config import TranslatorConfig

MEAN_CHARACTERS = 110.0
"""Of a sentence that has not been read: a line of news or Wikipedia."""


@dataclass(frozen=True, kw_only=True)
class CorpusSize:
    """How large a corpus is, or will be.

    Attributes:
        n_rows: Rows.
        languages: Columns.
        n_characters: Mean number of characters of a cell.
        n_translations: Sentences to translate for it, once for each language; 0 for a corpus that
            is taken from others.
    """

    n_rows: int
    languages: tuple[str, ...]
    n_characters: float
    n_translations: int = 0


def measure_corpora(
    recipe: MatrixRecipe, note: Callable[[str], None], *, dry_run: bool = False
) -> dict[str, CorpusSize]:
    """Return the sizes of the corpora that experiments use, by name.

    Args:
        recipe: The recipe.
        note: Called with what could not be looked at.
        dry_run: Ask nothing of the Hub.

    Raises:
        InputError: As in `measure_corpus`.
    """
    return {
        name: at(
            f"corpora.{name}", partial(measure_corpus, recipe.corpora[name], note, dry_run=dry_run)
        )
        for name in recipe.used("corpora")
    }


def measure_corpus(
    recipe: CorpusRecipe, note: Callable[[str], None], *, dry_run: bool = False
) -> CorpusSize:
    """Return the size of a corpus, having checked everything that it is made from.

    Args:
        recipe: The corpus.
        note: Called with what could not be looked at.
        dry_run: Ask nothing of the Hub.

    Raises:
        InputError: A file, folder or language is missing, or the translator lacks a language.
    """
    if recipe.build is not None:
        return _measure_build(recipe, note, dry_run)
    sources = [open_corpus(path) for path in recipe.path]
    languages = select_columns(recipe, sources)
    n_available = len(sources[0])
    if not recipe.is_whole:
        n_available = len({row for source in sources for row in source.row_ids()})
    n_rows = count_rows(recipe, len(languages), n_available)
    columns = [code for code in languages if code in sources[0].languages]
    batch = next(sources[0].batches(columns, n_rows=1000))
    cells = [cell for code in columns for cell in batch.column(code).to_pylist() if cell]
    return CorpusSize(
        n_rows=n_rows, languages=languages, n_characters=sum(map(len, cells)) / max(1, len(cells))
    )


def _measure_build(recipe: CorpusRecipe, note: Callable[[str], None], dry_run: bool) -> CorpusSize:
    build = make_build(recipe.build or {}, Path("unknown"))
    _check_texts(build)
    if isinstance(build.translator, TranslatorConfig):
        name = build.translator.translator
        if dry_run and build.translator.is_checkpoint and not Path(name).exists():
            note(f"translator {name} is looked up when the run begins")
        else:
            check_translator(build.translator, build.to)
    languages = (build.pivot, *build.to)
    if absent := [code for code in recipe.languages or () if code not in languages]:
        raise InputError(f"the build has no {', '.join(absent)}; it has {', '.join(languages)}")
    if recipe.n_languages is not None and recipe.n_languages > len(languages):
        raise InputError(f"n_languages is {recipe.n_languages}; the build has {len(languages)}")
    chosen = (recipe.languages or languages)[: recipe.n_languages]
    n_sentences = build.source.sample or build.source.limit or _guess_sentences(build, note)
    n_rows = recipe.n_rows or (recipe.n_cells and recipe.n_cells // len(chosen)) or n_sentences
    return CorpusSize(
        n_rows=min(n_rows, n_sentences),
        languages=chosen,
        n_characters=MEAN_CHARACTERS,
        n_translations=n_sentences * len(build.to),
    )


def _check_texts(build: BuildConfig) -> None:
    for text in build.source.texts:
        if text == STANDARD_INPUT:
            raise InputError(
                "texts is standard input, which cannot be read again by a resumed run; give a file"
            )
        if not Path(text).exists() and (text.startswith((".", "/", "~")) or text.count("/") != 1):
            raise InputError(f"{text}: no such file or folder, and no dataset's name (org/name)")


def _guess_sentences(build: BuildConfig, note: Callable[[str], None]) -> int:
    files = [
        path
        for text in build.source.texts
        for path in (Path(text), *Path(text).rglob("*"))
        if path.is_file()
    ]
    n_sentences = max(1, round(sum(path.stat().st_size for path in files) / MEAN_CHARACTERS))
    texts = ", ".join(build.source.texts)
    note(f"how many sentences {texts} has is a guess, {n_sentences:,}")
    return n_sentences
