"""A comparison -> one table for a terminal, values in percent and gains in points.

The verdict comes first, then a row for each task, group of languages and run. Other metrics, single
languages and tests are printed on request.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hexapla.evaluation.metrics import METRICS
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
    format_sd,
)
from hexapla.report.verdict import few_items, verdicts
from hexapla.text.printable import printable_all

_Row = Sequence[Text | str]


def render_comparison(
    comparison: Comparison,
    console: Console,
    *,
    all_metrics: bool = False,
    per_language: bool = False,
) -> None:
    """Print the verdict, the table and a legend, within the console's width.

    Args:
        comparison: Its blocks are printed in their order. Of one run alone, the values are printed.
        console: Where to print.
        all_metrics: Also print metrics other than the headline ones, and tests.
        per_language: Also print a row for each language, and tests.
    """
    comparison = printable_all(comparison)  # names come from data
    for sentence in verdicts(comparison):
        console.print(Text(sentence, style="bold"))
    if warning := few_items(comparison):
        console.print(Text(warning, style="yellow"))
    with_tests = all_metrics or per_language
    blocks = [block for block in comparison.blocks if block.headline or all_metrics]
    columns = _columns(comparison, with_tests=with_tests)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(
            name,
            justify="right" if number else "left",
            vertical="top",
            overflow="fold",
            no_wrap=number > 1,
        )
    for block in blocks:
        table.add_row(_heading(comparison, block))
        for row in _rows(comparison, block, per_language=per_language, with_tests=with_tests):
            table.add_row(*row)
    console.print()
    console.print(table)
    console.print()
    hidden = dict.fromkeys(
        METRICS[block.metric].label for block in comparison.blocks if not block.headline
    )
    if hidden and not all_metrics:
        console.print(Text(f"Also measured: {'; '.join(hidden)} (--all-metrics).", style="dim"))
    for sentence in legend(comparison, with_tests=with_tests):
        console.print(Text(sentence, style="dim"))


def _columns(comparison: Comparison, *, with_tests: bool) -> list[Text]:
    """Return the headings; of several runs, a column names the run."""
    baseline, *others = comparison.runs
    if not others:
        return [Text(), Text(baseline.label), Text("n")]
    heads = [Text(), Text.assemble(baseline.label, ("\nbaseline", "dim"))]
    if len(others) == 1:
        heads.append(Text.assemble(others[0].label, ("\nrun", "dim")))
    else:
        heads[1:1] = [Text("run")]
        heads.append(Text("value"))
    heads += [Text("gain"), Text("95 % interval"), Text("n")]
    if with_tests:
        heads += [Text("p rows"), *([Text("p seeds")] if _has_seeds(comparison) else [])]
    return heads


def _has_seeds(comparison: Comparison) -> bool:
    return any(len(run.seeds) > 1 for run in comparison.runs)


def _heading(comparison: Comparison, block: Block) -> Text:
    title = block_title(comparison, block)
    return Text.assemble((title, "bold"), (f"\n{metric_title(block)}", "cyan"))


def _rows(
    comparison: Comparison, block: Block, *, per_language: bool, with_tests: bool
) -> Iterator[_Row]:
    """Yield the cells of a block's rows; what equals the row above is left out."""
    rows = gain_rows(comparison, block, per_language=per_language)
    for _, of_line in itertools.groupby(rows, key=lambda row: id(row.line)):
        for number, row in enumerate(of_line):
            yield _cells(comparison, row, is_first=number == 0, with_tests=with_tests)


def _cells(comparison: Comparison, row: GainRow, *, is_first: bool, with_tests: bool) -> _Row:
    value = format_percent(row.after.value) + format_sd(row.after)
    languages = _languages(row) if is_first else ""
    n_items = format_n(row.line.n_items) if is_first else ""
    if len(comparison.runs) == 1:
        return [languages, value, n_items]
    style = {True: "green", False: "red", None: "dim"}[row.is_better]
    cells: list[Text | str] = [
        languages,
        *([row.run] if len(comparison.runs) > 2 else []),
        format_percent(row.before.value) + format_sd(row.before) if is_first else "",
        value,
        Text(format_gain(row.after), style=style),
        format_interval(row.after),
        n_items,
    ]
    if with_tests:
        tests = [format_p(row.after.p_rows), format_p(row.after.p_seeds)]
        cells += tests[: 1 + _has_seeds(comparison)]
    return cells


def _languages(row: GainRow) -> Text:
    """Name the languages of a row; a single language is indented below its group."""
    if not row.is_group:
        return Text.assemble(f"    {row.line.languages[0]}", (f"  {row.line.group}", "dim"))
    if row.line.group == "eng_Latn":
        return Text("  English")
    return Text(f"  {row.line.group}, {count_languages(row.line)}")
