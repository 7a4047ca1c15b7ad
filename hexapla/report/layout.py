"""A comparison -> tables for a terminal and in Markdown, values in percent and gains in points.

A reader wants to know first who wins where, and only then by how certainly: the headline metrics
come first, a line per group of languages, then a block for each with intervals and tests. Other
metrics and single languages are printed when asked for; Markdown has them all. In the terminal a
cell is a few short lines, so that a baseline and five runs fit into 100 columns; runs that do not
fit go into a further table beside the same baseline.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from hexapla.evaluation.metrics import METRICS

if TYPE_CHECKING:
    from rich.console import Console

    from hexapla.report.comparison import Block, Cell, Comparison, Line

_LABEL_WIDTH = 12  # of run labels and group names, before they wrap
_GAP = 2  # between columns
_MARK = " †"  # of tasks that a training corpus holds sentences of


def render(
    comparison: Comparison,
    console: Console,
    *,
    all_metrics: bool = False,
    per_language: bool = False,
) -> None:
    """Print the headline table, the details, and what the signs mean, within the console's width."""
    headers = _headers(comparison)
    if len(comparison.blocks) > 1:
        console.print(Text("Headline metrics, %", style="bold"))
        _print_columns(console, headers, list(_headline_rows(comparison)), leading=0)
    for block in comparison.blocks:
        if not (block.headline or all_metrics):
            continue
        console.print(
            Text.assemble((_title(comparison, block), "bold"), (f"  {_metric(block)}", "bold cyan"))
        )
        rows = [
            [_line_header(line), *(_detail(cell, block) for cell in line.cells)]
            for line in block.lines
        ]
        _print_columns(console, headers, rows, leading=1)
        if per_language and block.headline:
            rows = [
                [_language(line), *(_brief(cell, block, p=True) for cell in line.cells)]
                for line in block.languages
            ]
            _print_columns(console, headers, rows, leading=0)
    hidden = dict.fromkeys(
        METRICS[block.metric].label for block in comparison.blocks if not block.headline
    )
    if hidden and not all_metrics:
        console.print(Text(f"Measured too: {'; '.join(hidden)} (--all-metrics).", style="dim"))
    for sentence in _legend(comparison):
        console.print(Text(sentence, style="dim"))


def _title(comparison: Comparison, block: Block) -> str:
    return f"{block.task} ({block.split}){_MARK if comparison.contaminated(block) else ''}"


def _metric(block: Block) -> str:
    metric = METRICS[block.metric]
    return f"{metric.label}, %{'' if metric.higher_is_better else ', lower is better'}"


def _headers(comparison: Comparison) -> list[Text]:
    whole = (
        run.label.replace(" seeds", "\xa0seeds") for run in comparison.runs
    )  # "3 seeds" stays on one line
    labels = [
        Text("\n".join(textwrap.wrap(label, _LABEL_WIDTH)).replace("\xa0", " ")) for label in whole
    ]
    labels[0].append("\nbaseline", style="dim")
    return [Text(), *labels]


def _headline_rows(comparison: Comparison) -> Iterator[list[Text]]:
    for block in comparison.blocks:
        if block.headline:
            mark = _MARK if comparison.contaminated(block) else ""
            metric = METRICS[block.metric]
            direction = "" if metric.higher_is_better else ", lower is better"
            heading = Text.assemble(
                (f"{block.task}{mark}", "bold"),
                (f"\n{metric.label}, {block.split}{direction}", "cyan"),
            )
            yield [heading, *(Text() for _ in comparison.runs)]
            for line in block.lines:
                yield [Text(f"  {line.group}"), *(_brief(cell, block) for cell in line.cells)]


def _print_columns(
    console: Console, headers: Sequence[Text], rows: Sequence[Sequence[Text]], *, leading: int
) -> None:
    """Print a table, or several with the first two columns repeated when all the columns do not fit side by side."""
    widths = [max(_width(cell) for cell in column) for column in zip(headers, *rows, strict=True)]
    for shown in _fitting(widths, console.width):
        table = Table(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            leading=leading,
        )
        for number in shown:
            table.add_column(
                headers[number], justify="right" if number else "left", vertical="top", no_wrap=True
            )
        for row in rows:
            table.add_row(*(row[number] for number in shown))
        console.print(table)
        console.print()


