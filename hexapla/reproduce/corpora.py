"""The corpora of a recipe: built by a translator, or taken from others in part, with cells removed or damaged.

What is taken from where is drawn once, by a seed of its own, so that all encoders, regimes and
training seeds see the same rows. A corpus has a key: the hash of its settings and of all that it is
made from.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError, did_you_mean
from hexapla.filters import filter_corpus, read_filters
from hexapla.filters.config import FilterConfig
from hexapla.reproduce.build_settings import make_build
from hexapla.text import languages as codes

Noise = Literal["swapped", "truncated"]
SWEPT = (
    "n_rows",
    "n_cells",
    "n_languages",
    "missing",
    "noise_share",
)  # may be lists, which make a corpus of each

Cells = list[str | None]
# Settings of a translator, besides its name, that its words depend on.
_OF_TRANSLATIONS = (
    "pivot",
    "backend",
    "revision",
    "beam_size",
    "max_input_tokens",
    "compute_type",
    "sentences_per_request",
)


@dataclass(frozen=True, kw_only=True)
class CorpusRecipe:
    """What a corpus is made of.

    Attributes:
        path: Corpus folders, table files or "sample"; rows of several stand one after another.
        build: Settings of `hexapla build` instead of a path.
        languages: The columns to take, the pivot first; all by default.
        n_languages: Of these the first so many.
        n_rows: So many rows, drawn at random; all by default.
        n_cells: As many rows as make so many cells if none is missing, instead of `n_rows`.
        missing: Share of the cells, the pivot's apart, that are made null: 0 to below 1.
        noise: What happens to some cells, the pivot's apart: "swapped" puts the cell of another row
            in their place, "truncated" leaves the first half.
        noise_share: How many of them: 0 to 1.
        filters: "none", "default" or a TOML file for `hexapla filter`, which sees the damage.
        seed: Of the draws.
    """

    path: tuple[str, ...] = ()
    build: Mapping[str, Any] | None = None
    languages: tuple[str, ...] | None = None
    n_languages: int | None = None
    n_rows: int | None = None
    n_cells: int | None = None
    missing: float = 0.0
    noise: Noise | None = None
    noise_share: float = 0.0
    filters: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value by itself."""
        if bool(self.path) == (self.build is not None) or not all(
            isinstance(path, str) and path for path in self.path
        ):
            raise InputError(
                "a corpus has a path (or a list of them), or a table build; give one of the two"
            )
        if self.languages is not None:
            object.__setattr__(self, "languages", codes.parse_list(self.languages, minimum=2))
        for key, least in (("n_languages", 2), ("n_rows", 2), ("n_cells", 4), ("seed", 0)):
            value = getattr(self, key)
            if value is not None and (type(value) is not int or value < least):
                raise InputError(f"{key} is {value!r}; it must be a whole number, {least} or more")
        if self.n_rows is not None and self.n_cells is not None:
            raise InputError(
                f"n_rows is {self.n_rows} and n_cells {self.n_cells}; either says how many rows, give one"
            )
        for key in ("missing", "noise_share"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                raise InputError(
                    f"{key} is {value!r}; it is a share of the cells, from 0 to below 1"
                )
        if self.noise is not None and self.noise not in get_args(Noise):
            raise InputError(
                f'noise is "{self.noise}"; it must be {" or ".join(get_args(Noise))}'
                f"{did_you_mean(str(self.noise), get_args(Noise))}"
            )
        if (self.noise is None) != (self.noise_share == 0):
            raise InputError(
                f"noise is {self.noise} and noise_share {self.noise_share}; give both or neither"
            )

    @property
    def is_whole(self) -> bool:
        """Whether a single corpus is used as it is, but for the choice of columns."""
        parts = (self.n_rows, self.n_cells, self.n_languages, self.noise, self.missing or None)
        return (
            len(self.path) == 1 and self.filters == "none" and all(part is None for part in parts)
        )


def chosen_languages(recipe: CorpusRecipe, sources: Sequence[Corpus]) -> tuple[str, ...]:
    """Return the columns of a corpus that is taken from others, the pivot first.

    Raises:
        InputError: None of them has a column asked for, there are fewer than asked for, or their
            pivots differ.
    """
    if len({source.pivot for source in sources}) > 1:
        pivots = ", ".join(f"{source.pivot} of {source.path}" for source in sources)
        raise InputError(f"corpora of one table have one pivot; these have {pivots}")
    there = tuple(dict.fromkeys(code for source in sources for code in source.languages))
    asked = recipe.languages or there
    if absent := [code for code in asked if code not in there]:
        paths = " and ".join(recipe.path)
        raise InputError(f"{paths}: no column {', '.join(absent)}; it has {', '.join(there)}")
    order = tuple(dict.fromkeys((sources[0].pivot, *asked)))
    if recipe.n_languages is not None and recipe.n_languages > len(order):
        raise InputError(f"n_languages is {recipe.n_languages}; there are {len(order)}")
    return order[: recipe.n_languages]


def taken_rows(recipe: CorpusRecipe, n_languages: int, n_there: int) -> int:
    """Return how many rows of those that are there a corpus takes.

    Raises:
        InputError: It asks for more than there are.
    """
    n_rows = recipe.n_rows
    if recipe.n_cells is not None:
        n_rows = math.ceil(recipe.n_cells / n_languages)
    if n_rows is None:
        return n_there
    if n_rows > n_there:
        raise InputError(
            f"{' and '.join(recipe.path)}: {n_rows:,} rows are asked for; there are {n_there:,}"
        )
    return n_rows


def make_corpus(recipe: CorpusRecipe, out: Path) -> Corpus:
    """Take a corpus from others, in part or damaged, and write it as a folder; one that is there is whole.

    Raises:
        InputError: What `open_corpus`, `chosen_languages` and `filter_corpus` refuse.
    """
    if (out / MANIFEST).is_file():
        return open_corpus(out)
    sources = [open_corpus(path) for path in recipe.path]
    languages = chosen_languages(recipe, sources)
    columns = _columns(sources, languages)
    n_there = len(columns[languages[0]])
    n_rows = taken_rows(recipe, len(languages), n_there)
    draw = np.random.default_rng(recipe.seed)
    kept = np.sort(
        draw.permutation(n_there)[:n_rows]
    )  # the first draw, so that more rows hold the fewer ones
    columns = {code: [column[row] for row in kept] for code, column in columns.items()}
    for code in languages[1:]:
        # A generator for each language: what happens to one column does not depend on which others
        # there are.
        own = np.random.default_rng([recipe.seed, *code.encode()])
        if recipe.noise is not None:
            columns[code] = damaged(columns[code], recipe.noise, recipe.noise_share, own)
        columns[code] = [None if own.random() < recipe.missing else cell for cell in columns[code]]
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
    if raw != out:
        filter_corpus(
            FilterConfig(
                corpus=str(raw), out=out, filters=recipe.filters, near_duplicates=None, max_loss=1.0
            ),
            quiet=True,
        )
        shutil.rmtree(raw)
        return open_corpus(out)
    return corpus


def _origins(
    recipe: CorpusRecipe, sources: Sequence[Corpus], languages: Sequence[str]
) -> dict[str, dict[str, object]]:
    """Return how each column was made: as the corpora say that it is taken from, and what was taken and done to it."""
    dull = ("path", "build", "languages", "n_languages")
    taken = {
        key: value
        for key, value in asdict(recipe).items()
        if key not in dull and value not in (None, 0, "none")
    }
    found: dict[str, dict[str, object]] = {}
    for code in languages:
        of = [source for source in sources if code in source.languages]
        made: dict[str, object] = (
            dict(of[0].manifest.get("columns", {}).get(code, {})) if len(of) == 1 else {}
        )
        found[code] = {**made, "taken_from": [source.name for source in of], **taken}
    return found


def _columns(sources: Sequence[Corpus], languages: Sequence[str]) -> dict[str, Cells]:
    """Return the cells of each language, null in the rows of a corpus that lacks it; a repeated pivot counts once."""
    columns: dict[str, Cells] = {code: [] for code in languages}
    seen: set[str] = set()
    for source in sources:
        fresh = []
        for number, row in enumerate(source.row_ids()):
            if row not in seen:
                seen.add(row)
                fresh.append(number)
        for code in languages:
            cells: Cells = source.cells(code) if code in source.languages else [None] * len(source)
            columns[code] += [cells[number] for number in fresh]
    return columns


def _rows(columns: Mapping[str, Cells]) -> Iterator[dict[str, str | None]]:
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(columns, cells, strict=True))


