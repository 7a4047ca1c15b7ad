"""Every spelling of a language without case and accents, and the nearest to a mistyped one."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from hexapla.text.language_table import Language, language_table
from hexapla.text.locale_tags import macrolanguage


def fold_spelling(text: str) -> str:
    """Fold a spelling to the form in which spellings are compared.

    Case, accents, apostrophes and brackets go, and every run of spaces and `_` becomes one `-`.

    >>> fold_spelling("Norwegian Bokmål"), fold_spelling("zh_TW"), fold_spelling("Chinese (Han)")
    ('norwegian-bokmal', 'zh-tw', 'chinese-han')
    """
    letters = unicodedata.normalize("NFKD", text.strip()).casefold()
    kept = "".join(
        letter
        for letter in letters
        if not unicodedata.combining(letter) and letter not in "'\u2019()"
    )
    return re.sub(r"[\s_]+", "-", kept)


@lru_cache(maxsize=1)
def codes_by_spelling() -> dict[str, tuple[str, ...]]:
    """Map every folded spelling to the codes that it may mean, in the order of the codes.

    What a row of FLORES-200 is called means none that was added to the table.
    """
    codes: dict[str, dict[str, None]] = {}
    for language in sorted(language_table().values(), key=lambda row: not row.in_flores):
        for spelling in map(fold_spelling, _spellings(language)):
            found = codes.setdefault(spelling, {})
            if language.in_flores or not any(language_table()[code].in_flores for code in found):
                found[language.code] = None
    return {spelling: tuple(found) for spelling, found in codes.items()}


def _spellings(language: Language) -> Iterator[str]:
    """Yield every spelling of a language, each of its short codes both bare and with its script."""
    tags = (language.bcp47, *language.mteb)
    yield from (language.name, *tags, *language.aliases)
    short = {tag.split("-")[0] for tag in tags}
    short |= {alias for alias in language.aliases if re.fullmatch("[a-z]{2,3}", alias)}
    if language.m2m100:
        short.add(language.m2m100)
    yield from short
    # MTEB writes Korean as Hang and Kore and Japanese as Jpan and Hira.
    for script in {tag[-4:] for tag in language.mteb}:
        yield from (f"{code}-{script}" for code in short)


def list_languages(codes: Iterable[str]) -> str:
    """List codes with their names, for an error.

    >>> list_languages(["deu_Latn", "fra_Latn"])
    'deu_Latn = German, fra_Latn = French'
    """
    return ", ".join(f"{code} = {language_table()[code].name}" for code in codes)


def nearest_languages(spelling: str) -> str:
    """Name the languages nearest to an unknown spelling, as a hint to end an error with.

    They are those with the same short code, in other scripts too, or of the same macrolanguage.
    Letters of a short code say nothing of its language, so that there is no other hint for one. For
    any other spelling they are those with the most similar ones. Without any the hint is empty.

    >>> nearest_languages("portugese"), nearest_languages("xx")
    ('; nearest: por_Latn = Portuguese', '')
    >>> nearest_languages("qu")
    '; nearest: quy_Latn = Ayacucho Quechua, quz_Latn = Cusco Quechua'
    """
    folded = fold_spelling(spelling)
    subtag = re.split("[-@]", folded)[0]
    known = codes_by_spelling()
    if subtag in known:
        codes = [code for code in language_table() if code[:3] in {c[:3] for c in known[subtag]}]
    elif len(subtag) < 4:
        codes = _of_macrolanguage(subtag) if re.fullmatch("[a-z]{2,3}", subtag) else []
    else:
        near = difflib.get_close_matches(folded, known, n=3, cutoff=0.7)
        codes = list(dict.fromkeys(code for each in near for code in known[each]))
    return f"; nearest: {list_languages(codes)}" if codes else ""


def _of_macrolanguage(subtag: str) -> list[str]:
    """Return the languages of the table in the macrolanguage that a code is, or belongs to."""
    macro = macrolanguage(subtag)
    return [
        code for code in language_table() if macrolanguage(code[:3]) == macro and macro != code[:3]
    ]
