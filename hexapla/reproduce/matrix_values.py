"""The headline values of a recipe's comparisons: one per regime and group of languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from hexapla.report.stage import RESULT
from hexapla.reproduce.matrix import CellGroup
from hexapla.reproduce.result_folder import COMPARISONS
from hexapla.runs.schema import Stored, Text, read_object

_KINDS = {
    "bitext": "bitext mining",
    "sts": "semantic similarity",
    "topics": "classification",
    "classification": "classification",
}


@dataclass(frozen=True, kw_only=True)
class MatrixValue:
    """A regime's average over a group of languages, beside the baseline's; fractions.

    Attributes:
        group: Group of cells that it comes from.
        task: As `Score.task`.
        metric: The headline metric of the task.
        languages: Name of the group of languages.
        regime: Name of the regime in the recipe.
        n_seeds: Number of seeds behind it.
        cell: The `TableCell` of the comparison, in JSON.
        before: The baseline's.
    """

    group: CellGroup
    task: str
    metric: str
    languages: str
    regime: str
    n_seeds: int
    cell: Mapping[str, Any]
    before: Mapping[str, Any]

    @property
    def kind(self) -> str | None:
        """The paper's name for the task; None for a task that it does not have."""
        return _KINDS.get(self.task.split("/")[0])


_ADVICE = "remove its folder, and continue with --resume"


class _RunFacts(Stored):
    scores: Annotated[list[str], Field(min_length=1)]


class _LineFacts(Stored):
    group: str
    cells: Annotated[list[dict[str, Any]], Field(min_length=1)]


class _BlockFacts(Stored):
    task: Text
    metric: Text
    headline: bool
    lines: list[_LineFacts]


class _ComparisonFacts(Stored):
    """What is read of a comparison."""

    runs: list[_RunFacts]
    blocks: list[_BlockFacts]


def read_comparison(group: CellGroup, out: Path) -> dict[str, Any] | None:
    """Return the result of a group's comparison in a result folder, or None if there is none."""
    path = out / COMPARISONS / group.name / RESULT
    return read_object(path, _ComparisonFacts, _ADVICE) if path.is_file() else None


def read_values(group: CellGroup, out: Path) -> list[MatrixValue]:
    """Return the values of a group's comparison, only those of headline metrics."""
    compared = read_comparison(group, out)
    if compared is None:
        return []
    # By the last parts of the path, since the result folder may have moved.
    regime_of = {
        cell.score_folder(out, group.suite).parts[-2:]: regime
        for regime, cells in group.cells.items()
        for cell in cells
    }
    regimes = [regime_of[Path(run["scores"][0]).parts[-2:]] for run in compared["runs"]]
    n_seeds = [len(run["scores"]) for run in compared["runs"]]
    return [
        MatrixValue(
            group=group,
            task=block["task"],
            metric=block["metric"],
            languages=line["group"],
            regime=regime,
            n_seeds=n,
            cell=cell,
            before=line["cells"][0],
        )
        for block in compared["blocks"]
        if block["headline"]
        for line in block["lines"]
        for regime, n, cell in zip(regimes, n_seeds, line["cells"], strict=True)
    ]
