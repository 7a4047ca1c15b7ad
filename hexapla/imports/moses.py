"""Moses files -> entries: line n of `x.en` and line n of `x.de` are translations of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hexapla.errors import InputError
from hexapla.imports.entries import ImportEntry
from hexapla.text.language_tags import LanguageTags, TagMeaning
from hexapla.text.lines import COMPRESSIONS, read_lines

MosesGroup = list[tuple[TagMeaning, Path]]
"""The files of one group, in the order given; a language may have several, by region."""

_OTHER_FORMATS = {
    ".pot": "a template has no translations: give the .po files made from it",
    ".json": "JSON lines are called .jsonl",
    ".xlsx": "save the sheet as .csv or .tsv",
    ".txt": "a text that is one side of a translation line by line ends in its language",
}
"""Formats that are not read, and what to do."""


def moses_groups(paths: Sequence[Path], tags: LanguageTags) -> list[MosesGroup]:
    """Group files whose names differ only in the language at the end.

    Returns:
        The groups, in the order of their first files.

    Raises:
        InputError: An ending that is no language, a file without a partner, or two files of one
            language that differ in no region.
    """
    groups: dict[Path, MosesGroup] = {}
    first: dict[tuple[Path, TagMeaning], Path] = {}
    for path in paths:
        found = tags.of_ending(path)
        if found is None:
            raise _unknown_ending(path)
        stem, meaning = found
        group = groups.setdefault(Path(stem), [])
        other = first.setdefault((Path(stem), meaning), path)
        if other is not path and meaning.rank == TagMeaning("").rank:
            raise InputError(f"{other} and {path} are both {meaning.code}; give one of them")
        group.append((meaning, path))
    for stem, group in groups.items():
        if len(group) == 1:
            raise InputError(
                f"{group[0][1]} is one side of a Moses pair; give its partner too, {stem}.LANGUAGE"
            )
    return list(groups.values())


def _unknown_ending(path: Path) -> InputError:
    """Return the error for a file that is neither of a known format nor named by a language."""
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
    hint = _OTHER_FORMATS.get(plain.suffix.lower())
    return InputError(
        f'{path} has the ending "{plain.suffix}"; an import takes .tmx, .po, .xlf, .tsv, .csv, '
        ".jsonl, .parquet, and Moses files that end in a language like .de"
        + (f"; {hint}" if hint else "")
    )


def read_moses(group: MosesGroup) -> Iterator[ImportEntry]:
    """Yield a unit for each line number of the files of a group.

    All lines are counted and decoded before the first unit, so that files of unequal length give
    none.

    Raises:
        InputError: Files of unequal length, or one that is not UTF-8.
    """
    n_lines = {path: sum(1 for _ in read_lines(path)) for _, path in group}
    if len(set(n_lines.values())) > 1:
        counts = ", ".join(f"{path} has {n:,} lines" for path, n in n_lines.items())
        raise InputError(
            f"{counts}; Moses files are translations line by line: give files of equal length"
        )
    meanings = [meaning for meaning, _ in group]
    for lines in zip(*(read_lines(path) for _, path in group), strict=True):
        yield ImportEntry([(meanings[i], line) for i, (_, line) in enumerate(lines)])
