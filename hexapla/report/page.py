"""Score folders -> an HTML page in one file, its charts as images, Markdown and `model-index`.

The page is for readers who would rather look than read: what was compared, and what was gained, in
each language, before and after.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from hexapla.errors import InputError
from hexapla.evaluation.scores import Score
from hexapla.report.accuracy_chart import accuracy_chart
from hexapla.report.charts import Figure, chart_image
from hexapla.report.comparison import Comparison
from hexapla.report.config import ReportConfig
from hexapla.report.gain_chart import gain_chart
from hexapla.report.map_chart import map_chart
from hexapla.report.maps import Examples, project, read_examples
from hexapla.report.model_index import check_has_card, model_index, put_scores_into_card
from hexapla.report.page_html import PageContent, page_html
from hexapla.report.seeds import RunColumn
from hexapla.report.stage import compare_columns, hold_comparison, read_columns, write_comparison
from hexapla.report.summary import summary_markdown
from hexapla.report.training import read_curves
from hexapla.report.training_chart import training_chart
from hexapla.runs.record import check_apart

PAGE = "report.html"
_LIBRARIES = ("altair", "jinja2", "vl_convert")
# Panels of the map; t-SNE takes seconds for each.
_MAX_MAPS = 4
# Bytes of a file's name without its ending; file systems allow 255 with all that is added.
_MAX_NAME = 150


def report(config: ReportConfig, *, quiet: bool = False) -> Path:
    """Compare, and write a page, images of its charts, a summary and model-card metadata.

    `report.html`, `charts/`, `summary.md` and `model-index/` are put beside the comparison.

    Args:
        config: Settings.
        quiet: Show no progress of the evaluation of encoders.

    Returns:
        The path of the page.

    Raises:
        InputError: The runs cannot be read or compared, the output folder is not empty, no run has
            the weights of the encoder whose card was given, or a library is missing.
    """
    _check_libraries()
    if config.card is not None:
        check_has_card(config.card)
        check_apart(cast(Path, config.compare.out), {"encoder of the card": config.card})
    with hold_comparison(config.compare):
        return _report(config, quiet=quiet)


def _report(config: ReportConfig, *, quiet: bool) -> Path:
    """Write a report into a folder that is locked and checked."""
    columns, notes = read_columns(config.compare, quiet=quiet)
    if len(columns) == 1:
        raise InputError(
            f"{columns[0].label} stands alone, and a page shows gains; give a baseline too"
        )
    scores = {str(run.path): list(run.scores.values()) for column in columns for run in column.runs}
    card = None if config.card is None else _index_of_encoder(config.card, scores.values())
    examples = _read_examples(columns)
    comparison = compare_columns(columns, notes, config.compare)
    figures = _draw_figures(comparison, scores, examples)
    printed = {one.name: chart_image(one.chart, "png", scale_factor=2) for one in figures}
    content = PageContent(
        title=config.title,
        comparison=comparison,
        scores=scores,
        figures=figures,
        examples=examples,
        printed=printed,
    )
    # All is drawn before anything is written, so that no half of a report is left.
    files = {
        **(_images(figures, printed) if config.images else {}),
        **_model_indexes(comparison, scores),
        "summary.md": summary_markdown(comparison),
        PAGE: page_html(content),
    }
    write_comparison(comparison, config.compare, files)
    if config.card is not None and card is not None:
        put_scores_into_card(config.card, card)
    return cast(Path, config.compare.out) / PAGE  # ReportConfig refuses None


def _check_libraries() -> None:
    for name in _LIBRARIES:
        if find_spec(name) is None:
            raise InputError(
                f"the page needs the library {name}; install it with: pip install 'hexapla[report]'"
            )


def _index_of_encoder(encoder: Path, scores: Iterable[Sequence[Score]]) -> str:
    """Return the `model-index` of the scores that were measured with an encoder's weights."""
    from hexapla.encoder.locate import describe

    sha = describe(encoder).sha256
    for of_run in scores:
        if of_run[0].encoder_sha == sha:
            return model_index(encoder.resolve().name, of_run)
    raise InputError(
        f"none of the scores is of {encoder} with its present weights; evaluate it, and give those "
        "scores too"
    )


def _read_examples(columns: Sequence[RunColumn]) -> list[Examples]:
    """Return the example sentences of each column's first run, if they are the baseline's."""
    read = {run.path: read_examples(run.path) for column in columns for run in column.runs}
    firsts = [
        dataclasses.replace(examples, run=column.label)
        for column in columns
        if (examples := read[column.runs[0].path]) is not None
    ]
    return [
        one
        for one in firsts
        if (one.items, one.languages) == (firsts[0].items, firsts[0].languages)
    ]


def _label_paths(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Yield a distinct label and the path of every run; with several seeds it names the seed."""
    for run in comparison.runs:
        seeds = run.seeds or range(len(run.scores))
        for seed, path in zip(seeds, run.scores, strict=True):
            yield run.label if len(run.scores) == 1 else f"{run.label}, seed {seed}", path


def _draw_figures(
    comparison: Comparison, scores: Mapping[str, Sequence[Score]], examples: Sequence[Examples]
) -> list[Figure]:
    runs = {run.label: [scores[path] for path in run.scores] for run in comparison.runs}
    curves = {
        label: training
        for label, path in _label_paths(comparison)
        if (training := read_curves(Path(path)))
    }
    figures = (
        gain_chart(comparison),
        accuracy_chart(runs),
        map_chart([project(one) for one in examples[:_MAX_MAPS]]),
        training_chart(curves),
    )
    return [figure for figure in figures if figure is not None]


def _images(figures: Sequence[Figure], printed: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the images of the charts by their paths in the folder."""
    images = {}
    for figure in figures:
        images[f"charts/{figure.name}.svg"] = chart_image(figure.chart, "svg")
        images[f"charts/{figure.name}.png"] = printed[figure.name]
    return images


def _model_indexes(comparison: Comparison, scores: Mapping[str, Sequence[Score]]) -> dict[str, str]:
    """Return the `model-index` of each run by its path in the folder."""
    indexes: dict[str, str] = {}
    for label, path in _label_paths(comparison):
        name = stem = _file_name(label)
        for number in itertools.count(2):
            if f"model-index/{name}.yaml" not in indexes:
                break
            name = f"{stem}-{number}"
        indexes[f"model-index/{name}.yaml"] = model_index(label, scores[path])
    return indexes


def _file_name(label: str) -> str:
    """Return a name for a file that every file system and shell can bear."""
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in label)
    short = name.encode()[:_MAX_NAME].decode(errors="ignore").lstrip(".-")
    return short or "run"
