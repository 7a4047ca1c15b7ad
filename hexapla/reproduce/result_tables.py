"""The values of all comparisons as Markdown: `results.md`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.reader import open_corpus
from hexapla.report.headline import PAPER
from hexapla.reproduce.content_keys import build_key
from hexapla.reproduce.experiments import Experiment
from hexapla.reproduce.matrix import CellGroup
from hexapla.reproduce.matrix_plan import MatrixPlan
from hexapla.reproduce.matrix_values import MatrixValue, read_comparison
from hexapla.reproduce.result_folder import BUILT, CORPORA, FIGURES, keyed_folder
from hexapla.text import languages as codes
from hexapla.text.printable import markdown, markdown_row

_PREAMBLE = (
    "Percent; mean ± standard deviation over training seeds. Gains are over the baseline, in "
    "points, with two 95 % intervals: over test rows (paired bootstrap) and over training seeds "
    "(Student's t over paired gains). `relative` is the gain as a share of the baseline's value; "
    "the paper's is of its own encoders and data.\n"
)


def results_to_markdown(
    plan: MatrixPlan,
    out: Path,
    values: Sequence[MatrixValue],
    missing: Mapping[str, Sequence[str]],
    figures: Mapping[str, Sequence[str]],
) -> str:
    """Return the content of `results.md`.

    Args:
        plan: The plan.
        out: The result folder.
        values: Values of all comparisons.
        missing: What is missing and why, by the name of the group.
        figures: Names of the figures' files, by experiment.
    """
    lines = [f"# {markdown(plan.recipe.title)}\n", _PREAMBLE]
    for experiment in plan.recipe.experiments:
        drawn = figures.get(experiment.name, ())
        lines += _experiment_section(plan, out, experiment, values, missing, drawn)
    return "\n".join([*lines, *_corpora_table(plan, out)])


def _experiment_section(
    plan: MatrixPlan,
    out: Path,
    experiment: Experiment,
    values: Sequence[MatrixValue],
    missing: Mapping[str, Sequence[str]],
    figures: Sequence[str],
) -> Iterator[str]:
    groups = [group for group in plan.groups if group.experiment.name == experiment.name]
    same, columns = _columns(groups)
    title = markdown(experiment.name)
    yield f"## {title}\n"
    yield f"Baseline {markdown(experiment.baseline)}; {markdown('; '.join(same))}.\n"
    yield from (f"![{title}]({FIGURES}/{quote(name)})\n" for name in figures)
    of_experiment = [value for value in values if value.group.experiment.name == experiment.name]
    yield from _value_table(of_experiment, columns)
    for kind, kind_of in (("script", codes.script), ("family", codes.family)):
        yield from _kind_table(groups, columns, out, kind, kind_of)
    reasons = dict.fromkeys(reason for group in groups for reason in missing[group.name])
    yield from (f"- {markdown(reason)}" for reason in reasons)
    yield ""


def _columns(groups: Sequence[CellGroup]) -> tuple[list[str], list[str]]:
    """Return what is the same in all groups, as text, and the fields in which they differ."""
    fields = ("encoder", "corpus", "budget", "suite")
    differ = [name for name in fields if len({getattr(group, name) for group in groups}) > 1]
    same = [f"{name} {getattr(groups[0], name)}" for name in fields if name not in differ]
    return same, differ


def _value_table(values: Sequence[MatrixValue], columns: Sequence[str]) -> Iterator[str]:
    head = (
        "task",
        "languages",
        "baseline",
        "regime",
        "value",
        "gain [test rows] [seeds]",
        "relative",
        "paper",
        "seeds",
    )
    yield from _table_head(*columns, *head)
    for value in values:
        if value.cell["gain"] is None:
            continue
        relative = value.cell["relative"]
        yield markdown_row(
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
        )
    yield ""


def _kind_table(
    groups: Sequence[CellGroup],
    columns: Sequence[str],
    out: Path,
    kind: str,
    kind_of: Callable[[str], str],
) -> Iterator[str]:
    """Yield means of bitext mining by a kind of language, seen and unseen apart; no intervals."""
    rows = []
    for group in groups:
        compared = read_comparison(group, out)
        if compared is None:
            continue
        runs = [run["label"].rpartition(", ")[0] or run["label"] for run in compared["runs"]]
        for block in compared["blocks"]:
            if not (block["headline"] and block["task"].startswith("bitext/")):
                continue
            for (seen, of_kind), values in _by_kind(block, kind_of):
                means = [
                    f"{run} {100 * mean:.1f}"
                    for run, mean in zip(runs, np.mean(values, axis=0), strict=True)
                ]
                cells = (str(getattr(group, name)) for name in columns)
                place = (block["task"], seen, of_kind, str(len(values)))
                rows.append(markdown_row(*cells, *place, "; ".join(means)))
    if rows:
        yield from _table_head(*columns, "task", "languages", kind, "how many", "means, %")
        yield from rows
        yield ""


def _by_kind(
    block: Mapping[str, Any], kind_of: Callable[[str], str]
) -> list[tuple[tuple[str, str], list[list[float]]]]:
    """Return the values of each language's runs, by seen or unseen and by kind, sorted."""
    values: dict[tuple[str, str], list[list[float]]] = {}
    for line in block["languages"]:
        place = (line["group"], kind_of(line["languages"][0]))
        values.setdefault(place, []).append([cell["value"] for cell in line["cells"]])
    return sorted(values.items())


def _corpora_table(plan: MatrixPlan, out: Path) -> Iterator[str]:
    """Yield the sizes of the corpora that were made: filters and damage leave less than asked."""
    rows = []
    for name, size in plan.sizes.items():
        folders = [keyed_folder(out / CORPORA, name, plan.keys.corpora[name])]
        if (build := plan.recipe.corpora[name].build) is not None:
            # Where a corpus is a whole build, it has no folder of its own.
            folders.append(keyed_folder(out / CORPORA, BUILT, build_key(build)))
        folder = next((folder for folder in folders if (folder / MANIFEST).is_file()), None)
        if folder is not None:
            corpus = open_corpus(folder)
            n_columns = len(corpus.languages)
            n_cells = sum(
                cell is not None for code in corpus.languages for cell in corpus.cells(code)
            )
            share = 100 * n_cells / (len(corpus) * n_columns)
            counts = (f"{size.n_rows:,}", f"{len(corpus):,}", str(n_columns), f"{share:.1f}")
            rows.append(markdown_row(name, *counts))
    if rows:
        yield "## Corpora\n"
        yield markdown_row("corpus", "rows asked for", "rows", "columns", "cells present, %")
        yield "|---|--:|--:|--:|--:|"
        yield from rows
        yield ""


def _table_head(*cells: str) -> list[str]:
    return [markdown_row(*cells), "|" + "---|" * len(cells)]


def _percent(cell: Mapping[str, Any]) -> str:
    sd = "" if cell["sd"] is None else f" ± {100 * cell['sd']:.1f}"
    return f"{100 * cell['value']:.1f}{sd}"


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f" [{100 * ends[0]:+.1f}, {100 * ends[1]:+.1f}]"


def _paper(value: MatrixValue) -> str:
    """Return the paper's relative gain, where the comparison is one that it made."""
    compared = (value.regime, value.group.experiment.baseline)
    if value.kind is None or compared != ("multiway", "en-x"):
        return ""
    return f"{100 * PAPER[value.kind]:+.1f} %" if value.languages in ("seen", "unseen") else ""
