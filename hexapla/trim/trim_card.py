"""What a trim did: a section of the model card, and two tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hexapla.text import languages as codes
from hexapla.text.printable import markdown, markdown_code, printable_all

if TYPE_CHECKING:
    from rich.table import Table

_SIZES = {
    "pieces": "pieces",
    "weights": "weights",
    "memory_mib": "MiB of weights in memory, float32",
    "files_mib": "MiB of files",
}
_CHANGES = ("language", "cells", "segmented otherwise", "their mean cosine", "lowest")


def trim_section(record: dict[str, Any]) -> str:
    """Return the section on the trim in Markdown.

    Args:
        record: What `trim.json` holds.
    """
    record = printable_all(record)
    languages = ", ".join(
        f"{codes.name(language)} ({markdown_code(language)})" for language in record["languages"]
    )
    sources = [markdown_code(corpus["name"]) for corpus in record["corpora"]]
    if record["listed"]:
        sources.append(f"the {record['words']:,} most frequent words of wordfreq's lists")
    base = f"{markdown_code(record['encoder'])} (SHA-256 {record['encoder_sha256'][:16]})"
    parts = [
        "## Trimmed vocabulary",
        f"Hexapla made this encoder of {base}: it kept the pieces that these languages use, "
        f"{languages}, and left out all others.",
        "A text whose pieces are all kept has the vector that it had. Scores on this card are "
        "those of the encoder before.",
        f"Pieces were taken from {', '.join(sources)}. Characters, numbers and punctuation were "
        "kept besides.",
        _markdown(("", "before", "after"), size_rows(record)),
    ]
    if record["held_out"]:
        parts += [
            "On held-out rows:",
            _markdown(_CHANGES, change_rows(record)),
            *(f"{markdown(line)}." for line in accuracy_lines(record)),
        ]
    return "\n\n".join(parts) + "\n"


def size_rows(record: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return what has become smaller, and its size before and after."""
    rows: list[tuple[str, ...]] = []
    for key, name in _SIZES.items():
        before, after = record[key]["before"], record[key]["after"]
        if before is not None:
            digits = ",.1f" if isinstance(before, float) else ","
            share = f"{100 * after / before:.1f} %"
            rows.append((name, f"{before:{digits}}", f"{after:{digits}} ({share})"))
    return rows


def change_rows(record: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield, for each corpus and language, what was measured on held-out cells."""
    for measured in record["held_out"]:
        for language, facts in measured["languages"].items():
            n_cells, n_changed = facts["n_cells"], facts["n_changed"]
            share = f"{n_changed} ({100 * n_changed / n_cells:.1f} %)" if n_cells else "-"
            cosines = (facts["mean_cosine"], facts["lowest_cosine"])
            shown = ("-" if cosine is None else f"{cosine:.4f}" for cosine in cosines)
            yield (f"{language}, {measured['corpus']}", f"{n_cells}", share, *shown)


def accuracy_lines(record: dict[str, Any]) -> Iterator[str]:
    """Yield the retrieval accuracy before and after, for each corpus of several languages."""
    for measured in record["held_out"]:
        before, after = measured["accuracy_before"], measured["accuracy_after"]
        if before is not None:
            yield (
                f"Translations found among {measured['n_rows']} rows of {measured['corpus']}: "
                f"{100 * before:.2f} % before, {100 * after:.2f} % after"
            )


def trim_tables(record: dict[str, Any]) -> Iterator[Table]:
    """Yield the tables of sizes and, if any were measured, of changes."""
    from rich import box
    from rich.table import Table

    record = printable_all(record)
    bodies: list[tuple[tuple[str, ...], list[tuple[str, ...]]]] = [
        (("", "before", "after"), size_rows(record))
    ]
    if record["held_out"]:
        bodies.append((_CHANGES, list(change_rows(record))))
    for (first, *others), rows in bodies:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        table.add_column(first)
        for header in others:
            table.add_column(header, justify="right")
        for row in rows:
            table.add_row(*row)
        yield table


def _markdown(headers: tuple[str, ...], rows: Any) -> str:
    body = [[markdown(cell) for cell in row] for row in rows]
    lines = [headers, ("---", *["---:"] * (len(headers) - 1)), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
