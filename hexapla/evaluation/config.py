"""The settings of `hexapla evaluate` and `hexapla fetch-data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from hexapla.encoder.config import ENCODER, EncodingSettings
from hexapla.errors import InputError
from hexapla.evaluation.mteb_table import OWN_SUITES, SUITES, TASKS, parse_suite
from hexapla.runs.config import ResumableSettings
from hexapla.runs.ranges import BatchSize, Seed
from hexapla.runs.settings import (
    DATA,
    FilePath,
    Flag,
    Languages,
    Name,
    identity,
    parse_languages,
    settings,
)

Pairs = Literal["pivot", "all"]
Split = Literal["all", "held-out"]
Precision = Literal["fp32", "bf16"]

HELD_OUT = 0.05  # share of rows where no other is known

SPEED = Flag(group="Speed", identity=False)

SeenLanguages = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: () if value in ("", [], ()) else parse_languages(value)),
    Flag(metavar="LANG,..."),
]


@settings
class EvaluateConfig(EncodingSettings, ResumableSettings):
    """Settings of an evaluation."""

    encoder: Annotated[Name, ENCODER, Flag(positional=True)]
    """Hub name, encoder folder, "tiny" or "small"."""
    suite: Annotated[str, DATA, Flag(metavar="SUITE|TASK,...")] = ""
    """Tasks of MTEB: paper, bitext, sts, classification, quick, or task names with commas. On your
    own data: bitext, xsim, sts or topics; or dev or test, for a folder with the data of several
    tasks. By default bitext on `data`, or on the corpus of the encoder's alignment."""
    data: Annotated[Name | None, DATA] = None
    """Folder written by `fetch-data`, or your own data. bitext and xsim: a corpus, or a folder of
    two-column files LANG.parquet. sts: a folder of LANG.parquet files with the columns sentence1,
    sentence2 and score. topics: a folder with train.parquet and test.parquet, each with a column
    topic. By default MTEB's data from the Hub."""
    languages: Annotated[Languages | None, DATA] = None
    """Languages to measure besides the pivot, which is English in sts, topics and MTEB's tasks. By
    default all that the data have."""
    seen: Annotated[SeenLanguages | None, DATA] = None
    """Languages of the alignment training. By default those that the encoder's folder names."""
    pairs: Annotated[Pairs, DATA] = "pivot"
    """pivot: the pivot with every other language. all: every two languages."""
    split: Annotated[Split | None, DATA] = None
    """Rows to measure of your own corpus: all, or only those held out from training. By default
    those held out, if the encoder was aligned on this corpus and held some out or a share is given,
    and otherwise all."""
    held_out: Annotated[Annotated[float, Field(gt=0, lt=1)] | None, DATA] = None
    """Share of the rows to measure, at most that which training held out. By default all of these,
    or 0.05 where that is not known."""
    mteb_compatible: Annotated[bool, DATA] = False
    """Also run MTEB's own evaluator, check that its scores are the same, and keep its result
    files."""
    corpus: Annotated[Name | None, DATA] = None
    """Corpus of the alignment, in which evaluation sentences are searched for. By default the one
    that the encoder's folder names."""
    vectors: Annotated[FilePath | None, SPEED] = None
    """Folder in which vectors are kept for further evaluations of the same weights."""
    batch_size: Annotated[BatchSize, SPEED] = 64
    """Texts in one forward pass, for an encoder that must pad its sentences."""
    precision: Annotated[Precision, Flag(group="Speed")] = "fp32"
    """Precision of matrix products. bf16 gives nearly the same vectors, faster where the hardware
    has instructions for it, and slower elsewhere."""
    seed: Annotated[Seed, DATA] = 42
    """Seed of the few-shot draws in classification and topics; 42 is MTEB's."""

    def __post_init__(self) -> None:
        """Check settings against each other."""
        super().__post_init__()
        if not self.suite:
            if self.mteb_compatible:
                raise InputError("mteb_compatible is set and no suite is given; name MTEB's tasks")
        elif self.is_mteb:
            parse_suite(self.suite)
        elif self.data is None:
            raise InputError(f"suite {self.suite} needs your own data; give their path (--data)")
        if self.suite and self.mteb_compatible and not self.is_mteb:
            raise InputError(
                f"suite {self.suite} has no MTEB task; mteb_compatible is for MTEB's tasks"
            )
        if self.split == "held-out" and self.suite and not self.has_own_rows:
            raise InputError(
                f"split is held-out and suite is {self.suite}; only bitext on your own corpus has "
                "held-out rows"
            )

    def identity(self) -> dict[str, Any]:
        """Return the settings that scores depend on, defaults written out."""
        held_out = self.held_out or HELD_OUT
        return {**identity(self), "split": self.split or "all", "held_out": held_out}

    @property
    def share(self) -> float | None:
        """Share of the rows to measure; None for all."""
        return (self.held_out or HELD_OUT) if self.split == "held-out" else None

    @property
    def has_own_rows(self) -> bool:
        """Whether the rows of a corpus are searched, of which a part may have been held out."""
        return self.data is not None and self.suite in ("", "bitext") and not self.is_mteb

    @property
    def may_know_rows(self) -> bool:
        """Whether the encoder's folder may say which rows to measure."""
        return self.has_own_rows or not (self.suite or self.data)

    @property
    def is_mteb(self) -> bool:
        """Whether the suite is of MTEB's tasks.

        `bitext` and `sts` are both; they are MTEB's without data, or on a folder of MTEB's tasks.
        """
        if not self.suite:
            return False
        if self.suite not in OWN_SUITES:
            return True
        if self.suite not in SUITES:
            return False
        return self.data is None or any((Path(self.data) / name).is_dir() for name in TASKS)


@settings
class FetchDataConfig:
    """Settings of a download of MTEB's data."""

    suite: Annotated[str, DATA, Flag(metavar="SUITE|TASK,...")]
    """paper, bitext, sts, classification, quick, or names of MTEB's tasks with commas."""
    out: FilePath
    """Folder in which each task gets a folder of its name. Tasks copied before are left as they
    are."""
