"""The result of a comparison as plain values: fractions, never percent.

`terminal_tables` prints a comparison, and `markdown_tables` writes it as Markdown.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """The average of one column over a group of languages.

    In the baseline's cells all fields but `value` and `sd` are None.

    Attributes:
        value: Average over the languages, and over the training seeds if there are several; a
            fraction. The metric decides whether higher is better.
        gain: `value` minus the baseline's value.
        relative: `gain` divided by the baseline's value; None also where that value is not
            positive.
        interval: 95 % bootstrap interval of `gain` over the test rows; None also where no resample
            has a value for the group.
        interval_seeds: 95 % interval of `gain` over training seeds (Student's t, two or more
            paired gains). It covers other seeds, as `interval` covers other test rows.
        p_rows: Two-sided p of a paired permutation test that swaps test rows between the runs.
        p_seeds: Two-sided p of a paired sign-flip test over the training seeds; None for one seed.
        sd: Standard deviation of the value over the training seeds; None for one seed. A baseline
            of several seeds has one too.
    """

    value: float
    gain: float | None = None
    relative: float | None = None
    interval: tuple[float, float] | None = None
    interval_seeds: tuple[float, float] | None = None
    p_rows: float | None = None
    p_seeds: float | None = None
    sd: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One group of languages, with a cell for each run.

    Attributes:
        group: `seen`, `unseen`, or `all` where it is not known which languages were seen;
            `eng_Latn` for English alone; `, no English` is added for pairs without English.
        languages: The languages that are averaged, or the pairs where neither language is English;
            each counts once.
        n_items: The smallest and the largest number of items of any of them.
        cells: In the order of the comparison's runs.
    """

    group: str
    languages: tuple[str, ...]
    n_items: tuple[int, int]
    cells: tuple[TableCell, ...]


@dataclass(frozen=True, kw_only=True)
class Block:
    """One metric of one task.

    Attributes:
        task: As in `Score.task`.
        split: As in `Score.split`.
        metric: A key of `evaluation.metrics.METRICS`, which says which way is better.
        headline: Whether this is the task's main metric.
        lines: One for each group of languages.
        languages: One for each language, in the order of the groups; pairs without English have
            none.
    """

    task: str
    split: str
    metric: str
    headline: bool
    lines: tuple[Line, ...]
    languages: tuple[Line, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a column of the table is: one run, or several that differ only in the training seed.

    Attributes:
        label: Heading of the column.
        scores: The score folder of each seed, in the order of `seeds`.
        encoder: Name of the first seed's encoder.
        encoder_sha: Hash of each seed's weights.
        regime: Training regime; None for an encoder that was not aligned, and so are the following
            fields.
        corpus: Name of the corpus.
        seeds: Training seeds; empty without alignment.
        budget: `rows`, `encodings` or `converged`.
        n_rows_seen: Rows seen in training, mean over the seeds.
        n_encodings: Sentences encoded in training, mean over the seeds.
    """

    label: str
    scores: tuple[str, ...]
    encoder: str
    encoder_sha: tuple[str, ...]
    regime: str | None
    corpus: str | None
    seeds: tuple[int, ...] = ()
    budget: str | None = None
    n_rows_seen: int | None = None
    n_encodings: int | None = None


@dataclass(frozen=True, kw_only=True)
class Contaminated:
    """Evaluation sentences of a task that are also in the training corpus of a run.

    Attributes:
        run: Label of the run's column.
        corpus: Name of the corpus.
        task: As in `Score.task`.
        split: As in `Score.split`.
        n_sentences: Number of distinct evaluation sentences, in all languages.
        n_found: How many of them the corpus contains; at least 1.
        examples: Up to three of those.
    """

    run: str
    corpus: str
    task: str
    split: str
    n_sentences: int
    n_found: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs side by side; the first is the baseline.

    Attributes:
        runs: One for each column.
        blocks: One for each task and metric; a task's headline metric comes first.
        n_resamples: Resamples behind each interval, and draws behind each p over test rows.
        seed: Seed of both.
        notes: How the runs differ apart from their weights, and what is not known about them.
        contamination: Tasks whose evaluation sentences are in a training corpus.
    """

    runs: tuple[RunFacts, ...]
    blocks: tuple[Block, ...]
    n_resamples: int
    seed: int
    notes: tuple[str, ...]
    contamination: tuple[Contaminated, ...] = ()

    def is_contaminated(self, block: Block) -> bool:
        """Return whether a training corpus contains sentences of the block's task."""
        return any(
            (each.task, each.split) == (block.task, block.split) for each in self.contamination
        )

    def to_json(self) -> dict[str, Any]:
        """Return all values unrounded, as types that `json` writes."""
        content = dataclasses.asdict(self)
        for block, block_json in zip(self.blocks, content["blocks"], strict=True):
            lines = (*block.lines, *block.languages)
            lines_json = [*block_json["lines"], *block_json["languages"]]
            for line, line_json in zip(lines, lines_json, strict=True):
                for cell, cell_json, run in zip(
                    line.cells, line_json["cells"], self.runs, strict=True
                ):
                    cell_json.update(run=run.label, significant=cell.significant)
        return {"baseline": self.runs[0].label, **content}
