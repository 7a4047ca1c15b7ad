"""Keep the numbers of a study, and print them as the tables of `docs/results-tables.md`.

    python -m recipes.study_tables keep study/results.json    # writes recipes/study.tsv
    python -m recipes.study_tables tables                     # prints the tables

A line of `study.tsv` is a value of one regime: the mean over training seeds, and the gain over the
experiment's baseline with two 95 % intervals, over test rows and over seeds. `keep` replaces the
experiments that the results have. A test holds that the page has the tables that are printed.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

KEPT = Path(__file__).with_name("study.tsv")
FIELDS = (
    "experiment",
    "encoder",
    "corpus",
    "task",
    "metric",
    "languages",
    "regime",
    "baseline",
    "n_seeds",
    "value",
    "sd",
    "gain",
    "rows_low",
    "rows_high",
    "seeds_low",
    "seeds_high",
)
# Experiments of study.toml, in the order of the page, and their headings.
HEADINGS = {
    "longer": "The lowest four layers, whitened",
    "defaults": "One epoch, the lowest four layers",
    "hard-negatives": "Hard negatives, the lowest four layers",
    "good-already": "All twelve layers, not whitened",
    "losses": "Losses and cells a row, the lowest four layers",
    "losses-longer": "The paper's loss in four epochs, the lowest four layers",
    "losses-good-already": "The paper's loss, all twelve layers",
    "depth": "Depth",
    "sizes": "Rows",
    "teacher": "A teacher",
    "rows": "Equal rows",
    "converged": "Until held-out rows no longer improve",
    "pools": "Other pools of languages",
}
# Experiments with one line for each encoder, corpus and regime, and those with one for each task.
COMPACT = ("depth", "sizes", "teacher", "rows", "converged", "pools")
NAMES = {
    "base": "base",
    "en-x": "en-x",
    "en-x-long": "en-x",
    "en-x-mild": "en-x",
    "en-x-paper": "en-x, paper's loss",
    "multiway-paper": "multiway, paper's loss",
    "multiway-paper-long": "multiway, paper's loss",
    "multiway-mild-paper": "multiway, paper's loss",
    "all-cells": "multiway, all cells",
    "star": "star, 3 cells",
    "sampled-pair": "any two",
    "en-x-all-negatives": "en-x, all negatives",
    "pairs": "any two, all negatives",
    "multiway": "multiway, 3 cells",
    "multiway-long": "multiway, 3 cells",
    "multiway-mild": "multiway, 3 cells",
    "en-x-hard": "en-x, hard negatives",
    "multiway-hard": "multiway, 3 cells, hard negatives",
    "taught": "taught",
}
ROWS = {
    "few": "500",
    "three": "1,500, 3 languages",
    "captions": "1,500",
    "ten": "1,500, 10 languages",
    "many": "10,000",
    "diverse": "1,500 of courses, 6 languages",
    "twenty": "1,500 of courses, 20 languages",
}
# A line of a table: name of the task, name of the languages, and which value it is.
LINES = (
    ("bitext, accuracy", "seen", "bitext/test", "accuracy", "seen"),
    ("", "unseen", "bitext/test", "accuracy", "unseen"),
    ("", "seen, no English", "bitext/test", "accuracy", "seen, no English"),
    ("", "unseen, no English", "bitext/test", "accuracy", "unseen, no English"),
    ("Tatoeba, accuracy", "seen", "bitext/tatoeba", "accuracy", "seen"),
    ("", "unseen", "bitext/tatoeba", "accuracy", "unseen"),
    ("one pool, accuracy", "seen", "pool/test", "accuracy", "seen"),
    ("", "unseen", "pool/test", "accuracy", "unseen"),
    ("xsim++, error", "seen", "xsim/test", "xsim++", "seen"),
    ("", "unseen", "xsim/test", "xsim++", "unseen"),
    ("STS, Spearman", "English", "sts/test", "spearman", "eng_Latn"),
    ("", "German, seen", "sts/test", "spearman", "seen"),
    ("", "Italian, unseen", "sts/test", "spearman", "unseen"),
    ("STS across languages", "English-German", "sts-across/test", "spearman", "seen"),
    ("", "Italian with others", "sts-across/test", "spearman", "unseen"),
    ("topics, 8-shot", "English", "topics/sib200", "accuracy", "eng_Latn"),
    ("", "seen", "topics/sib200", "accuracy", "seen"),
    ("", "unseen", "topics/sib200", "accuracy", "unseen"),
    ("topics from English", "seen", "topics-zero-shot/sib200", "accuracy", "seen"),
    ("", "unseen", "topics-zero-shot/sib200", "accuracy", "unseen"),
    ("intents, 8-shot", "English", "topics/xsid", "accuracy", "eng_Latn"),
    ("", "seen", "topics/xsid", "accuracy", "seen"),
    ("", "unseen", "topics/xsid", "accuracy", "unseen"),
    ("intents from English", "seen", "topics-zero-shot/xsid", "accuracy", "seen"),
    ("", "unseen", "topics-zero-shot/xsid", "accuracy", "unseen"),
    ("sentiment, 8-shot", "English", "topics/nusax", "accuracy", "eng_Latn"),
    ("", "unseen", "topics/nusax", "accuracy", "unseen"),
    ("sentiment from English", "unseen", "topics-zero-shot/nusax", "accuracy", "unseen"),
)
# Columns of a compact table: heading, task, metric, and the languages whose values one cell shows.
COLUMNS = (
    ("with English", "bitext/test", "accuracy", ("seen", "unseen")),
    ("without", "bitext/test", "accuracy", ("seen, no English", "unseen, no English")),
    ("one pool", "pool/test", "accuracy", ("seen", "unseen")),
    ("STS en, seen, unseen", "sts/test", "spearman", ("eng_Latn", "seen", "unseen")),
    ("topics", "topics/sib200", "accuracy", ("seen", "unseen")),
)
Row = Mapping[str, str]


def keep(results: Path) -> None:
    """Write the values of a study's `results.json` that the tables show."""
    shown = {line[2:] for line in LINES}
    values = [
        dict(zip(FIELDS, _fields(value), strict=True))
        for value in json.loads(results.read_text(encoding="utf-8"))["values"]
        if value["experiment"] in HEADINGS
        and (value["task"], value["metric"], value["languages"]) in shown
    ]
    measured = {value["experiment"] for value in values}
    rows = [row for row in _read() if row["experiment"] not in measured] + values
    rows.sort(key=lambda row: list(HEADINGS).index(row["experiment"]))
    with KEPT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _fields(value: Mapping[str, object]) -> Iterator[str]:
    ends: dict[str, object] = {}
    for name, key in (("rows", "interval"), ("seeds", "interval_seeds")):
        interval = value[key]
        if isinstance(interval, list):
            ends |= {f"{name}_low": interval[0], f"{name}_high": interval[1]}
    for field in FIELDS:
        content = ends.get(field, value.get(field))
        yield "" if content is None else str(content)


