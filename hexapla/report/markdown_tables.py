"""A comparison -> verdict and tables in Markdown: all metrics, every language, all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hexapla.report.comparison import Block, Comparison
from hexapla.report.gain_rows import GainRow, gain_rows
from hexapla.report.legend import block_title, legend, metric_title
from hexapla.report.number_format import (
    count_languages,
    format_gain,
    format_interval,
    format_n,
    format_p,
    format_percent,
    format_relative,
    format_sd,
)
from hexapla.report.verdict import few_items, verdicts
from hexapla.text.printable import markdown, markdown_row

_Column = tuple[str, Callable[[GainRow], str]]


def comparison_to_markdown(comparison: Comparison) -> str:
    """Write the verdict, the headline table, a table for each metric, and the legend."""
    sentences = [f"Verdict: {one}" for one in verdicts(comparison)]
    sentences += filter(None, [few_items(comparison)])
    parts = ["# Comparison", "", *(f"{markdown(sentence)}\n" for sentence in sentences)]
    parts += _headline_table(comparison)
    for block in comparison.blocks:
        parts += _block_tables(comparison, block)
    return "\n".join([*parts, *(f"{markdown(each)}\n" for each in legend(comparison))])


def _headline_table(comparison: Comparison) -> Iterator[str]:
    columns = _columns(comparison)
    yield from ("## Headline metrics, %", "", *_table_head(columns, "task", "languages"))
    for block in comparison.blocks:
        if block.headline:
            metric = metric_title(block).replace(", %", "")
            heading = f"{block_title(comparison, block)} {metric}"
            for row in gain_rows(comparison, block):
                yield markdown_row(heading, row.line.group, *(write(row) for _, write in columns))
    yield ""


def _block_tables(comparison: Comparison, block: Block) -> Iterator[str]:
    """Yield a metric's table: groups of languages and, if it is a headline metric, languages."""
    columns = _columns(comparison, tests=True)
    title = f"{block_title(comparison, block)}: {metric_title(block)}"
    yield from (f"## {markdown(title)}", "", *_table_head(columns, "languages", "group"))
    for row in gain_rows(comparison, block, per_language=block.headline):
        cells = (write(row) for _, write in columns)
        yield markdown_row(_languages(row), row.line.group, *cells)
    yield ""


def _columns(comparison: Comparison, *, tests: bool = False) -> list[_Column]:
    """Return the heading of each column and what writes its cells."""
    run: _Column = ("run", lambda row: row.run)
    value: _Column = ("value", lambda row: format_percent(row.after.value) + format_sd(row.after))
    n_items: _Column = ("n", lambda row: format_n(row.line.n_items))
    if len(comparison.runs) == 1:
        return [run, value, n_items]
    columns: list[_Column] = [
        run,
        (
            f"{comparison.runs[0].label} (baseline)",
            lambda row: format_percent(row.before.value) + format_sd(row.before),
        ),
        value,
        ("gain", lambda row: format_gain(row.after).strip()),
        ("95 % interval", lambda row: format_interval(row.after)),
        n_items,
    ]
    if tests:
        columns += [
            ("relative", lambda row: format_relative(row.after)),
            ("p rows", lambda row: format_p(row.after.p_rows)),
            ("p seeds", lambda row: format_p(row.after.p_seeds)),
        ]
    return columns


def _table_head(columns: Sequence[_Column], *headers: str) -> list[str]:
    names = [name for name, _ in columns]
    # The run's name stands left, numbers right.
    return [
        markdown_row(*headers, *names),
        "|" + "---|" * (len(headers) + 1) + "---:|" * (len(names) - 1),
    ]


def _languages(row: GainRow) -> str:
    return count_languages(row.line) if row.is_group else row.line.languages[0]
