"""All comparisons of a recipe together: `results.md`, `results.json` and figures."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hexapla.reproduce.figures import draw_sweeps
from hexapla.reproduce.group_comparison import (
    compare_group,
    describe_missing,
    remove_other_comparisons,
)
from hexapla.reproduce.job import seconds_of
from hexapla.reproduce.matrix_plan import MatrixPlan
from hexapla.reproduce.matrix_values import MatrixValue, read_values
from hexapla.reproduce.result_folder import FIGURES
from hexapla.reproduce.result_tables import results_to_markdown
from hexapla.runs.atomic import write_json, write_text


def write_results(plan: MatrixPlan, out: Path, failures: Mapping[str, str]) -> dict[str, str]:
    """Compare every group, and write the results of all.

    Comparisons and figures of an earlier recipe are removed: they could be taken for this one's.

    Args:
        plan: The plan.
        out: The result folder.
        failures: Why cells failed, by their keys.

    Returns:
        Why groups have no comparison, by their names.
    """
    remove_other_comparisons(plan.groups, out)
    shutil.rmtree(out / FIGURES, ignore_errors=True)
    reasons = {group.name: compare_group(group, plan, out, failures) for group in plan.groups}
    lacking = {name: reason for name, reason in reasons.items() if reason}
    compared = [group for group in plan.groups if group.name not in lacking]
    values = [value for group in compared for value in read_values(group, out)]
    missing = {
        group.name: [
            *describe_missing(group, out, failures),
            *([lacking[group.name]] if group.name in lacking else []),
        ]
        for group in plan.groups
    }
    figures = draw_sweeps(values, plan.recipe.sweeps, out / FIGURES)
    write_text(out / "results.md", results_to_markdown(plan, out, values, missing, figures))
    write_json(out / "results.json", _as_json(plan, out, values, missing))
    return lacking


def _as_json(
    plan: MatrixPlan,
    out: Path,
    values: Sequence[MatrixValue],
    missing: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    seconds = [sum(seconds_of(cell.scores_folder(out)).values()) for cell in plan.cells]
    return {
        "title": plan.recipe.title,
        "hours": sum(seconds) / 3600,
        "missing": {name: reasons for name, reasons in missing.items() if reasons},
        "values": [
            {
                "comparison": value.group.name,
                "experiment": value.group.experiment.name,
                "encoder": value.group.encoder,
                "corpus": value.group.corpus,
                "budget": value.group.budget,
                "suite": value.group.suite,
                "baseline": value.group.experiment.baseline,
                "task": value.task,
                "metric": value.metric,
                "languages": value.languages,
                "regime": value.regime,
                "n_seeds": value.n_seeds,
                **value.cell,
            }
            for value in values
        ],
    }
