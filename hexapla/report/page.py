"""Score folders -> one HTML page that needs nothing else, its charts as files, Markdown and `model-index` metadata.

The page is for people who would rather look than read: what was compared, what was gained, per
language, before and after. All text that comes from data goes through Jinja's escaping or, in
scripts, through JSON with `<` escaped.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from hexapla.errors import InputError
from hexapla.evaluation.metrics import METRICS
from hexapla.evaluation.scores import Score, read_scores
from hexapla.report import charts
from hexapla.report.charts import Figure, language_name
from hexapla.report.comparison import Block, Comparison
from hexapla.report.config import ReportConfig
from hexapla.report.headline import as_the_paper, headline, summary
from hexapla.report.maps import Examples, changed_neighbours, project, read_examples
from hexapla.report.measure import unit_of
from hexapla.report.model_index import model_index, write_card
from hexapla.report.stage import compare
from hexapla.runs.atomic import write_text
from hexapla.runs.record import read_record

PAGE = "report.html"
_MOST_MAPS = 4  # panels; t-SNE takes seconds each


def report(config: ReportConfig) -> Path:
    """Compare, and write `report.html`, `charts/`, `summary.md` and `model-index/` beside the comparison.

    Returns:
        The path of the page.

    Raises:
        InputError: What `compare` refuses; no folder given; a card of an encoder that no run is of;
            libraries that are not installed.
    """
    try:
        import altair  # noqa: F401
        import jinja2  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        message = f"the page needs the library {error.name}; install it with: pip install 'hexapla[report]'"
        raise InputError(message) from None
    out = config.compare.out
    if out is None:
        raise InputError("no folder to write the page into; give one (--out)")
    card = None if config.card is None else _index_of_card(config.card, config.compare.scores)
    beside = {str(path): read_examples(path) for path in config.compare.scores}
    comparison = compare(config.compare)
    scores = {path: read_scores(path) for run in comparison.runs for path in run.scores}
    firsts = [(beside[run.scores[0]], run.label) for run in comparison.runs]
    examples = _same_sentences(
        [dataclasses.replace(one, run=label) for one, label in firsts if one]
    )
    figures = [figure for figure in _figures(comparison, scores, examples) if figure]
    if config.images:
        (out / "charts").mkdir(exist_ok=True)
        for figure in figures:
            for ending in ("svg", "png"):
                figure.chart.save(
                    str(out / "charts" / f"{figure.name}.{ending}"),
                    scale_factor=2 if ending == "png" else 1,
                )
    (out / "model-index").mkdir(exist_ok=True)
    for label, path in _labelled(comparison):
        name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in label)
        write_text(out / "model-index" / f"{name}.yaml", model_index(label, scores[path]))
    write_text(out / "summary.md", summary(comparison))
    write_text(out / PAGE, _render(config, comparison, scores, figures, examples))
    if config.card is not None and card is not None:
        write_card(config.card, card)
    return out / PAGE


def _index_of_card(encoder: Path, paths: Sequence[Path]) -> str:
    """Return the `model-index` of the scores that are of an encoder's weights."""
    from hexapla.encoder.locate import describe

    sha = describe(encoder).sha256
    for path in paths:
        scores = read_scores(path)
        if scores[0].encoder_sha == sha:
            return model_index(encoder.resolve().name, scores)
    raise InputError(
        f"none of the scores is of {encoder}, as its weights are now; evaluate it, and give those scores too"
    )


def _same_sentences(examples: Sequence[Examples]) -> list[Examples]:
    """Return the examples that are of the same sentences as the first ones."""
    return [
        one
        for one in examples
        if (one.items, one.languages) == (examples[0].items, examples[0].languages)
    ]


def _labelled(comparison: Comparison) -> list[tuple[str, str]]:
    """Return every score folder with a label of its own: of several seeds, which one it is."""
    return [
        (run.label if len(run.scores) == 1 else f"{run.label}, seed {seed}", path)
        for run in comparison.runs
        for seed, path in zip(run.seeds or range(len(run.scores)), run.scores, strict=True)
    ]


def _figures(
    comparison: Comparison, scores: Mapping[str, Sequence[Score]], examples: Sequence[Examples]
) -> list[Figure | None]:
    runs = {run.label: [scores[path] for path in run.scores] for run in comparison.runs}
    curves = {
        label: training
        for label, path in _labelled(comparison)
        if (training := read_record(Path(path)).get("encoder", {}).get("training"))
    }
    return [
        charts.gains_per_language(comparison),
        charts.heat_map(*_accuracies(runs)),
        charts.sentence_map([project(one) for one in examples[:_MOST_MAPS]]),
        charts.training_curves(curves),
    ]


def _accuracies(
    runs: Mapping[str, Sequence[Sequence[Score]]],
) -> tuple[dict[str, dict[tuple[str, str], float]], dict[str, bool]]:
    """Return the accuracies of the bitext task with the most pairs, mean over seeds, and which languages were seen."""
    found: dict[str, dict[str, dict[tuple[str, str], list[float]]]] = {}
    seen: dict[str, bool] = {}
    for run, seeds in runs.items():
        for score in (score for scores in seeds for score in scores):
            source, _, target = score.languages.partition("-")
            if score.task.startswith("bitext/") and score.metric == "accuracy":
                found.setdefault(score.task, {}).setdefault(run, {}).setdefault(
                    (source, target), []
                ).append(score.value)
            if not target and score.seen is not None:
                seen[source] = score.seen
    if not found:
        return {}, seen
    task = max(found, key=lambda name: len(next(iter(found[name].values()))))
    means = {
        run: {pair: float(np.mean(values)) for pair, values in of_run.items()}
        for run, of_run in found[task].items()
    }
    return means, seen