def _read() -> list[Row]:
    with KEPT.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def tables() -> str:
    """Return all tables as Markdown."""
    rows = _read()
    parts = []
    for experiment, heading in HEADINGS.items():
        chosen = [row for row in rows if row["experiment"] == experiment]
        if chosen:
            table = _compact_table if experiment in COMPACT else _table
            parts += [f"### {heading}\n", *table(chosen), ""]
    return "\n".join(parts)


def _table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a table of all tasks, with the gain of multiway over the baseline."""
    regimes = list(dict.fromkeys(row["regime"] for row in rows))
    baseline = rows[0]["baseline"]
    regimes.sort(key=list(NAMES).index)
    n_seeds = {row["regime"]: row["n_seeds"] for row in rows}
    heads = [
        f"{NAMES[regime]}" + (f", {n} seeds" if (n := n_seeds[regime]) != "1" else "")
        for regime in regimes
    ]
    judged = regimes[-1]
    gain = f"gain over {NAMES[baseline]} [rows] [seeds]"
    yield f"| task | languages | {' | '.join(heads)} | {gain} |"
    yield "|---|---|" + "--:|" * (len(heads) + 1)
    group = ""
    for name, languages, *place in LINES:
        group = name or group
        found = {row["regime"]: row for row in rows if _place(row) == tuple(place)}
        if judged in found:
            cells = [_percent(found.get(regime)) for regime in regimes]
            yield f"| {group} | {languages} | {' | '.join(cells)} | {_gain(found[judged])} |"
            group = ""


def _compact_table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a table with a line for each encoder, number of rows and regime."""
    cells = {(*_line(row), *_place(row)): row for row in rows}
    lines = list(dict.fromkeys(_line(row) for row in rows))
    lines.sort(key=lambda line: (line[0], list(ROWS).index(line[1]), list(NAMES).index(line[2])))
    yield f"| encoder | rows | regime | {' | '.join(head for head, *_ in COLUMNS)} |"
    yield "|---|--:|---|" + "--:|" * len(COLUMNS)
    for encoder, corpus, regime in lines:
        shown = (
            " / ".join(
                _percent(cells.get((encoder, corpus, regime, task, metric, each)))
                for each in languages
            )
            for _, task, metric, languages in COLUMNS
        )
        name = encoder.replace("-", "@")
        yield f"| `{name}` | {ROWS[corpus]} | {NAMES[regime]} | {' | '.join(shown)} |"


def _line(row: Row) -> tuple[str, str, str]:
    return row["encoder"], row["corpus"], row["regime"]


def _place(row: Row) -> tuple[str, str, str]:
    return row["task"], row["metric"], row["languages"]


def _percent(row: Row | None) -> str:
    if row is None:  # no language of the group was measured
        return "–"
    sd = f" ± {100 * float(row['sd']):.1f}" if row["sd"] else ""
    return f"{100 * float(row['value']):.1f}{sd}"


def _gain(row: Row) -> str:
    intervals = (
        f" [{100 * float(row[f'{name}_low']):+.1f}, {100 * float(row[f'{name}_high']):+.1f}]"
        for name in ("rows", "seeds")
        if row[f"{name}_low"]
    )
    return f"{100 * float(row['gain']):+.1f}{''.join(intervals)}"


def main() -> None:
    """Keep or print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("keep").add_argument("results", type=Path)
    commands.add_parser("tables")
    given = parser.parse_args()
    if given.command == "keep":
        keep(given.results)
    else:
        print(tables())


if __name__ == "__main__":
    main()
