"""Keep the numbers of a study, and print them as the tables of `docs/results-tables.md`.

    python -m recipes.study_tables keep study/results.json    # writes recipes/study.tsv
    python -m recipes.study_tables tables                     # prints the tables

A line of `study.tsv` is a value of one regime: the mean over training seeds, and the gain over the
experiment's baseline with two 95 % intervals, over test rows and over seeds. A test holds that the
page has the tables that are printed.
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
    "defaults": "The lowest four layers, whitened",
    "good-already": "All twelve layers, not whitened",
}
NAMES = {
    "base": "base",
    "en-x-preserve": "en-x",
    "three-preserve": "multiway, 3 cells",
    "en-x-preserve-slow": "en-x",
    "three-preserve-slow": "multiway, 3 cells",
}
# A line of a table: name of the task, name of the languages, and which value it is.
LINES = (
    ("bitext, accuracy", "seen", "bitext", "accuracy", "seen"),
    ("", "unseen", "bitext", "accuracy", "unseen"),
    ("", "seen, no English", "bitext", "accuracy", "seen, no English"),
    ("", "unseen, no English", "bitext", "accuracy", "unseen, no English"),
    ("one pool, accuracy", "seen", "pool", "accuracy", "seen"),
    ("", "unseen", "pool", "accuracy", "unseen"),
    ("xsim, error", "seen", "xsim", "xsim", "seen"),
    ("", "unseen", "xsim", "xsim", "unseen"),
    ("STS, Spearman", "English", "sts", "spearman", "eng_Latn"),
    ("", "German, seen", "sts", "spearman", "seen"),
    ("", "Italian, unseen", "sts", "spearman", "unseen"),
    ("STS across languages", "English-German", "sts-across", "spearman", "seen"),
    ("", "Italian with others", "sts-across", "spearman", "unseen"),
    ("topics, 8-shot", "English", "topics", "accuracy", "eng_Latn"),
    ("", "seen", "topics", "accuracy", "seen"),
    ("", "unseen", "topics", "accuracy", "unseen"),
    ("topics from English", "seen", "topics-zero-shot", "accuracy", "seen"),
    ("", "unseen", "topics-zero-shot", "accuracy", "unseen"),
)
Row = Mapping[str, str]


def keep(results: Path) -> None:
    """Write the values of a study's `results.json` that the tables show."""
    shown = {line[2:] for line in LINES}
    with KEPT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(FIELDS)
        for value in json.loads(results.read_text(encoding="utf-8"))["values"]:
            place = (value["task"].split("/")[0], value["metric"], value["languages"])
            if value["experiment"] in HEADINGS and place in shown:
                writer.writerow(_fields(value))


def _fields(value: Mapping[str, object]) -> Iterator[str]:
    ends: dict[str, object] = {}
    for name, key in (("rows", "interval"), ("seeds", "interval_seeds")):
        interval = value[key]
        if isinstance(interval, list):
            ends |= {f"{name}_low": interval[0], f"{name}_high": interval[1]}
    for field in FIELDS:
        content = ends.get(field, value.get(field))
        yield "" if content is None else str(content)


def tables() -> str:
    """Return all tables as Markdown."""
    with KEPT.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    parts = []
    for experiment, heading in HEADINGS.items():
        chosen = [row for row in rows if row["experiment"] == experiment]
        if chosen:
            parts += [f"### {heading}\n", *_table(chosen), ""]
    return "\n".join(parts)


def _table(rows: Sequence[Row]) -> Iterator[str]:
    regimes = list(dict.fromkeys(row["regime"] for row in rows))
    baseline = rows[0]["baseline"]
    regimes.sort(key=list(NAMES).index)
    n_seeds = {row["regime"]: row["n_seeds"] for row in rows}
    heads = [
        f"{NAMES[regime]}" + (f", {n} seeds" if (n := n_seeds[regime]) != "1" else "")
        for regime in regimes
    ]
    judged = next(regime for regime in regimes if regime not in ("base", baseline))
    gain = f"gain over {NAMES[baseline]} [rows] [seeds]"
    yield f"| task | languages | {' | '.join(heads)} | {gain} |"
    yield "|---|---|" + "--:|" * (len(heads) + 1)
    for name, languages, *place in LINES:
        found = {
            row["regime"]: row
            for row in rows
            if (row["task"].split("/")[0], row["metric"], row["languages"]) == tuple(place)
        }
        if judged in found:
            cells = [_percent(found[regime]) if regime in found else "" for regime in regimes]
            yield f"| {name} | {languages} | {' | '.join(cells)} | {_gain(found[judged])} |"


def _percent(row: Row) -> str:
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