def _render(
    config: ReportConfig,
    comparison: Comparison,
    scores: Mapping[str, Sequence[Score]],
    figures: Sequence[Figure],
    examples: Sequence[Examples],
) -> str:
    import vl_convert
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = resources.files("hexapla.report") / "page"
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(points=_points, percent=_percent, language=language_name)
    environment.filters["json"] = lambda value: Markup(_json(value))
    files = {
        path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()
    }
    # In a script the bundle may hold no end tag; it has none, and a version that had would break
    # the page silently.
    bundle = vl_convert.javascript_bundle(None).replace("</script", "<\\/script")  # type: ignore[arg-type]
    return environment.from_string(files["page.html.jinja"]).render(
        title=config.title,
        comparison=comparison,
        headline=headline(comparison),
        as_the_paper=as_the_paper(comparison),
        figures=figures,
        specs={figure.name: figure.chart.to_dict() for figure in figures},
        table=_table(comparison, scores),
        neighbours=[_neighbours(examples[0], one) for one in examples[1:]],
        has_examples=bool(examples),
        has_pairs=any(figure.name == "language-to-language" for figure in figures),
        css=Markup(files["page.css"]),
        script=Markup(files["page.js"]),
        bundle=Markup(bundle),
    )


def _json(value: object) -> str:
    """Write JSON that can stand in a script: `<` could end it, and two separators of lines are none in JSON."""
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str
    )
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _points(value: float | None) -> str:
    return "" if value is None else f"{100 * value:+z.1f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:z.1f}"


def _table(comparison: Comparison, scores: Mapping[str, Sequence[Score]]) -> dict[str, Any]:
    """Return every number of the comparison for the page's table, and the signature of each.

    A signature's end (encoder, software) is the same for most scores of a run, and is kept once.
    """
    signatures = _Signatures([score for of_run in scores.values() for score in of_run])
    rows = []
    for block in comparison.blocks:
        for whole, lines in ((True, block.lines), (False, block.languages)):
            for line in lines:
                several = f"mean of {len(line.languages)} {'pairs' if '-' in line.languages[0] else 'languages'}"
                rows.append(
                    {
                        "task": block.task,
                        "split": block.split,
                        "metric": block.metric,
                        "lower": not METRICS[block.metric].higher_is_better,
                        "headline": block.headline,
                        "whole": whole,
                        "group": line.group,
                        "what": several
                        if len(line.languages) > 1
                        else language_name(line.languages[0]),
                        "n": list(line.n_items),
                        "cells": [_cell(cell) for cell in map(dataclasses.asdict, line.cells)],
                        "signatures": signatures.of(block, line.languages) if not whole else [],
                    }
                )
    return {"runs": [run.label for run in comparison.runs], "rows": rows, "ends": signatures.ends}


def _cell(cell: Mapping[str, Any]) -> list[float | None]:
    """Return value, gain, low, high, p over rows, p over seeds and spread, rounded for the page."""
    low, high = cell["interval"] or (None, None)
    given = (cell["value"], cell["gain"], low, high, cell["p_rows"], cell["p_seeds"], cell["sd"])
    return [None if value is None else round(float(value), 5) for value in given]


class _Signatures:
    """The signatures of all scores, by what they are of: `[start, number of the end]`."""

    def __init__(self, scores: Sequence[Score]) -> None:
        self.ends: list[str] = []
        self._found: dict[tuple[str, str, str, str], list[list[object]]] = {}
        for score in scores:
            start, mark, end = score.signature.partition("|max_tokens:")
            end = mark + end
            if end not in self.ends:
                self.ends.append(end)
            key = (score.task, score.split, score.metric, unit_of(score.languages))
            self._found.setdefault(key, []).append([start, self.ends.index(end)])

    def of(self, block: Block, units: Sequence[str]) -> list[list[object]]:
        """Return those behind one line of one language."""
        return [
            one
            for unit in units
            for one in self._found.get((block.task, block.split, block.metric, unit), [])
        ]


def _neighbours(before: Examples, after: Examples) -> dict[str, Any]:
    """Return sentences whose nearest neighbour changed, for the page."""

    def told(index: int) -> dict[str, str]:
        return {"text": before.texts[index], "language": before.languages[index]}

    mended, lost, n_mended, n_lost = changed_neighbours(before, after)
    return {
        "before": before.run,
        "after": after.run,
        "n": len(before.texts),
        "n_mended": n_mended,
        "n_lost": n_lost,
        **{
            name: [
                {
                    "query": told(one.query),
                    "before": told(one.before),
                    "after": told(one.after),
                    "cosine_before": one.cosine_before,
                    "cosine_after": one.cosine_after,
                }
                for one in found
            ]
            for name, found in (("mended", mended), ("lost", lost))
        },
    }