def _fitting(widths: Sequence[int], available: int) -> Iterator[list[int]]:
    """Deal columns out to as few tables as hold them in order; the first two columns are in each.

    >>> list(_fitting([10, 5, 8, 8, 8], 40))
    [[0, 1, 2, 3], [0, 1, 4]]
    """
    fixed = [0, 1]
    shown = list(fixed)
    for number in range(2, len(widths)):
        width = sum(widths[column] for column in (*shown, number)) + _GAP * len(shown)
        if width > available and len(shown) > len(fixed):
            yield shown
            shown = list(fixed)
        shown.append(number)
    yield shown


def _width(text: Text) -> int:
    return max(cell_len(line) for line in text.plain.split("\n"))


def _line_header(line: Line) -> Text:
    group = "\n".join(textwrap.wrap(line.group, _LABEL_WIDTH))
    return Text.assemble((group, "bold"), (f"\n{_size(line)}\n{_items(line)}", "dim"))


def _items(line: Line) -> str:
    fewest, most = line.n_items
    return f"{fewest} items" if fewest == most else f"{fewest}-{most} items"


def _size(line: Line) -> str:
    """Count what is averaged: languages, or pairs where neither language is English."""
    noun = "pair" if any("-" in unit for unit in line.languages) else "language"
    return f"{len(line.languages)} {noun}{'' if len(line.languages) == 1 else 's'}"


def _language(line: Line) -> Text:
    return Text.assemble(*line.languages, (f"  {line.group}", "dim"))


def _brief(cell: Cell, block: Block, *, p: bool = False) -> Text:
    if cell.gain is None:
        return Text(_percent(cell.value))
    after = f"{_p(cell.p_rows):>8}" if p else ""
    return Text.assemble(
        _percent(cell.value), " ", (f"{_gain(cell):>6}", _style(cell, block)), (after, "dim")
    )


def _detail(cell: Cell, block: Block) -> Text:
    value = (_percent(cell.value), "bold"), (_sd(cell), "dim")
    if cell.gain is None:
        return Text.assemble(*value)
    gain = f"\n{_gain(cell)} {_relative(cell)}"
    sure = "".join(f"\n{part}" for part in _certainty(cell))
    return Text.assemble(*value, (gain, _style(cell, block)), (sure, "dim"))


def _style(cell: Cell, block: Block) -> str:
    if not cell.significant or cell.gain is None:
        return "dim"
    return "green" if (cell.gain > 0) == METRICS[block.metric].higher_is_better else "red"


def _percent(value: float) -> str:
    return f"{100 * value:z.1f}"


def _gain(cell: Cell) -> str:
    """Write the gain in points; a blank stands where the star would, so that numbers line up."""
    return "" if cell.gain is None else f"{100 * cell.gain:+z.1f}{'*' if cell.significant else ' '}"


def _relative(cell: Cell) -> str:
    """Write the relative gain, without decimals from 100 % on, where they would only take room."""
    if cell.relative is None:
        return "-"
    return f"{100 * cell.relative:+z.{1 if abs(cell.relative) < 1 else 0}f}%"


def _interval(cell: Cell) -> str:
    return (
        f"[{_percent(cell.interval[0])}, {_percent(cell.interval[1])}]"
        if cell.interval
        else "no interval"
    )


def _certainty(cell: Cell) -> list[str]:
    """Write the interval, and the p over items and over seeds where there is one."""
    parts = [_interval(cell)]
    if cell.p_rows is not None:
        parts.append(_p(cell.p_rows))
    if cell.p_seeds is not None:
        parts.append(f"seeds {_p(cell.p_seeds)}")
    return parts


def _p(p: float | None) -> str:
    """Write a p to three places.

    >>> _p(0.0004), _p(0.25)
    ('p<0.001', 'p=0.250')
    """
    return "" if p is None else "p<0.001" if p < 0.001 else f"p={p:.3f}"


