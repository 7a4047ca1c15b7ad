"""What a comparison found, as plain values: fractions, never percent. How it is printed is in `layout`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hexapla.report import layout

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One column's average over a group of languages; in the baseline's own cell all but `value` and `sd` are None.

    Attributes:
        value: The average, a fraction, over the training seeds too; which way is better depends on
            the metric.
        gain: `value` less the baseline's.
        relative: `gain` as a share of the baseline's value; None also where that is not above 0.
        interval: The 95 % interval of `gain`; None also where no resample has a value for the
            group.
        interval_seeds: The 95 % interval of `gain` over training seeds (Student's t, two or more
            paired gains), for what other seeds would give; `interval` is for what other test rows
            would.
        p_rows: Two-sided p of a paired permutation test over the test rows, which are swapped
            between the runs.
        p_seeds: Two-sided p of a paired sign-flip test over the training seeds; None for one seed.
        sd: Standard deviation of the value over the training seeds; None for one seed, and not None
            in a baseline of several.
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
    """One group of languages, a cell per run.

    Attributes:
        group: `seen`, `unseen`, `all` where that is not known, `eng_Latn` alone, or with `, no
            English`.
        languages: What is averaged, each counting once: languages, or pairs where neither is
            English.
        n_items: The fewest and the most items that one of them has.
        cells: In the order of the comparison's runs.
    """

    group: str
    languages: tuple[str, ...]
    n_items: tuple[int, int]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Block:
    """One metric of one task.

    Attributes:
        task: As `Score.task`.
        split: As `Score.split`.
        metric: A key of `evaluate.metrics.METRICS`, which says which way is better.
        headline: Whether this is the metric of the task to read first.
        lines: One per group of languages.
        languages: One per language, in the order of the groups, each naming its own; of pairs
            without English none.
    """

    task: str
    split: str
    metric: str
    headline: bool
    lines: tuple[Line, ...]
    languages: tuple[Line, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a column of the table stands for: one run, or runs that differ in nothing but the training seed.

    Attributes:
        label: The column's heading.
        scores: The score folder of each seed, in the order of `seeds`.
        encoder: Name of the first seed's encoder.
        encoder_sha: Of each seed's weights.
        regime: None for an encoder that was not aligned, as the next ones.
        corpus: Name of the corpus.
        seeds: Of the trainings; empty where there is none.
        budget: `rows`, `encodings` or `converged`.
        n_rows_seen: Rows seen in training, the mean over the seeds.
        n_encodings: Sentences encoded in training, likewise.
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
    """Evaluation sentences of a task that stand in the corpus that a column was aligned on.

    Attributes:
        run: The column's label.
        corpus: Name of the corpus.
        task: As `Score.task`.
        split: As `Score.split`.
        n_sentences: Distinct evaluation sentences, in all languages.
        n_found: How many of them stand in the corpus; at least 1.
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
        runs: One per column.
        blocks: One per task and metric, a task's headline metric first.
        n_resamples: Resamples behind each interval, and draws behind each p over items.
        seed: Of both.
        notes: What differs between the runs besides their weights, and what is not known of them.
        contamination: Where evaluation sentences stand in a training corpus.
    """

    runs: tuple[RunFacts, ...]
    blocks: tuple[Block, ...]
    n_resamples: int
    seed: int
    notes: tuple[str, ...]
    contamination: tuple[Contaminated, ...] = ()

    def render(
        self, console: Console, *, all_metrics: bool = False, per_language: bool = False
    ) -> None:
        """Print the headline metrics, then each with its intervals and tests, fitted to the console's width.

        Args:
            console: Where to.
            all_metrics: Print the other metrics' details too.
            per_language: Print every language apart, below its task.
        """
        layout.render(self, console, all_metrics=all_metrics, per_language=per_language)

    def contaminated(self, block: Block) -> bool:
        """Say whether sentences of the block's task stand in a training corpus."""
        return any(
            (found.task, found.split) == (block.task, block.split) for found in self.contamination
        )

    def to_markdown(self) -> str:
        """Return the same tables in Markdown."""
        return layout.to_markdown(self)

    def to_json(self) -> dict[str, Any]:
        """Return everything unrounded, in types that `json` writes; values are fractions."""
        found = dataclasses.asdict(self)
        for block, found_block in zip(self.blocks, found["blocks"], strict=True):
            lines = (*block.lines, *block.languages)
            for line, found_line in zip(
                lines, [*found_block["lines"], *found_block["languages"]], strict=True
            ):
                for cell, found_cell, run in zip(
                    line.cells, found_line["cells"], self.runs, strict=True
                ):
                    found_cell.update(run=run.label, significant=cell.significant)
        return {"baseline": self.runs[0].label, **found}
