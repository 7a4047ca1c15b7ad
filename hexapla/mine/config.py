"""The settings of the mining commands, checked before anything is read or loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hexapla.encoder.config import ENCODER, EncodingSettings
from hexapla.errors import InputError
from hexapla.runs.config import (
    GpuClusterSettings,
    OutputSettings,
    ResumableSettings,
    TextLimitSettings,
)
from hexapla.runs.ranges import BatchSize, Seed
from hexapla.runs.settings import DATA, FilePath, Flag, Name, settings

Margin = Literal["ratio", "distance", "absolute"]
Retrieval = Literal["max", "intersection", "forward", "backward"]
SearchKind = Literal["auto", "exact", "ivf-pq"]

ENDINGS = (".tsv", ".parquet")
SEARCH = Flag(group="Search")
# It must be below 0.5, or two sentences without translation would be linked to each other. With
# 0.45, F1 is up to a point higher, but nearly four times as many pairs of unrelated sentences are
# linked when they stand alone (dev/LOG.md, 2026-11-28). vecalign uses the 20th percentile of the
# costs of random links, about 0.8.
SKIP_COST = 0.41


@settings
class SearchSettings(EncodingSettings):
    """What mining and scoring share: the encoder and the margin score."""

    encoder: Annotated[Name, ENCODER]
    """Hub name, encoder folder, "small" or "tiny"."""
    batch_size: Annotated[BatchSize, ENCODER, Flag(identity=False)] = 64
    """Texts in one forward pass, for an encoder that must pad its sentences."""
    k: Annotated[int, Field(ge=1, le=1024), SEARCH] = 4
    """Nearest neighbours whose mean cosine a margin score is relative to."""
    margin: Annotated[Margin, SEARCH] = "ratio"
    """Margin score: the cosine divided by that mean (ratio), minus it (distance), or alone
    (absolute)."""
    memory_mib: Annotated[int, Field(ge=1, le=1 << 24), SEARCH, Flag(identity=False)] = 2048
    """Memory in MiB for the exact search, besides the vectors; on a cluster, for each task."""


@settings
class MineConfig(SearchSettings, GpuClusterSettings, ResumableSettings, TextLimitSettings):
    """Settings of a mining run."""

    source: Annotated[Name, DATA, Flag(positional=True)]
    """File or folder of text, JSONL, CSV, TSV or Parquet, plain or compressed."""
    target: Annotated[Name, DATA, Flag(positional=True)]
    """The same, in another language."""
    source_field: Annotated[str | None, DATA] = None
    """Field that holds the source's text."""
    target_field: Annotated[str | None, DATA] = None
    """Field that holds the target's text."""
    retrieval: Annotated[Retrieval, SEARCH] = "max"
    """Which candidates become pairs: the best of both directions (max), those that both directions
    agree on (intersection), or those of one direction (forward, backward)."""
    threshold: Annotated[Annotated[float, Field(ge=-1e6, le=1e6)] | None, SEARCH] = None
    """Minimum margin score of a pair. By default all pairs are written."""
    calibrate: Annotated[FilePath | None, SEARCH, Flag(metavar="GOLD")] = None
    """File of known pairs, on which the threshold with the best F1 is chosen."""
    search: Annotated[SearchKind, SEARCH] = "auto"
    """exact: every source sentence with every target sentence. ivf-pq: candidates from FAISS,
    ranked exactly. auto: exact up to 10^12 comparisons, a million sentences a side."""
    seed: Annotated[Seed, SEARCH] = 0
    """Seed of the sample that FAISS's index is trained on."""

    def __post_init__(self) -> None:
        """Check settings against each other."""
        ResumableSettings.__post_init__(self)
        GpuClusterSettings.__post_init__(self)
        if self.executor == "local" and self.workers != 1:
            raise InputError("workers is a setting of a Ray cluster; use it with --executor ray")
        if self.threshold is not None and self.calibrate is not None:
            raise InputError(
                "--threshold and --calibrate exclude each other; "
                "--calibrate chooses the threshold by known pairs"
            )
        check_ending(self.out)

    @property
    def work(self) -> Path:
        """The folder of the unfinished run, beside the file."""
        return self.out.with_name(f"{self.out.name}.mining")


@settings
class ScoreConfig(SearchSettings, OutputSettings, TextLimitSettings):
    """Settings of a run that scores given pairs."""

    bitext: Annotated[FilePath, DATA, Flag(positional=True)]
    """TSV, CSV, JSONL or Parquet file with a field for each side, such as `mine` writes."""
    source_field: Annotated[str, DATA] = "source"
    """Field that holds the source's text."""
    target_field: Annotated[str, DATA] = "target"
    """Field that holds the target's text."""

    def __post_init__(self) -> None:
        """Check the file's ending."""
        check_ending(self.out)


@settings
class AlignDocumentsConfig(EncodingSettings, OutputSettings, TextLimitSettings):
    """Settings of a sentence alignment of two documents."""

    source: Annotated[FilePath, DATA, Flag(positional=True)]
    """Text file with one sentence per line, plain or compressed; empty lines are skipped."""
    target: Annotated[FilePath, DATA, Flag(positional=True)]
    """Its translation, in the same form."""
    encoder: Annotated[Name, ENCODER]
    """Hub name, encoder folder, "small" or "tiny"."""
    skip_cost: Annotated[float, Field(gt=0, le=100), SEARCH] = SKIP_COST
    """Cost of a sentence without translation; linking two unlike sentences costs about 1."""
    batch_size: Annotated[BatchSize, ENCODER, Flag(identity=False)] = 64
    """Texts in one forward pass, for an encoder that must pad its sentences."""

    def __post_init__(self) -> None:
        """Check the file's ending."""
        check_ending(self.out)


def check_ending(out: Path) -> None:
    """Refuse an output file whose name does not show its format.

    Raises:
        InputError: The name ends in neither `.tsv` nor `.parquet`.
    """
    if out.suffix not in ENDINGS:
        raise InputError(f"{out}: must end in {' or '.join(ENDINGS)}, which sets the format")