def _sd(cell: Cell) -> str:
    return "" if cell.sd is None else f" ±{_percent(cell.sd)}"


def _legend(comparison: Comparison) -> Iterator[str]:
    baseline = comparison.runs[0].label
    yield (
        "Values: percent, averaged per language (both directions of retrieval), then over the languages of the line. "
        f"Beside or below: gain over {baseline} in points, in percent of its value, and [95 % interval] in points; "
        "* where the interval excludes 0."
    )
    yield (
        f"Intervals: paired bootstrap over items, {comparison.n_resamples} resamples, seed {comparison.seed}. They "
        "cover the choice of test items, not that of languages or of training seeds, and each stands for itself."
    )
    yield (
        f"p: paired permutation test over items, two-sided, {comparison.n_resamples} draws: an item's values are "
        "swapped with the baseline's in all languages and seeds at once. Not corrected for the number of tests."
    )
    n_seeds = max(len(run.seeds) for run in comparison.runs)
    if n_seeds > 1:
        yield (
            "Columns of several seeds: mean ± standard deviation over the seeds. seeds p: sign-flip test over the "
            f"seeds that both have, two-sided; with {n_seeds} seeds it cannot be below {2 / 2**n_seeds:g}."
        )
    yield from _budget(comparison)
    if comparison.contamination:
        yield f"{_MARK.strip()} Sentences of this task stand in a training corpus; see the notes."
    yield from (f"Note: {note}." for note in comparison.notes)


def _budget(comparison: Comparison) -> Iterator[str]:
    """Name the budgets, and what each training took."""
    known = [run for run in comparison.runs if run.budget is not None]
    if known:
        took = "; ".join(
            f"{run.label} saw {run.n_rows_seen:,} rows and encoded {run.n_encodings:,} sentences"
            for run in known
        )
        yield f"Budget: {', '.join(dict.fromkeys(run.budget or '' for run in known))}. {took}."


def to_markdown(comparison: Comparison) -> str:
    """Write the headline table, every block, and what the signs mean."""
    parts = ["# Comparison", ""]
    if len(comparison.blocks) > 1:
        parts += ["## Headline metrics, %", "", *_markdown_head(comparison, "task", "languages")]
        for block in comparison.blocks:
            if block.headline:
                heading = f"{_title(comparison, block)} {_metric(block).replace(', %', '')}"
                parts += [
                    _row(heading, line.group, *map(_flat, line.cells)) for line in block.lines
                ]
        parts.append("")
    for block in comparison.blocks:
        title = f"{_title(comparison, block)}: {_metric(block)}"
        parts += [f"## {title}", "", *_markdown_head(comparison, "languages")]
        for line in block.lines:
            header = f"{line.group}: {_size(line)}, {_items(line)}"
            parts.append(_row(header, *(_flat(cell, whole=True) for cell in line.cells)))
        parts.append("")
        if block.headline:
            parts += [
                f"### {title}, by language",
                "",
                *_markdown_head(comparison, "language", "group"),
            ]
            for line in block.languages:
                parts.append(
                    _row(
                        *line.languages,
                        line.group,
                        *(_flat(cell, whole=True) for cell in line.cells),
                    )
                )
            parts.append("")
    return "\n".join([*parts, *(f"{sentence}\n" for sentence in _legend(comparison))])


def _markdown_head(comparison: Comparison, *headers: str) -> list[str]:
    labels = [run.label for run in comparison.runs]
    labels[0] += " (baseline)"
    return [_row(*headers, *labels), "|" + "---|" * len(headers) + "---:|" * len(labels)]


def _flat(cell: Cell, *, whole: bool = False) -> str:
    parts = [_percent(cell.value) + (_sd(cell) if whole else "")]
    if cell.gain is not None:
        parts.append(_gain(cell))
        if whole:
            parts += [_relative(cell), *_certainty(cell)]
    return " ".join(part.strip() for part in parts)


def _row(*cells: str) -> str:
    """Join a row, with what Markdown would read as its own signs escaped."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("*", "\\*") for cell in cells) + " |"
