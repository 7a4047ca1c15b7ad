"""Moses files -> entries: line n of `x.en` and line n of `x.de` are translations of each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hexapla.errors import InputError
from hexapla.imports.entries import Entry
from hexapla.text import languages as codes
from hexapla.text.lines import COMPRESSIONS, read_lines


def moses_groups(paths: Sequence[Path]) -> list[dict[str, Path]]:
    """Group files whose names differ only in the language at the end.

    Returns:
        Language -> file for each group, in the order of the groups' first files.

    Raises:
        InputError: An ending that is no language, a file without a partner, or two files of one
            language in a group.
    """
    groups: dict[Path, dict[str, Path]] = {}
    for path in paths:
        stem, code = _stem_and_language(path)
        group = groups.setdefault(stem, {})
        if code in group:
            raise InputError(f"{group[code]} and {path} are both {code}; give one of them")
        group[code] = path
    for stem, group in groups.items():
        if len(group) == 1:
            (only,) = group.values()
            raise InputError(
                f"{only} is one side of a Moses pair; give its partner too, {stem}.LANGUAGE"
            )
    return list(groups.values())


def _stem_and_language(path: Path) -> tuple[Path, str]:
    """Split a name at its language.

    >>> _stem_and_language(Path("books.de-en.de.gz"))
    (PosixPath('books.de-en'), 'deu_Latn')
    """
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
    try:
        return plain.with_suffix(""), codes.parse(plain.suffix.removeprefix("."))
    except InputError:
        raise InputError(
            f'{path} has the ending "{plain.suffix}"; an import takes .tmx, .po, .xlf, .tsv, '
            ".csv, .jsonl, .parquet, and Moses files that end in a language like .de"
        ) from None


def read_moses(group: Mapping[str, Path]) -> Iterator[Entry]:
    """Yield an entry for each line number of the files of a group.

    All lines are counted and decoded before the first entry, so that files of unequal length give
    none.

    Raises:
        InputError: Files of unequal length, or one that is not UTF-8.
    """
    n_lines = {path: sum(1 for _ in read_lines(path)) for path in group.values()}
    if len(set(n_lines.values())) > 1:
        counts = ", ".join(f"{path} has {n:,} lines" for path, n in n_lines.items())
        raise InputError(
            f"{counts}; Moses files are translations line by line: give files of equal length"
        )
    for lines in zip(*map(read_lines, group.values()), strict=True):
        yield dict(zip(group, (text for _, text in lines), strict=True))