def damaged(cells: Cells, noise: Noise, share: float, draw: np.random.Generator) -> Cells:
    """Return a column with a share of its cells damaged: swapped with one another, or cut in half.

    >>> damaged(["eins zwei", "drei vier", None], "truncated", 0.99, np.random.default_rng(0))
    ['eins', 'drei', None]
    """
    there = [number for number, cell in enumerate(cells) if cell is not None]
    hit = [number for number in there if draw.random() < share]
    found = list(cells)
    if noise == "truncated":
        for number in hit:
            found[number] = _first_half(str(cells[number]))
        return found
    order = draw.permutation(len(hit))
    ring = [hit[place] for place in order]
    for number, other in zip(
        ring, ring[1:] + ring[:1], strict=True
    ):  # a ring: none stays where it was
        found[number] = cells[other]
    return found


def _first_half(text: str) -> str:
    words = text.split()
    if len(words) > 1:
        return " ".join(words[: math.ceil(len(words) / 2)])
    return text[: math.ceil(len(text) / 2)]


def content_hash(path: Path) -> str:
    """Return the hash of a file, or of all files of a folder with their names; links count as what they lead to."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else _files(path):
        digest.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(
        Path(root) / name for root, _, names in os.walk(folder, followlinks=True) for name in names
    )


def build_key(build: Mapping[str, Any]) -> str:
    """Return the hash of all that the cells of a build depend on, and of nothing else.

    Paths and workers are not in it, nor `max_loss`: a build that stopped at it goes on with a
    higher one.
    """
    config = make_build(build, Path("unknown"))
    texts = [_content(text) for text in config.source.texts]
    translator = {key: build[key] for key in _OF_TRANSLATIONS if key in build}
    facts = [
        config.settings(),
        texts,
        _content(str(build["translator"])),
        translator,
        _filters(config.filters),
        [_content(each) for each in config.against],
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def corpus_key(recipe: CorpusRecipe) -> str:
    """Return the hash of a corpus's settings and of all that it is made from.

    A path that is not here (of the Hub) stands for itself.

    Raises:
        InputError: Filters that cannot be read.
    """
    facts: dict[str, Any] = {
        **asdict(recipe),
        "path": None,
        "build": None,
    }  # where it lies says nothing of what it is
    facts["filters"] = _filters(recipe.filters) if recipe.filters != "none" else None
    if recipe.build is not None:
        facts["made_from"] = build_key(recipe.build)
    else:
        facts["made_from"] = [_content(path) for path in recipe.path]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _filters(name: str) -> dict[str, Any]:
    facts = read_filters(name).to_json()
    if facts["cosine"]:
        facts["cosine"]["encoder"] = _content(facts["cosine"]["encoder"])
    return facts


def _content(path: str) -> str:
    return content_hash(Path(path)) if Path(path).exists() else path
