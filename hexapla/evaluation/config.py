"""What to evaluate on what: every value checked by itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from hexapla.encoder.load import Pooling
from hexapla.errors import InputError, nearest
from hexapla.evaluation.mteb_table import OWN_SUITES, SUITES, TASKS, parse_suite
from hexapla.evaluation.tasks.bitext import Pairs
from hexapla.text import languages as codes

_NOT_IDENTITY = (
    "out",
    "resume",
    "overwrite",
    "vectors",
    "batch_size",
    "trust_remote_code",
    "allow_pickle",
)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What to evaluate on what.

    Attributes:
        encoder: Anything that loads as a sentence encoder: a name on the Hub or a folder.
        out: The score folder to write.
        suite: Of MTEB's tasks: `paper`, `bitext`, `sts`, `classification`, `quick`, or names of
            tasks with commas between. On data of your own: `bitext`, `xsim`, `sts` or `topics`;
            `dev` and `test` for the tables in `data.py`.
        data: For MTEB's tasks a folder with a copy of each task's repository, as `fetch-data` makes
            it; None for the Hub or its cache. Of your own: for bitext and xsim what `open_corpus`
            takes, or a folder of two-column files; for sts a folder of `LANG.parquet` with
            `sentence1`, `sentence2`, `score`; for topics a folder with `train.parquet` and
            `test.parquet`; for dev and test a folder with `sib200`, `stsb-mt` and `tatoeba` in it.
        languages: The languages to measure next to the pivot (English in sts, topics and MTEB's
            tasks); all that the data have by default. Suites of several tasks use each language
            where it occurs.
        seen: The languages that alignment training saw; by default what the encoder says of itself.
            An empty tuple says that it saw none; not knowing is None.
        pairs: `pivot` measures the pivot with every other language, `all` every two languages.
        split: bitext of your own only: `all` rows, or those that training with `held_out_share`
            leaves out.
        held_out_share: Share of the rows held out, 0 to 1.
        mteb_compatible: Score MTEB's tasks by its own evaluator too, from the same vectors, and
            leave its result files.
        corpus: The corpus that the encoder was aligned on, to look for evaluation sentences in;
            found by itself where the encoder's folder says where it is.
        vectors: A folder to keep the vectors in, for further evaluations of the same encoder; by
            default they are kept in `out` until the scores stand.
        resume: Go on with an interrupted evaluation in `out`.
        overwrite: Replace what an earlier evaluation left in `out`.
        trust_remote_code: Let the encoder run code that comes with it.
        allow_pickle: Load weights that are not safetensors.
        max_tokens: Cut texts at this length; the encoder's own by default.
        pooling: Of a bare transformer: `mean`, `cls` or `lasttoken`; by its attention by default.
        prompt: Text in front of every text; by default what the encoder saved for the kind of task.
        batch_size: Texts in one forward pass.
        precision: "fp32", or "bf16" for matrix products in bfloat16: faster where the hardware has
            it, nearly the same vectors.
        seed: Of the draws in topics and classification; 42 is MTEB's.
    """

    encoder: str
    out: str | Path
    suite: str
    data: str | Path | None = None
    languages: tuple[str, ...] | None = None
    seen: tuple[str, ...] | None = None
    pairs: Pairs = "pivot"
    split: Literal["all", "held-out"] = "all"
    held_out_share: float = 0.05
    mteb_compatible: bool = False
    corpus: str | None = None
    vectors: str | Path | None = None
    resume: bool = False
    overwrite: bool = False
    trust_remote_code: bool = False
    allow_pickle: bool = False
    max_tokens: int | None = None
    pooling: Pooling | None = None
    prompt: str | None = None
    batch_size: int = 64
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 42

    def __post_init__(self) -> None:
        """Check every value by itself, and bring the languages into their canonical form."""
        for field, value, allowed in (
            ("pairs", self.pairs, get_args(Pairs)),
            ("split", self.split, ("all", "held-out")),
            ("precision", self.precision, ("fp32", "bf16")),
            ("pooling", self.pooling or get_args(Pooling)[0], get_args(Pooling)),
        ):
            if value not in allowed:
                raise InputError(
                    f"{field} is {value!r}; it must be {', '.join(allowed)}{nearest(value, allowed)}"
                )
        if self.is_mteb:
            parse_suite(self.suite)
        elif self.data is None:
            raise InputError(
                f"suite {self.suite} is on data of your own; say where they are (--data)"
            )
        if self.mteb_compatible and not self.is_mteb:
            raise InputError(
                f"suite {self.suite} has no task of MTEB's; mteb_compatible is for those"
            )
        if self.split == "held-out" and (self.suite != "bitext" or self.is_mteb):
            raise InputError(
                f"split is held-out and suite is {self.suite}; only bitext on a corpus of your own has held-out rows"
            )
        if not 0 < self.held_out_share < 1:
            raise InputError(
                f"held_out_share is {self.held_out_share}; it must lie between 0 and 1"
            )
        if self.batch_size < 1:
            raise InputError(f"batch_size is {self.batch_size}; it must be at least 1")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed is {self.seed}; it must be 0 to {2**32 - 1}")
        for field, given in (("languages", self.languages), ("seen", self.seen)):
            if given:
                object.__setattr__(self, field, codes.parse_list(given))

    def identity(self) -> dict[str, Any]:
        """Return the settings that scores depend on, defaults written out."""
        return {
            key: value
            for key, value in dataclasses.asdict(self).items()
            if key not in _NOT_IDENTITY
        }

    @property
    def is_mteb(self) -> bool:
        """Whether MTEB's tasks are meant: `bitext` and `sts` on data that are no folder of them are the user's own."""
        if self.suite not in OWN_SUITES:
            return True
        if self.suite not in SUITES:
            return False
        return self.data is None or any((Path(self.data) / name).is_dir() for name in TASKS)
