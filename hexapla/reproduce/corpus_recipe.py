"""What a corpus of a recipe is made of: its table, and the columns and rows that it selects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict

from hexapla.errors import InputError
from hexapla.runs.ranges import MAX_COUNT, Seed, Share
from hexapla.runs.settings import Languages, settings

if TYPE_CHECKING:
    from hexapla.corpus.reader import Corpus

Noise = Literal["swapped", "truncated"]
SWEPT = ("n_rows", "n_cells", "n_languages", "missing", "noise_share")
"""Keys that may have a list, which makes one corpus of each value."""

_Paths = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Strict(False),
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
]
_Count = Annotated[int, Field(ge=2, le=MAX_COUNT)]


@settings
class CorpusRecipe:
    """What a corpus is made of."""

    path: _Paths = ()
    """Corpus folders, table files or "sample"; rows of several follow one another."""
    build: Mapping[str, Any] | None = None
    """Settings of `hexapla build` instead of a path."""
    languages: Languages | None = None
    """Columns to take, the pivot first. By default all."""
    n_languages: _Count | None = None
    """How many of these columns to take, from the first on."""
    n_rows: _Count | None = None
    """How many rows to draw at random. By default all."""
    n_cells: Annotated[int, Field(ge=4, le=MAX_COUNT)] | None = None
    """How many cells to take, none missing, instead of `n_rows`."""
    missing: Share = 0.0
    """Share of the cells, the pivot's apart, that are made null."""
    noise: Noise | None = None
    """Damage of some cells, the pivot's apart. swapped: the cell of another row. truncated: the
    first half."""
    noise_share: Share = 0.0
    """Share of the cells that are damaged."""
    filters: str = "none"
    """"none", "default" or a TOML file for `hexapla filter`, which sees the damage."""
    seed: Seed = 0
    """Seed of the draws."""

    def __post_init__(self) -> None:
        """Check settings against each other."""
        if bool(self.path) == (self.build is not None):
            raise InputError("a corpus has a path (or a list of them) or a table build; give one")
        if self.n_rows is not None and self.n_cells is not None:
            raise InputError(
                f"n_rows is {self.n_rows} and n_cells {self.n_cells}; either determines the number "
                "of rows, so give one"
            )
        if (self.noise is None) != (self.noise_share == 0):
            raise InputError(
                f"noise is {self.noise} and noise_share {self.noise_share}; give both or neither"
            )

    @property
    def is_whole(self) -> bool:
        """Whether a single corpus is used as it is, except for the choice of columns."""
        parts = (self.n_rows, self.n_cells, self.n_languages, self.noise, self.missing or None)
        return (
            len(self.path) == 1 and self.filters == "none" and all(part is None for part in parts)
        )


def select_columns(recipe: CorpusRecipe, sources: Sequence[Corpus]) -> tuple[str, ...]:
    """Return the columns of a corpus that is taken from others, the pivot first.

    Raises:
        InputError: None of the others has a column asked for, there are fewer than asked for, or
            their pivots differ.
    """
    if len({source.pivot for source in sources}) > 1:
        pivots = ", ".join(f"{source.pivot} of {source.path}" for source in sources)
        raise InputError(f"the corpora of one table must have one pivot; these have {pivots}")
    available = tuple(dict.fromkeys(code for source in sources for code in source.languages))
    asked = recipe.languages or available
    if absent := [code for code in asked if code not in available]:
        paths = " and ".join(recipe.path)
        raise InputError(f"{paths}: no column {', '.join(absent)}; it has {', '.join(available)}")
    order = tuple(dict.fromkeys((sources[0].pivot, *asked)))
    if recipe.n_languages is not None and recipe.n_languages > len(order):
        raise InputError(f"n_languages is {recipe.n_languages}; there are {len(order)}")
    return order[: recipe.n_languages]


def count_rows(recipe: CorpusRecipe, n_languages: int, n_available: int) -> int:
    """Return how many of the available rows a corpus takes.

    Raises:
        InputError: It asks for more than there are.
    """
    n_rows = recipe.n_rows
    if recipe.n_cells is not None:
        n_rows = math.ceil(recipe.n_cells / n_languages)
    if n_rows is None:
        return n_available
    if n_rows > n_available:
        raise InputError(
            f"{' and '.join(recipe.path)}: {n_rows:,} rows are asked for; there are {n_available:,}"
        )
    return n_rows
