"""The corpora of a recipe that are taken from others: in part, with cells removed or damaged.

Rows, missing cells and damage are drawn once, by a seed of the corpus, so that all encoders,
regimes and training seeds see the same rows.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.filters import FilterConfig, filter_corpus
from hexapla.reproduce.corpus_recipe import CorpusRecipe, Noise, count_rows, select_columns

Cells = list[str | None]


def make_corpus(recipe: CorpusRecipe, out: Path) -> Corpus:
    """Take a corpus from others, in part or damaged, and write it as a folder.

    A folder that is there is a whole corpus and is only opened.

    Raises:
        InputError: As in `open_corpus`, `select_columns` and `filter_corpus`.
    """
    if (out / MANIFEST).is_file():
        return open_corpus(out)
    sources = [open_corpus(path) for path in recipe.path]
    languages = select_columns(recipe, sources)
    columns = _draw_cells(recipe, _read_columns(sources, languages))
    raw = out if recipe.filters == "none" else out.with_name(f".{out.name}.unfiltered")
    if raw != out and raw.exists():
        shutil.rmtree(raw)  # left by a kill
    licences = {source.manifest.get("license") for source in sources}
    corpus = write_corpus(
        _rows(columns),
        raw,
        languages=languages,
        pivot=sources[0].pivot,
        columns=_origins(recipe, sources, languages),
        license=licences.pop() if len(licences) == 1 else None,
    )
    if raw == out:
        return corpus
    filtering = FilterConfig(
        corpus=str(raw), out=out, filters=recipe.filters, near_duplicates=None, max_loss=1.0
    )
    filter_corpus(filtering, quiet=True)
    shutil.rmtree(raw)
    return open_corpus(out)


def _draw_cells(recipe: CorpusRecipe, columns: Mapping[str, Cells]) -> dict[str, Cells]:
    """Return the columns, the pivot's first, with the drawn rows and the drawn damage."""
    pivot, *others = columns
    n_available = len(columns[pivot])
    n_rows = count_rows(recipe, len(columns), n_available)
    # The rows are the first draw, so that a corpus of more rows holds one of fewer.
    draw = np.random.default_rng(recipe.seed)
    kept = np.sort(draw.permutation(n_available)[:n_rows])
    drawn = {code: [column[row] for row in kept] for code, column in columns.items()}
    for code in others:
        # A generator for each language: what happens to one column does not depend on which others
        # there are.
        own = np.random.default_rng([recipe.seed, *code.encode()])
        if recipe.noise is not None:
            drawn[code] = damage_cells(drawn[code], recipe.noise, recipe.noise_share, own)
        drawn[code] = [None if own.random() < recipe.missing else cell for cell in drawn[code]]
    return drawn


def _origins(
    recipe: CorpusRecipe, sources: Sequence[Corpus], languages: Sequence[str]
) -> dict[str, dict[str, object]]:
    """Return how each column was made: where it comes from, what was taken, and its damage."""
    dull = ("path", "build", "languages", "n_languages")
    taken = {
        key: value
        for key, value in asdict(recipe).items()
        if key not in dull and value not in (None, 0, "none")
    }
    origins: dict[str, dict[str, object]] = {}
    for code in languages:
        having = [source for source in sources if code in source.languages]
        made: dict[str, object] = {}
        if len(having) == 1:
            made = dict(having[0].manifest.get("columns", {}).get(code, {}))
        origins[code] = {**made, "taken_from": [source.name for source in having], **taken}
    return origins


def _read_columns(sources: Sequence[Corpus], languages: Sequence[str]) -> dict[str, Cells]:
    """Return the cells of each language, null in the rows of a corpus that lacks it.

    Of rows with the same pivot text, only the first counts.
    """
    columns: dict[str, Cells] = {code: [] for code in languages}
    seen: set[str] = set()
    for source in sources:
        fresh = []
        for place, row in enumerate(source.row_ids()):
            if row not in seen:
                seen.add(row)
                fresh.append(place)
        for code in languages:
            cells: Cells = source.cells(code) if code in source.languages else [None] * len(source)
            columns[code] += [cells[place] for place in fresh]
    return columns


def _rows(columns: Mapping[str, Cells]) -> Iterator[dict[str, str | None]]:
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(columns, cells, strict=True))


def damage_cells(cells: Cells, noise: Noise, share: float, draw: np.random.Generator) -> Cells:
    """Return a column with a share of its cells swapped with one another or cut in half.

    >>> cells = ["eins zwei", "drei vier", None]
    >>> damage_cells(cells, "truncated", 0.99, np.random.default_rng(0))
    ['eins', 'drei', None]
    """
    present = [place for place, cell in enumerate(cells) if cell is not None]
    hit = [place for place in present if draw.random() < share]
    damaged = list(cells)
    if noise == "truncated":
        for place in hit:
            damaged[place] = _first_half(str(cells[place]))
        return damaged
    # The cells move along a ring, so that none stays where it was.
    ring = [hit[place] for place in draw.permutation(len(hit))]
    for place, other in zip(ring, ring[1:] + ring[:1], strict=True):
        damaged[place] = cells[other]
    return damaged


def _first_half(text: str) -> str:
    words = text.split()
    if len(words) > 1:
        return " ".join(words[: math.ceil(len(words) / 2)])
    return text[: math.ceil(len(text) / 2)]
