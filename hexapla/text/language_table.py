"""The table of languages, `data/languages.tsv`: the 204 rows of FLORES-200.

They are the 202 codes of NLLB, and `arb_Latn` and `min_Arab`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Language:
    """One row of the table.

    Attributes:
        code: The canonical code, `deu_Latn`; also the column name in a corpus and the NLLB token.
        name: The English name that FLORES-200 gives it; no two are equal.
        family: Its family according to Glottolog ("Turkic"), within Indo-European the branch
            ("Slavic"). A creole has the family of the language that gave it most of its words.
        bcp47: The tag for `lang=` attributes and dataset cards; no two are equal.
        m2m100: The M2M100 token. None where M2M100 lacks the language or cannot be told its script
            (`zho_Hant`).
        mteb: Every code under which MTEB's tasks file it, `deu-Latn` first.
        aliases: Further accepted spellings: ISO 639-2/B, withdrawn codes, other English names.
    """

    code: str
    name: str
    family: str
    bcp47: str
    m2m100: str | None
    mteb: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    @property
    def in_flores(self) -> bool:
        """TEMP."""
        return True

    @property
    def script(self) -> str:
        """The ISO 15924 code that the canonical code ends with."""
        return self.code[-4:]


@lru_cache(maxsize=1)
def language_table() -> dict[str, Language]:
    """Return the table by canonical code, in the order of the codes.

    It is read at first use, which keeps the import under 20 ms.
    """
    from importlib import resources

    table = resources.files("hexapla").joinpath("data", "languages.tsv").read_text(encoding="utf-8")
    languages = (_read_row(line) for line in table.splitlines()[1:])
    return {language.code: language for language in languages}


def _read_row(line: str) -> Language:
    code, name, family, bcp47, m2m100, mteb, aliases = (
        "" if cell == "-" else cell for cell in line.split("\t")
    )
    return Language(
        code=code,
        name=name,
        family=family,
        bcp47=bcp47,
        m2m100=m2m100 or None,
        mteb=(code.replace("_", "-"), *filter(None, mteb.split(","))),
        aliases=tuple(filter(None, aliases.split(","))),
    )
