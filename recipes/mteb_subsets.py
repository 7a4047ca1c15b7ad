"""Write `hexapla/data/mteb_subsets.tsv`: the languages of each subset or column of MTEB's tasks.

The table is made from MTEB's metadata, with corrections where those are wrong or ambiguous. It is
committed, so that an upgrade of MTEB does not change what is measured. Languages that FLORES-200
lacks are left out. After an upgrade, run `python recipes/mteb_subsets.py` and read the difference.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mteb

from hexapla.errors import InputError
from hexapla.evaluation.mteb_table import TABLE, TASKS
from hexapla.runs.atomic import write_text
from hexapla.text import languages as codes

# In NTREX, the text of these columns is in Cyrillic and Latin script. srp_Latn and others are not
# in the code table.
_WRONG_SCRIPT = {"mon-Mong": "khk_Cyrl", "orm-Ethi": "gaz_Latn"}
# The second of two English subsets: the same task on another sample. MTEB's English benchmark uses
# `en`.
_SKIPPED = {("AmazonCounterfactualClassification", "en-ext")}


def rows(task: Any) -> Iterator[tuple[str, str]]:
    """Yield subset and languages, or column and language in a task with a column per language."""
    name, subsets = task.metadata.name, task.metadata.eval_langs
    if getattr(task, "parallel_subsets", False):
        columns = {
            column: tag
            for subset, tags in subsets.items()
            for column, tag in zip(subset.split("-"), tags, strict=True)
        }
        yield from (
            (column, code) for column, tag in sorted(columns.items()) if (code := parse(tag))
        )
        return
    for subset, tags in sorted(subsets.items()):
        if name == "BibleNLPBitextMining" and not subset.startswith("eng_Latn-"):
            continue  # the same rows in the other direction; both directions are measured anyway
        languages = [parse(tag) for tag in tags]
        if None not in languages and (name, subset) not in _SKIPPED:
            yield subset, "-".join(str(code) for code in languages)


def parse(tag: str) -> str | None:
    """Return the canonical code of an MTEB tag, or None if the code table has no such language."""
    if tag in _WRONG_SCRIPT:
        return _WRONG_SCRIPT[tag]
    try:
        return codes.parse(tag)
    except InputError as error:
        logging.info("left out: %s", error)
        return None


def main() -> None:
    """Write the table."""
    lines = ["task\tsubset\tlanguages"]
    for name in TASKS:
        lines += [
            f"{name}\t{subset}\t{languages}" for subset, languages in rows(mteb.get_task(name))
        ]
    path = Path(__file__).parent.parent / "hexapla" / "data" / TABLE
    write_text(path, "\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
