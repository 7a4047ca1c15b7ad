"""The settings of comparisons and reports."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from hexapla.errors import InputError
from hexapla.runs.ranges import Seed
from hexapla.runs.settings import DATA, SAFETY, FilePath, Flag, Name, settings

Seeds = Literal["together", "apart"]

STATISTICS = Flag(group="Statistics")
PAGE = Flag(group="Page")


@settings
class CompareConfig:
    """Settings of a comparison."""

    scores: Annotated[
        tuple[FilePath, ...], Strict(False), DATA, Flag(positional=True, metavar="SCORES...")
    ]
    """Score folders or files, or encoders, one for each run; by default the first is the baseline.
    Encoders are evaluated first, and their scores kept in the user's cache. An aligned encoder that
    stands alone is compared with the one that it was aligned from. The scores of one folder are
    printed."""
    out: Annotated[FilePath | None, Flag(identity=False)] = None
    """Folder for run.json, comparison.md and comparison.json. By default nothing is written."""
    baseline: Annotated[str | None, DATA] = None
    """Label or folder of the run that the others are compared with. By default the first."""
    data: Annotated[Name | None, DATA] = None
    """Where encoders are given: corpus or other data to evaluate them on, as in `hexapla evaluate`.
    By default those of the first score folder or, without one, the held-out rows of the corpus of
    the first aligned encoder."""
    suite: Annotated[str, DATA, Flag(metavar="SUITE|TASK,...")] = ""
    """Where encoders are given: tasks, as in `hexapla evaluate`. By default bitext on `data`."""
    seeds: Annotated[Seeds, STATISTICS] = "together"
    """together: runs that differ only in their training seed are averaged. apart: each run by
    itself."""
    different_budgets: Annotated[bool, STATISTICS] = False
    """Compare regimes although their budgets or corpora differ, with a note."""
    resamples: Annotated[int, Field(ge=100, le=100_000), STATISTICS] = 1000
    """Resamples of the bootstrap, and draws of each permutation test. With fewer than 100 an end of
    the interval would rest on two or three draws."""
    seed: Annotated[Seed, STATISTICS] = 0
    """Seed of the bootstrap and the permutation tests."""
    overwrite: Annotated[bool, SAFETY] = False
    """Replace an earlier comparison in the folder."""
    notes: Annotated[tuple[str, ...], Strict(False), Flag(hidden=True)] = ()
    """Notes to print besides those about the runs."""
    names: Annotated[tuple[str, ...], Strict(False), Flag(hidden=True)] = ()
    """Names of the runs; seeds of one training have the same name. By default a run is named after
    its regime or encoder."""


@settings
class ReportConfig:
    """Settings of a report; `compare` holds those of its comparison."""

    compare: CompareConfig
    title: Annotated[str, PAGE] = "What alignment gained"
    """Heading of the page."""
    card: Annotated[FilePath | None, PAGE] = None
    """Encoder folder whose model card gets the scores of its weights."""
    images: Annotated[bool, PAGE] = True
    """Write PNG and SVG files of the charts."""

    def __post_init__(self) -> None:
        """Refuse a report without a folder."""
        if self.compare.out is None:
            raise InputError("no folder for the report; give one (--out)")
