"""A comparison -> tables for a terminal and in Markdown, values in percent and gains in points.

A reader wants to know first who wins where, and only then by how certainly: the headline metrics come first, a line per
group of languages, then a block for every metric with intervals. In the terminal a cell is three short lines, so that a
baseline and five runs fit into 100 columns; runs that do not fit go into a further table beside the same baseline.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from hexapla.report.comparison import Block, Cell, Comparison, Line

_LABEL_WIDTH = 12  # of run labels and group names, before they wrap
_GAP = 2  # between columns


def render(comparison: Comparison, console: Console, *, all_metrics: bool, per_language: bool) -> None:
    """Print the headline table, blocks with intervals, and what the signs mean, within the console's width."""
    headers = _headers(comparison)
    if len(comparison.blocks) > 1:
        console.print(Text("Headline metrics, %", style="bold"))
        _print_columns(console, headers, list(_headline_rows(comparison)), leading=0)
    for block in comparison.blocks:
        if not (block.headline or all_metrics):
            continue
        console.print(Text.assemble((_title(comparison, block), "bold"), (f"  {_metric(block)}", "bold cyan")))
        rows = [[_line_header(line), *(_detail(block, cell) for cell in line.cells)] for line in block.lines]
        if per_language:
            rows += [
                [Text("\n".join(line.languages)), *(_detail(block, cell) for cell in line.cells)]
                for line in block.languages
            ]
        _print_columns(console, headers, rows, leading=1)
    for sentence in _legend(comparison):
        console.print(Text(sentence, style="dim"))


def _title(comparison: Comparison, block: Block) -> str:
    """Name a task and its split, marked where a run was trained on its sentences."""
    known = any((one.task, one.split) == (block.task, block.split) for one in comparison.contamination)
    return f"{block.task} ({block.split}){' †' if known else ''}"


def _metric(block: Block) -> str:
    return f"{block.metric}, %" + ("" if block.higher_is_better else ", lower is better")


def _headers(comparison: Comparison) -> list[Text]:
    labels = [Text("\n".join(textwrap.wrap(run.label, _LABEL_WIDTH))) for run in comparison.runs]
    labels[0].append("\nbaseline", style="dim")
    return [Text(), *labels]


def _headline_rows(comparison: Comparison) -> Iterator[list[Text]]:
    for block in comparison.blocks:
        if block.headline:
            lower = "" if block.higher_is_better else ", lower is better"
            heading = Text.assemble((block.task, "bold"), (f"\n{block.metric}, {block.split}{lower}", "cyan"))
            yield [heading, *(Text() for _ in comparison.runs)]
            for line in block.lines:
                yield [Text(f"  {line.group}"), *(_brief(block, cell) for cell in line.cells)]


def _print_columns(console: Console, headers: Sequence[Text], rows: Sequence[Sequence[Text]], *, leading: int) -> None:
    """Print a table, or several with the first two columns repeated when all the columns do not fit side by side."""
    widths = [max(_width(cell) for cell in column) for column in zip(headers, *rows, strict=True)]
    for shown in _fitting(widths, console.width):
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), leading=leading)
        for number in shown:
            table.add_column(headers[number], justify="right" if number else "left", vertical="top", no_wrap=True)
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


def _brief(block: Block, cell: Cell) -> Text:
    if cell.gain is None:
        return Text(_percent(cell.value))
    return Text.assemble(_percent(cell.value), " ", (f"{_gain(cell):>6}", _style(block, cell)))


def _detail(block: Block, cell: Cell) -> Text:
    value = Text.assemble((_percent(cell.value), "bold"), (_spread(cell), "dim"))
    if cell.gain is None:
        return value
    gain = f"{_gain(cell)} {_relative(cell)}"
    return Text.assemble(
        value, "\n", (gain, _style(block, cell)), "\n", (_interval(cell), "dim"), "\n", (_p_values(cell), "dim")
    )


def _style(block: Block, cell: Cell) -> str:
    if not cell.significant:
        return "dim"
    return "green" if cell.gain is not None and (cell.gain > 0) == block.higher_is_better else "red"


def _spread(cell: Cell) -> str:
    return f" ± {_percent(cell.sd)}" if cell.sd is not None else ""


def _p_values(cell: Cell) -> str:
    """Write the p-value over rows and, of several seeds, that over seeds."""
    return " ".join(
        f"p({over}){'<0.001' if p < 0.001 else f'={p:.2g}'}"
        for over, p in (("rows", cell.p_rows), ("seeds", cell.p_seeds))
        if p is not None
    )


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
    return f"[{_percent(cell.interval[0])}, {_percent(cell.interval[1])}]" if cell.interval else "no interval"


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
    n_seeds = max(len(run.seeds) for run in comparison.runs)
    over_seeds = f", seeds: paired sign flips, of {n_seeds} no less than {2 / 2**n_seeds:.2g}" if n_seeds > 1 else ""
    yield (
        f"p, two-sided: rows: paired permutation of the test rows, {comparison.n_resamples} draws{over_seeds}. "
        "None is corrected for how many there are."
    )
    if n_seeds > 1:
        yield "±: standard deviation over training seeds; the value is their mean, and intervals are of that mean."
    for one in comparison.contamination:
        yield (
            f"† {one.n_found:,} of {one.n_sentences:,} evaluation sentences of {one.task} ({one.split}) stand in the "
            f"corpus that {one.run} was trained on."
        )
    yield from (f"Note: {note}." for note in comparison.notes)


def to_markdown(comparison: Comparison) -> str:
    """Write the headline table, every block, and what the signs mean."""
    parts = ["# Comparison", ""]
    if len(comparison.blocks) > 1:
        parts += ["## Headline metrics, %", "", *_markdown_head(comparison, "task", "languages")]
        for block in comparison.blocks:
            if block.headline:
                heading = f"{_title(comparison, block)} {_metric(block)}"
                parts += [_row(heading, line.group, *map(_flat, line.cells)) for line in block.lines]
        parts.append("")
    for block in comparison.blocks:
        parts += [f"## {_title(comparison, block)}: {_metric(block)}", "", *_markdown_head(comparison, "languages")]
        for line in block.lines:
            header = f"{line.group}: {_size(line)}, {_items(line)}"
            parts.append(_row(header, *(_flat(cell, whole=True) for cell in line.cells)))
        if block.headline:
            for line in block.languages:
                header = f"{', '.join(line.languages)} ({line.group})"
                parts.append(_row(header, *(_flat(cell, whole=True) for cell in line.cells)))
        parts.append("")
    return "\n".join([*parts, *(f"{sentence}\n" for sentence in _legend(comparison))])


def _markdown_head(comparison: Comparison, *headers: str) -> list[str]:
    labels = [run.label for run in comparison.runs]
    labels[0] += " (baseline)"
    return [_row(*headers, *labels), "|" + "---|" * len(headers) + "---:|" * len(labels)]


def _flat(cell: Cell, *, whole: bool = False) -> str:
    parts = [_percent(cell.value) + _spread(cell)]
    if cell.gain is not None:
        parts.append(_gain(cell))
        if whole:
            parts += [_relative(cell), _interval(cell), _p_values(cell)]
    return " ".join(part.strip() for part in parts)


def _row(*cells: str) -> str:
    """Join a row, with what Markdown would read as its own signs escaped."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("*", "\\*") for cell in cells) + " |"
