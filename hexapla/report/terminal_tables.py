"""A comparison -> tables for a terminal, values in percent and gains in points.

A reader asks first which run wins where, and only then how certain that is: the headline metrics
come first, one line for each group of languages, then a table for each metric with intervals and
tests. Other metrics and single languages are printed on request. A cell is a few short lines, so
that a baseline and five runs fit into 100 columns; runs that do not fit go into another table
beside the same baseline.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hexapla.evaluation.metrics import METRICS
from hexapla.report.comparison import Block, Comparison, Line, TableCell
from hexapla.report.legend import (
    block_title,
    contamination_mark,
    legend,
    metric_direction,
    metric_title,
)
from hexapla.report.number_format import (
    count_items,
    count_languages,
    format_certainty,
    format_gain,
    format_p,
    format_percent,
    format_relative,
    format_sd,
)
from hexapla.text.printable import printable_all

# Run labels and group names wrap at this width, and end after so many lines.
_LABEL_WIDTH = 12
_LABEL_LINES = 12
_COLUMN_GAP = 2


def render_comparison(
    comparison: Comparison,
    console: Console,
    *,
    all_metrics: bool = False,
    per_language: bool = False,
) -> None:
    """Print the headline table, the details and a legend, within the console's width.

    Args:
        comparison: Its blocks are printed in their order.
        console: Where to print.
        all_metrics: Also print the details of metrics other than the headline ones.
        per_language: Also print a line for each language, below its task.
    """
    comparison = printable_all(comparison)  # names come from data
    headers = _headers(comparison)
    if len(comparison.blocks) > 1:
        console.print(Text("Headline metrics, %", style="bold"))
        _print_columns(console, headers, list(_headline_rows(comparison)), leading=0)
    for block in comparison.blocks:
        if block.headline or all_metrics:
            title = block_title(comparison, block)
            metric = metric_title(block)
            console.print(Text.assemble((title, "bold"), (f"  {metric}", "bold cyan")))
            _print_columns(console, headers, _detail_rows(block), leading=1)
            if per_language and block.headline:
                _print_columns(console, headers, _language_rows(block), leading=0)
    hidden = dict.fromkeys(
        METRICS[block.metric].label for block in comparison.blocks if not block.headline
    )
    if hidden and not all_metrics:
        console.print(Text(f"Also measured: {'; '.join(hidden)} (--all-metrics).", style="dim"))
    for sentence in legend(comparison):
        console.print(Text(sentence, style="dim"))


def _headers(comparison: Comparison) -> list[Text]:
    # A no-break space keeps "3 seeds" on one line.
    whole = (run.label.replace(" seeds", "\xa0seeds") for run in comparison.runs)
    wrapped = (
        textwrap.wrap(label, _LABEL_WIDTH, max_lines=_LABEL_LINES, placeholder="…")
        for label in whole
    )
    labels = [Text("\n".join(lines).replace("\xa0", " ")) for lines in wrapped]
    labels[0].append("\nbaseline", style="dim")
    return [Text(), *labels]


def _headline_rows(comparison: Comparison) -> Iterator[list[Text]]:
    for block in comparison.blocks:
        if block.headline:
            task = f"{block.task}{contamination_mark(comparison, block)}"
            metric = f"\n{METRICS[block.metric].label}, {block.split}{metric_direction(block)}"
            heading = Text.assemble((task, "bold"), (metric, "cyan"))
            yield [heading, *(Text() for _ in comparison.runs)]
            for line in block.lines:
                yield [Text(f"  {line.group}"), *(_brief(cell, block) for cell in line.cells)]


def _detail_rows(block: Block) -> list[list[Text]]:
    return [
        [_line_header(line), *(_detail(cell, block) for cell in line.cells)] for line in block.lines
    ]


def _language_rows(block: Block) -> list[list[Text]]:
    return [
        [
            Text.assemble(*line.languages, (f"  {line.group}", "dim")),
            *(_brief(cell, block, p=True) for cell in line.cells),
        ]
        for line in block.languages
    ]


def _print_columns(
    console: Console, headers: Sequence[Text], rows: Sequence[Sequence[Text]], *, leading: int
) -> None:
    """Print a table; columns that do not fit go into further tables beside the first two."""
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
    """Divide columns among as few tables as possible, in order; each table has the first two.

    >>> list(_fitting([10, 5, 8, 8, 8], 40))
    [[0, 1, 2, 3], [0, 1, 4]]
    """
    fixed = [0, 1]
    shown = list(fixed)
    for number in range(2, len(widths)):
        width = sum(widths[column] for column in (*shown, number)) + _COLUMN_GAP * len(shown)
        if width > available and len(shown) > len(fixed):
            yield shown
            shown = list(fixed)
        shown.append(number)
    yield shown


def _width(text: Text) -> int:
    return max(cell_len(line) for line in text.plain.split("\n"))


def _line_header(line: Line) -> Text:
    group = "\n".join(textwrap.wrap(line.group, _LABEL_WIDTH))
    size = f"\n{count_languages(line)}\n{count_items(line)}"
    return Text.assemble((group, "bold"), (size, "dim"))


def _brief(cell: TableCell, block: Block, *, p: bool = False) -> Text:
    """Write a cell on one line: value and gain, with `p` also the p over test rows."""
    if cell.gain is None:
        return Text(format_percent(cell.value))
    after = f"{format_p(cell.p_rows):>8}" if p else ""
    return Text.assemble(
        format_percent(cell.value),
        " ",
        (f"{format_gain(cell):>6}", _style(cell, block)),
        (after, "dim"),
    )


def _detail(cell: TableCell, block: Block) -> Text:
    """Write a cell on several lines: value, gain, interval, tests."""
    value = (format_percent(cell.value), "bold"), (format_sd(cell), "dim")
    if cell.gain is None:
        return Text.assemble(*value)
    gain = f"\n{format_gain(cell)} {format_relative(cell)}"
    certainty = "".join(f"\n{part}" for part in format_certainty(cell))
    return Text.assemble(*value, (gain, _style(cell, block)), (certainty, "dim"))


def _style(cell: TableCell, block: Block) -> str:
    """Return green for a significant improvement, red for a significant loss, else dim."""
    if not cell.significant or cell.gain is None:
        return "dim"
    return "green" if (cell.gain > 0) == METRICS[block.metric].higher_is_better else "red"
