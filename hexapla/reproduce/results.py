"""Finished cells -> comparisons, one folder each, and `results.md`, `results.json` and figures of all of them.

A comparison is made of the cells that are there; what is missing is named in it, with the reason.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.reader import open_corpus
from hexapla.report import compare
from hexapla.report.config import CompareConfig, ReportConfig
from hexapla.report.headline import PAPER
from hexapla.report.page import report
from hexapla.report.stage import RESULT
from hexapla.reproduce.corpora import build_key
from hexapla.reproduce.figures import draw
from hexapla.reproduce.job import is_evaluated, seconds_of
from hexapla.reproduce.matrix import BUILT, COMPARISONS, CORPORA, Cell, Group, standing
from hexapla.reproduce.run_plan import Plan
from hexapla.runs.atomic import write_json, write_text
from hexapla.text import languages as codes

FIGURES = "figures"
_MADE_OF = "made-of.json"
_log = logging.getLogger(__name__)
KINDS = {"bitext": "bitext mining", "sts": "semantic similarity", "topics": "classification"}
KINDS["classification"] = "classification"


@dataclass(frozen=True, kw_only=True)
class Value:
    """One regime's average over a group of languages, beside the baseline's; fractions.

    Attributes:
        group: Of cells that it is of.
        task: As `Score.task`.
        metric: Its headline metric.
        languages: Which group of languages.
        regime: Its name in the recipe.
        n_seeds: That are behind it.
        cell: As `comparison.Cell`, in JSON.
        before: The baseline's, likewise.
    """

    group: Group
    task: str
    metric: str
    languages: str
    regime: str
    n_seeds: int
    cell: Mapping[str, Any]
    before: Mapping[str, Any]

    @property
    def kind(self) -> str | None:
        """What the paper calls the task; None for one that it has not."""
        return KINDS.get(self.task.split("/")[0])


def present(group: Group, out: Path) -> dict[str, list[Cell]]:
    """Return the cells of each regime whose scores stand."""
    return {
        regime: [cell for cell in cells if is_evaluated(cell.score_folder(out, group.suite))]
        for regime, cells in group.cells.items()
    }


def holes(group: Group, out: Path, failures: Mapping[str, str]) -> list[str]:
    """Say which cells of a group have no scores, and why; seeds with one reason in one sentence."""
    lacking: dict[tuple[str, str], list[Cell]] = {}
    for cells in group.cells.values():
        for cell in cells:
            if not is_evaluated(cell.score_folder(out, group.suite)):
                reason = failures.get(cell.key, "not done yet")
                lacking.setdefault((cell.label.partition(", seed")[0], reason), []).append(cell)
    return [
        f"{cells[0].label} is missing: {reason}"
        if len(cells) == 1
        else f"{label}, seeds {' '.join(str(cell.seed) for cell in cells)} are missing: {reason}"
        for (label, reason), cells in lacking.items()
    ]


def compare_group(group: Group, plan: Plan, out: Path, failures: Mapping[str, str]) -> str | None:
    """Compare what there is of a group, unless that has been done; return why it cannot be."""
    there = present(group, out)
    folder = out / COMPARISONS / group.name
    if not there[group.experiment.baseline] or sum(map(bool, there.values())) < 2:
        shutil.rmtree(folder, ignore_errors=True)  # an earlier recipe's would pass for this one's
        return f"{group.name} has no comparison: it takes {group.experiment.baseline} and another regime"
    notes = holes(group, out, failures)
    scores = [cell.score_folder(out, group.suite) for cells in there.values() for cell in cells]
    facts = [
        [path.relative_to(out).as_posix() for path in scores],
        notes,
        group.experiment.page,
        plan.recipe.title,
    ]
    made_of = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    if (folder / _MADE_OF).is_file() and json.loads((folder / _MADE_OF).read_text())[
        "sha256"
    ] == made_of:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    config = CompareConfig(
        scores=tuple(scores),
        out=folder,
        different_budgets=True,
        notes=tuple(notes),
        names=tuple(regime for regime, cells in there.items() for _ in cells),
    )
    try:
        if group.experiment.page:
            report(ReportConfig(compare=config, title=f"{plan.recipe.title}: {group.name}"))
        else:
            compare(config)
    except Exception as error:  # of this comparison alone; it is told where its table would stand
        _log.debug("comparison %s", group.name, exc_info=True)
        shutil.rmtree(folder, ignore_errors=True)
        return f"{group.name} has no comparison: {' '.join(str(error).split())}"
    write_json(folder / _MADE_OF, {"sha256": made_of})
    return None


def read_values(group: Group, out: Path) -> list[Value]:
    """Return what the comparison of a group found, its headline metrics alone."""
    found = json.loads((out / COMPARISONS / group.name / RESULT).read_text(encoding="utf-8"))
    by_folder = {
        cell.score_folder(out, group.suite).parts[-2:]: regime
        for regime, cells in group.cells.items()
        for cell in cells
    }
    regimes = [
        by_folder[Path(run["scores"][0]).parts[-2:]] for run in found["runs"]
    ]  # the folder may have moved
    n_seeds = [len(run["scores"]) for run in found["runs"]]
    return [
        Value(
            group=group,
            task=block["task"],
            metric=block["metric"],
            languages=line["group"],
            regime=regime,
            n_seeds=n,
            cell=cell,
            before=line["cells"][0],
        )
        for block in found["blocks"]
        if block["headline"]
        for line in block["lines"]
        for regime, n, cell in zip(regimes, n_seeds, line["cells"], strict=True)
    ]


def write_results(plan: Plan, out: Path, failures: Mapping[str, str]) -> dict[str, str]:
    """Compare every group and write what was found of all; return why groups cannot be compared, by their names.

    Comparisons and figures of an earlier recipe go: they would pass for this one's.
    """
    named = {group.name for group in plan.groups}
    for made_of in (out / COMPARISONS).glob(f"*/{_MADE_OF}"):
        if made_of.parent.name not in named:
            shutil.rmtree(made_of.parent)
    shutil.rmtree(out / FIGURES, ignore_errors=True)
    reasons = {group.name: compare_group(group, plan, out, failures) for group in plan.groups}
    lacking = {name: reason for name, reason in reasons.items() if reason is not None}
    values = [
        value
        for group in plan.groups
        if group.name not in lacking
        for value in read_values(group, out)
    ]
    missing = {
        group.name: [
            *holes(group, out, failures),
            *([lacking[group.name]] if group.name in lacking else []),
        ]
        for group in plan.groups
    }
    figures = draw(values, plan.recipe.sweeps, out / FIGURES)
    write_text(out / "results.md", "\n".join(_markdown(plan, out, values, missing, figures)))
    write_json(
        out / "results.json",
        {
            "title": plan.recipe.title,
            "hours": sum(sum(seconds_of(cell.scores(out)).values()) for cell in plan.cells) / 3600,
            "missing": {name: told for name, told in missing.items() if told},
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
        },
    )
    return lacking


def _markdown(
    plan: Plan,
    out: Path,
    values: Sequence[Value],
    missing: Mapping[str, Sequence[str]],
    figures: Mapping[str, Sequence[str]],
) -> Iterator[str]:
    yield f"# {plan.recipe.title}\n"
    yield (
        "Percent; mean ± standard deviation over training seeds. Gains are over the baseline, in points, with two 95 % "
        "intervals: over test rows (paired bootstrap) and over training seeds (Student's t over paired gains). "
        "`relative` is the gain as a share of the baseline's value; the paper's is of its own encoders and data.\n"
    )
    for experiment in plan.recipe.experiments:
        of = [value for value in values if value.group.experiment.name == experiment.name]
        yield f"## {experiment.name}\n"
        same, columns = _columns(plan, experiment.name)
        yield f"Baseline {experiment.baseline}; {'; '.join(same)}.\n"
        yield from (
            f"![{experiment.name}]({FIGURES}/{name})\n" for name in figures.get(experiment.name, ())
        )
        yield from _table(of, columns)
        yield from _by_kind(
            [group for group in plan.groups if group.experiment.name == experiment.name],
            columns,
            out,
        )
        told = dict.fromkeys(
            hole
            for group in plan.groups
            if group.experiment.name == experiment.name
            for hole in missing[group.name]
        )
        yield from (f"- {hole}" for hole in told)
        yield ""
    yield from _corpora(plan, out)


def _corpora(plan: Plan, out: Path) -> Iterator[str]:
    """Yield what became of the corpora that were made: filters and holes leave fewer rows and cells."""
    lines = []
    for name, size in plan.sizes.items():
        folders = [standing(out / CORPORA, name, plan.keys.corpora[name])]
        if (build := plan.recipe.corpora[name].build) is not None:
            folders.append(
                standing(out / CORPORA, BUILT, build_key(build))
            )  # where a corpus is all of it
        there = next((folder for folder in folders if (folder / MANIFEST).is_file()), None)
        if there is not None:
            corpus = open_corpus(there)
            n_cells = sum(
                cell is not None for code in corpus.languages for cell in corpus.cells(code)
            )
            share = n_cells / (len(corpus) * len(corpus.languages))
            lines.append(
                f"| {name} | {size.n_rows:,} | {len(corpus):,} | {len(corpus.languages)} | {100 * share:.1f} |"
            )
    if lines:
        yield "## Corpora\n"
        yield "| corpus | rows asked for | rows | columns | cells present, % |"
        yield "|---|--:|--:|--:|--:|"
        yield from lines
        yield ""


def _columns(plan: Plan, experiment: str) -> tuple[list[str], list[str]]:
    """Return what is the same in all groups of an experiment, told, and the fields in which they differ."""
    groups = [group for group in plan.groups if group.experiment.name == experiment]
    fields = ("encoder", "corpus", "budget", "suite")
    differ = [name for name in fields if len({getattr(group, name) for group in groups}) > 1]
    return [f"{name} {getattr(groups[0], name)}" for name in fields if name not in differ], differ


def _table(values: Sequence[Value], columns: Sequence[str]) -> Iterator[str]:
    heads = [
        *columns,
        "task",
        "languages",
        "baseline",
        "regime",
        "value",
        "gain [test rows] [seeds]",
        "relative",
        "paper",
        "seeds",
    ]
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for value in values:
        if value.cell["gain"] is None:
            continue
        relative = value.cell["relative"]
        cells = [
            *(str(getattr(value.group, name)) for name in columns),
            f"{value.task} {value.metric}",
            value.languages.replace("eng_Latn", "English"),
            _percent(value.before),
            value.regime,
            _percent(value.cell),
            f"{100 * value.cell['gain']:+.1f}{_interval(value.cell['interval'])}"
            f"{_interval(value.cell['interval_seeds'])}",
            "" if relative is None else f"{100 * relative:+.1f} %",
            _paper(value),
            str(value.n_seeds),
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _by_kind(groups: Sequence[Group], columns: Sequence[str], out: Path) -> Iterator[str]:
    """Yield how bitext mining fares by a kind of language that training saw, or did not; means, no intervals."""
    paths = [(group, out / COMPARISONS / group.name / RESULT) for group in groups]
    found = [
        (group, json.loads(path.read_text(encoding="utf-8")))
        for group, path in paths
        if path.is_file()
    ]
    for kind, kind_of in (("script", codes.script), ("family", codes.family)):
        lines: list[str] = []
        for group, compared in found:
            runs = [run["label"].rpartition(", ")[0] or run["label"] for run in compared["runs"]]
            for block in compared["blocks"]:
                if not (block["headline"] and block["task"].startswith("bitext/")):
                    continue
                values_of: dict[tuple[str, str], list[list[float]]] = {}
                for line in block["languages"]:
                    place = (line["group"], kind_of(line["languages"][0]))
                    values_of.setdefault(place, []).append(
                        [cell["value"] for cell in line["cells"]]
                    )
                for (seen, of_kind), values in sorted(values_of.items()):
                    means = [
                        f"{run} {100 * mean:.1f}"
                        for run, mean in zip(runs, np.mean(values, axis=0), strict=True)
                    ]
                    cells = [
                        *(str(getattr(group, name)) for name in columns),
                        block["task"],
                        seen,
                        of_kind,
                    ]
                    lines.append(f"| {' | '.join(cells)} | {len(values)} | {'; '.join(means)} |")
        if lines:
            heads = [*columns, "task", "languages", kind, "how many", "means, %"]
            yield f"| {' | '.join(heads)} |"
            yield "|" + "---|" * len(heads)
            yield from lines
            yield ""


def _percent(cell: Mapping[str, Any]) -> str:
    return f"{100 * cell['value']:.1f}" + (
        "" if cell["sd"] is None else f" ± {100 * cell['sd']:.1f}"
    )


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f" [{100 * ends[0]:+.1f}, {100 * ends[1]:+.1f}]"


def _paper(value: Value) -> str:
    """Return what the paper found, where the comparison is the one that it made."""
    compared = (value.regime, value.group.experiment.baseline) == ("multiway", "en-x")
    if value.kind is None or not compared or value.languages not in ("seen", "unseen"):
        return ""
    return f"{100 * PAPER[value.kind]:+.1f} %"
