"""A comparison -> the same tables in Markdown, with all metrics and every language."""

from __future__ import annotations

from collections.abc import Iterator

from hexapla.report.comparison import Block, Comparison, TableCell
from hexapla.report.legend import block_title, legend, metric_title
from hexapla.report.number_format import (
    count_items,
    count_languages,
    format_certainty,
    format_gain,
    format_percent,
    format_relative,
    format_sd,
)
from hexapla.text.printable import markdown, markdown_row


def comparison_to_markdown(comparison: Comparison) -> str:
    """Write the headline table, a table for each metric, and the legend."""
    parts = ["# Comparison", ""]
    if len(comparison.blocks) > 1:
        parts += _headline_table(comparison)
    for block in comparison.blocks:
        parts += _block_tables(comparison, block)
    return "\n".join([*parts, *(f"{markdown(each)}\n" for each in legend(comparison))])


def _headline_table(comparison: Comparison) -> Iterator[str]:
    yield from ("## Headline metrics, %", "", *_table_head(comparison, "task", "languages"))
    for block in comparison.blocks:
        if block.headline:
            metric = metric_title(block).replace(", %", "")
            heading = f"{block_title(comparison, block)} {metric}"
            for line in block.lines:
                yield markdown_row(heading, line.group, *map(_brief, line.cells))
    yield ""


def _block_tables(comparison: Comparison, block: Block) -> Iterator[str]:
    """Yield a metric's table by group of languages and, if it is a headline metric, by language."""
    title = f"{block_title(comparison, block)}: {metric_title(block)}"
    yield from (f"## {markdown(title)}", "", *_table_head(comparison, "languages"))
    for line in block.lines:
        header = f"{line.group}: {count_languages(line)}, {count_items(line)}"
        yield markdown_row(header, *map(_detail, line.cells))
    yield ""
    if block.headline:
        yield from (f"### {markdown(title)}, by language", "")
        yield from _table_head(comparison, "language", "group")
        for line in block.languages:
            yield markdown_row(*line.languages, line.group, *map(_detail, line.cells))
        yield ""


def _table_head(comparison: Comparison, *headers: str) -> list[str]:
    labels = [run.label for run in comparison.runs]
    labels[0] += " (baseline)"
    return [markdown_row(*headers, *labels), "|" + "---|" * len(headers) + "---:|" * len(labels)]


def _brief(cell: TableCell) -> str:
    return f"{format_percent(cell.value)} {format_gain(cell)}".strip()


def _detail(cell: TableCell) -> str:
    parts = [format_percent(cell.value) + format_sd(cell)]
    if cell.gain is not None:
        parts += [format_gain(cell), format_relative(cell), *format_certainty(cell)]
    return " ".join(part.strip() for part in parts)
