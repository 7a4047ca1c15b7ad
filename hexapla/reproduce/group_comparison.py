"""Finished cells -> the comparison of their group, one folder each.

A comparison is made of the cells that are there. Those that are missing are named in it, with the
reason.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from hexapla.report import compare, report
from hexapla.report.config import CompareConfig, ReportConfig
from hexapla.reproduce.job import is_evaluated
from hexapla.reproduce.matrix import CellGroup, MatrixCell
from hexapla.reproduce.matrix_plan import MatrixPlan
from hexapla.reproduce.result_folder import COMPARISONS
from hexapla.runs.atomic import write_json
from hexapla.runs.schema import Stored, read_object

_MADE_OF = "made-of.json"
_log = logging.getLogger(__name__)


def compare_group(
    group: CellGroup, plan: MatrixPlan, out: Path, failures: Mapping[str, str]
) -> str:
    """Compare the cells of a group that have scores, unless that has been done.

    Args:
        group: The group.
        plan: The plan that it belongs to.
        out: The result folder.
        failures: Why cells failed, by their keys.

    Returns:
        Why there is no comparison; empty if there is one.
    """
    present = {
        regime: [cell for cell in cells if is_evaluated(cell.score_folder(out, group.suite))]
        for regime, cells in group.cells.items()
    }
    folder = out / COMPARISONS / group.name
    baseline = group.experiment.baseline
    if not present[baseline] or sum(map(bool, present.values())) < 2:
        # The comparison of an earlier recipe could be taken for this one's.
        shutil.rmtree(folder, ignore_errors=True)
        return f"{group.name} has no comparison: it needs {baseline} and another regime"
    scores = [cell.score_folder(out, group.suite) for cells in present.values() for cell in cells]
    notes = describe_missing(group, out, failures)
    made_of = _hash_inputs(group, plan, out, scores, notes)
    if _is_made_of(folder, made_of):
        return ""
    shutil.rmtree(folder, ignore_errors=True)
    config = CompareConfig(
        scores=tuple(scores),
        out=folder,
        different_budgets=True,
        notes=tuple(notes),
        names=tuple(regime for regime, cells in present.items() for _ in cells),
    )
    try:
        if group.experiment.page:
            report(ReportConfig(compare=config, title=f"{plan.recipe.title}: {group.name}"))
        else:
            compare(config)
    except Exception as error:  # it concerns this comparison alone, and the results name it
        _log.debug("comparison %s", group.name, exc_info=True)
        shutil.rmtree(folder, ignore_errors=True)
        return f"{group.name} has no comparison: {' '.join(str(error).split())}"
    write_json(folder / _MADE_OF, {"sha256": made_of})
    return ""


def describe_missing(group: CellGroup, out: Path, failures: Mapping[str, str]) -> list[str]:
    """Say which cells of a group have no scores, and why.

    Seeds that are missing for the same reason are named in one sentence.
    """
    missing: dict[tuple[str, str], list[MatrixCell]] = {}
    for cells in group.cells.values():
        for cell in cells:
            if not is_evaluated(cell.score_folder(out, group.suite)):
                reason = failures.get(cell.key, "not done yet")
                missing.setdefault((cell.label.partition(", seed")[0], reason), []).append(cell)
    return [
        f"{cells[0].label} is missing: {reason}"
        if len(cells) == 1
        else f"{label}, seeds {' '.join(str(cell.seed) for cell in cells)} are missing: {reason}"
        for (label, reason), cells in missing.items()
    ]


def remove_other_comparisons(groups: Sequence[CellGroup], out: Path) -> None:
    """Remove the comparisons of an earlier recipe, which could be taken for this one's."""
    names = {group.name for group in groups}
    for made_of in (out / COMPARISONS).glob(f"*/{_MADE_OF}"):
        if made_of.parent.name not in names:
            shutil.rmtree(made_of.parent)


def _hash_inputs(
    group: CellGroup, plan: MatrixPlan, out: Path, scores: Sequence[Path], notes: Sequence[str]
) -> str:
    facts = [
        [path.relative_to(out).as_posix() for path in scores],
        notes,
        group.experiment.page,
        plan.recipe.title,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _is_made_of(folder: Path, made_of: str) -> bool:
    path = folder / _MADE_OF
    return path.is_file() and read_object(path, Stored).get("sha256") == made_of
