"""The numbers of a table cell as text: percent and points with one decimal, p to three places."""

from __future__ import annotations

from hexapla.report.comparison import Line, TableCell


def format_percent(value: float) -> str:
    """Write a fraction in percent, without the sign.

    >>> format_percent(0.4321)
    '43.2'
    """
    return f"{100 * value:z.1f}"


def format_gain(cell: TableCell) -> str:
    """Write the gain in points, followed by a star if it is significant, or else by a blank."""
    return "" if cell.gain is None else f"{100 * cell.gain:+z.1f}{'*' if cell.significant else ' '}"


def format_relative(cell: TableCell) -> str:
    """Write the relative gain; from 100 % on without decimals, which would only take up room."""
    if cell.relative is None:
        return "-"
    return f"{100 * cell.relative:+z.{1 if abs(cell.relative) < 1 else 0}f}%"


def format_sd(cell: TableCell) -> str:
    """Write the standard deviation over seeds; empty for one seed."""
    return "" if cell.sd is None else f" ±{format_percent(cell.sd)}"


def format_p(p: float | None) -> str:
    """Write a p value to three places; empty if there is none.

    >>> format_p(0.0004), format_p(0.25)
    ('p<0.001', 'p=0.250')
    """
    return "" if p is None else "p<0.001" if p < 0.001 else f"p={p:.3f}"


def format_interval(cell: TableCell) -> str:
    """Write the interval of the gain in points; empty where there is none."""
    if cell.interval is None:
        return ""
    low, high = cell.interval
    return f"{100 * low:+z.1f} to {100 * high:+z.1f}"


def format_n(n_items: tuple[int, int]) -> str:
    """Write a number of items, as a range if languages differ.

    >>> format_n((96, 96)), format_n((40, 1200))
    ('96', '40-1,200')
    """
    smallest, largest = n_items
    return f"{smallest:,}" if smallest == largest else f"{smallest:,}-{largest:,}"


def format_certainty(cell: TableCell) -> list[str]:
    """Write the interval, then the p over test rows and the p over seeds where there is one."""
    parts = ["no interval"]
    if cell.interval:
        low, high = cell.interval
        parts = [f"[{format_percent(low)}, {format_percent(high)}]"]
    if cell.p_rows is not None:
        parts.append(format_p(cell.p_rows))
    if cell.p_seeds is not None:
        parts.append(f"seeds {format_p(cell.p_seeds)}")
    return parts


def count_languages(line: Line) -> str:
    """Say how many languages are averaged, or how many pairs where neither language is English."""
    noun = "pair" if any("-" in unit for unit in line.languages) else "language"
    return f"{len(line.languages)} {noun}{'' if len(line.languages) == 1 else 's'}"


def count_items(line: Line) -> str:
    """Say how many items each language has, as a range if the number differs."""
    smallest, largest = line.n_items
    return f"{smallest} items" if smallest == largest else f"{smallest}-{largest} items"
