"""The settings of an evaluation, checked before anything is opened or loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from hexapla.encoder.config import ENCODER, MAX_SEED, EncodingSettings
from hexapla.errors import InputError
from hexapla.evaluation.mteb_table import OWN_SUITES, SUITES, TASKS, parse_suite
from hexapla.runs.config import OutputSettings, ResumableSettings
from hexapla.runs.settings import DATA, FilePath, Flag, Languages, Name, identity, settings
from hexapla.text import languages as codes

Pairs = Literal["pivot", "all"]
Split = Literal["all", "held-out"]
Precision = Literal["fp32", "bf16"]

SPEED = Flag(group="Speed", identity=False)

SeenLanguages = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: codes.parse_list(value) if value else ()),
    Flag(metavar="LANG,..."),
]


@settings
class EvaluateConfig(EncodingSettings, ResumableSettings):
    """Settings of an evaluation."""

    encoder: Annotated[Name, ENCODER, Flag(positional=True)]
    """Hub name, encoder folder, or "tiny"."""
    suite: Annotated[str, DATA, Flag(metavar="SUITE|TASK,...")]
    """MTEB's tasks: paper, bitext, sts, classification, quick, or task names with commas. On data
    of your own: bitext, xsim, sts or topics; dev or test on a folder that holds the data of
    several tasks."""
    data: Annotated[Name | None, DATA] = None
    """Folder that `fetch-data` filled, or data of your own. bitext and xsim: a corpus, or a folder
    of two-column files. sts: a folder of LANG.parquet files with columns sentence1, sentence2,
    score. topics: a folder with train.parquet and test.parquet. By default MTEB's data from the
    Hub."""
    languages: Annotated[Languages | None, DATA] = None
    """Languages to measure besides the pivot (English in sts, topics and MTEB's tasks). By default
    all that the data have."""
    seen: Annotated[SeenLanguages | None, DATA] = None
    """Languages that alignment training saw. By default what the encoder's folder says."""
    pairs: Annotated[Pairs, DATA] = "pivot"
    """pivot: the pivot with every other language. all: every two languages."""
    split: Annotated[Split, DATA] = "all"
    """Rows of a corpus of your own: all, or those held out from training."""
    held_out: Annotated[float, Field(gt=0, lt=1), DATA] = 0.05
    """Share of the rows that was held out, for the split "held-out"."""
    mteb_compatible: Annotated[bool, DATA] = False
    """Also score MTEB's tasks by MTEB's own evaluator, and keep its result files."""
    corpus: Annotated[Name | None, DATA] = None
    """Corpus that the encoder was aligned on, to search for evaluation sentences. By default the
    one that the encoder's folder names."""
    vectors: Annotated[FilePath | None, SPEED] = None
    """Folder to keep vectors in, for further evaluations of the same weights."""
    batch_size: Annotated[int, Field(ge=1), SPEED] = 64
    """Texts in one forward pass."""
    precision: Annotated[Precision, Flag(group="Speed")] = "fp32"
    """Precision of matrix products. bf16 is faster where the hardware has it, with nearly the same
    vectors."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED), DATA] = 42
    """Seed of the draws in classification and topics; 42 is MTEB's."""

    def __post_init__(self) -> None:
        """Check settings against each other."""
        super().__post_init__()
        if self.is_mteb:
            parse_suite(self.suite)
        elif self.data is None:
            raise InputError(f"suite {self.suite} needs data of your own; say where (--data)")
        if self.mteb_compatible and not self.is_mteb:
            raise InputError(f"suite {self.suite} has no MTEB task; mteb_compatible is for those")
        if self.split == "held-out" and (self.suite != "bitext" or self.is_mteb):
            raise InputError(
                f"split is held-out and suite is {self.suite}; only bitext on a corpus of your own "
                "has held-out rows"
            )

    def identity(self) -> dict[str, Any]:
        """Return the settings that scores depend on, defaults written out."""
        return identity(self)

    @property
    def is_mteb(self) -> bool:
        """Whether MTEB's tasks are meant: `bitext` and `sts` on data that are no folder of them are the user's own."""
        if self.suite not in OWN_SUITES:
            return True
        if self.suite not in SUITES:
            return False
        return self.data is None or any((Path(self.data) / name).is_dir() for name in TASKS)


@settings
class FetchDataConfig(OutputSettings):
    """Settings of a download of MTEB's data."""

    suite: Annotated[str, DATA, Flag(metavar="SUITE|TASK,...")]
    """paper, bitext, sts, classification, quick, or names of MTEB tasks with commas."""
