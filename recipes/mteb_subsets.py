"""Write `hexapla/data/mteb_subsets.tsv`: which subset or column of each MTEB task is which language or pair.

Made from the library's own metadata, by hand where that is wrong or ambiguous, and committed, so
that what is measured does not move with the library. Languages that FLORES-200 lacks are left out.
Run it again, and read the difference, when MTEB is upgraded: `python recipes/mteb_subsets.py`.
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

# NTREX: the files under these columns are Cyrillic and Latin. srp_Latn and others have no row in
# the code table.
_WRONG_SCRIPT = {"mon-Mong": "khk_Cyrl", "orm-Ethi": "gaz_Latn"}
# English twice: `en-ext` is the same task on another sample; MTEB's English benchmark takes `en`.
_SKIPPED = {("AmazonCounterfactualClassification", "en-ext")}


def rows(task: Any) -> Iterator[tuple[str, str]]:
    """Yield subset and languages, or column and language where all languages lie side by side."""
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
            continue  # the same rows, the other way round; both directions are measured anyway
        found = [parse(tag) for tag in tags]
        if None not in found and (name, subset) not in _SKIPPED:
            yield subset, "-".join(str(code) for code in found)


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
