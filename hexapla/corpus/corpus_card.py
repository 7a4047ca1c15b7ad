"""A corpus's manifest -> its `README.md`, a dataset card for `datasets` and the Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hexapla.text import languages as codes
from hexapla.text.printable import front_matter_value, markdown, markdown_code

# Upper bound in rows, and the Hub's name for the class.
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def dataset_card(name: str, manifest: Mapping[str, Any]) -> str:
    """Return the card of a corpus: YAML front matter and text."""
    languages = manifest["languages"]
    made = [
        f"| {markdown_code(code, in_table=True)} | {markdown(codes.name(code))} "
        f"| {markdown(made_by(manifest['columns'][code])) or 'not noted'} |"
        for code in languages
    ]
    return "\n".join(
        [
            "---",
            *_front_matter(name, manifest),
            "configs:",
            '- config_name: "default"',
            "  data_files:",
            '  - split: "train"',
            '    path: "part-*.parquet"',
            "---",
            "",
            f"# {markdown(name)}",
            "",
            f"A multi-way parallel corpus of {manifest['n_rows']:,} rows in {len(languages)} "
            "languages: a row says one",
            "thing in all of them. The others are versions of the pivot, "
            f"{markdown_code(manifest['pivot'])}; cells may be missing.",
            "`row_id` is a hash of the pivot text. `corpus.json` has the shards' hashes "
            "and what was left out.",
            "",
            "| column | language | made by |",
            "|---|---|---|",
            *made,
            "",
            *_kept_apart(manifest["filters"]),
            *_references(manifest.get("references")),
        ]
    )


def _front_matter(name: str, manifest: Mapping[str, Any]) -> list[str]:
    tags = [codes.to_bcp47(code) for code in manifest["languages"]]
    size = next((label for bound, label in SIZES if manifest["n_rows"] < bound), "n>10M")
    front = {
        "language": list(dict.fromkeys(tag.split("-")[0] for tag in tags)),
        "language_bcp47": tags,
        "multilinguality": ["multilingual"],
        "task_categories": ["sentence-similarity", "translation"],
        "size_categories": [size],
        "pretty_name": name,
    }
    if manifest["license"]:
        front["license"] = manifest["license"]
    return [f"{key}: {front_matter_value(value)}" for key, value in front.items()]


def _kept_apart(filters: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each evaluation set, with how many rows were left out because of it."""
    return [
        f"Kept apart from {markdown(fact['name'].rpartition('/')[2])} "
        f"({fact['n_sentences']:,} sentences): "
        f"{one.get('rows', {}).get('in ' + fact['name'], 0):,} rows left out.\n"
        for one in filters
        for fact in one.get("against", ())
    ]


def _references(scores: Mapping[str, Any] | None) -> list[str]:
    """Return a table of how like human translations a build's translations are."""
    if scores is None:
        return []
    rows = [
        f"| {markdown_code(code, in_table=True)} | {_score(each['chrf'])} | {each['n']:,} "
        f"| {_score(each['chrf_rejected'])} | {each['n_rejected']:,} |"
        for code, each in scores["languages"].items()
    ]
    return [
        f"{scores['metric']} against the human translations of {markdown(scores['name'])}, "
        f"signature {markdown_code(scores['signature'])}:",
        "",
        f"| column | {scores['metric']} | cells | of rejected cells | rejected cells |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:.1f}"


def made_by(how: Mapping[str, object]) -> str:
    """Return in one phrase how a column was made; `corpus.json` has all that is known of it.

    >>> made_by({"translator": "opus-mt", "settings": {"beam": 4}})
    'translator opus-mt, settings {"beam": 4}'
    >>> made_by({"name": "nllb", "backend": "ctranslate2", "compute_type": "int8", "versions": {}})
    'nllb, ctranslate2, int8'
    >>> made_by({"name": "my-mt", "backend": "command", "version": "my-mt 1.2", "files": {}})
    'my-mt, command, my-mt 1.2'
    >>> made_by({"translators": [{"translator": "a", "n_cells": 9}, {"name": "b", "n_cells": 1}]})
    '9 cells: translator a; 1 cell: b'
    """
    return "; ".join(makers(how))


def makers(how: Mapping[str, object]) -> list[str]:
    """Return in one phrase each how a column was made, or its cells by each of several translators.

    Args:
        how: As in `corpus.json`.
    """
    several = how.get("translators")
    if isinstance(several, list):
        return [f"{_n_cells(each['n_cells'])}: {_phrase(each) or 'not noted'}" for each in several]
    return [phrase] if (phrase := _phrase(how)) else []


def _n_cells(number: int) -> str:
    return f"{number:,} cell{'' if number == 1 else 's'}"


def _phrase(how: Mapping[str, object]) -> str:
    how = {key: value for key, value in how.items() if key != "n_cells"}
    if "name" in how:
        shown = ", ".join(
            str(how[key]) for key in ("name", "backend", "compute_type", "version") if key in how
        )
    else:
        texts = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in how.items()
        }
        shown = ", ".join(f"{key} {value}" for key, value in texts.items())
    return shown
