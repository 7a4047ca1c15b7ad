"""Write `hexapla/data/han_variants.tsv`: characters that only one of the two Chinese variants has.

Made from the tables of OpenCC (Apache-2.0): STCharacters lists the Traditional characters that a
Simplified one may stand for, itself among them if both variants have it, and TSCharacters the
reverse. A character that any Traditional standard (OpenCC's, Taiwan's, Hong Kong's) writes is no
sign of Simplified text. Characters beyond the Basic Multilingual Plane are too rare to matter.

    pip install --target opencc-tables opencc==1.4.2
    PYTHONPATH=opencc-tables python recipes/make_han_variants.py
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap

import opencc

from hexapla.runs.atomic import write_text

_TABLES = Path(opencc.__file__).parent / "dictionary"
_PER_LINE = 80


def read_table(name: str) -> dict[str, list[str]]:
    """Return each character of a table with those that it may stand for."""
    lines = (_TABLES / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return {character: others.split() for character, others in pairs}


def values(table: Mapping[str, list[str]]) -> set[str]:
    """Return all characters on the right side of a table."""
    return {character for others in table.values() for character in others}


def main() -> None:
    """Write the table."""
    to_traditional, to_simplified = read_table("STCharacters"), read_table("TSCharacters")
    traditional = set(to_simplified) | values(to_traditional)
    traditional |= values(read_table("TWVariants")) | values(read_table("HKVariants"))
    simplified = set(to_traditional) | values(to_simplified)
    rows = ["script\tcharacters"]
    for script, own, other in (
        ("Hans", set(to_traditional), traditional),
        ("Hant", set(to_simplified), simplified),
    ):
        only = "".join(sorted(character for character in own - other if character <= "\uffff"))
        rows += [f"{script}\t{line}" for line in wrap(only, _PER_LINE)]
    path = Path(__file__).parent.parent / "hexapla" / "data" / "han_variants.tsv"
    write_text(path, "\n".join([*rows, ""]))


if __name__ == "__main__":
    main()
