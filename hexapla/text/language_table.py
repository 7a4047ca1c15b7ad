"""The table of languages, `data/languages.tsv`.

Its rows are the 204 of FLORES-200 (the 202 codes of NLLB, and `arb_Latn` and `min_Arab`); scripts
in which people write these languages besides, such as Serbian in Latin; and further languages: all
of ISO 639-1 that are written, and those of MTEB's tasks for text. It lacks the languages that only
MTEB's Bible task or its tasks for speech have, and codes of MTEB's that name another script or
language than the text is in (`mon-Mong`, `orm-Ethi`, `ell-Latn`, `dza-Arab`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Language:
    """One row of the table.

    Attributes:
        code: The canonical code, `deu_Latn`; also the column name in a corpus and, where NLLB has
            the language, its token.
        name: The English name, that of FLORES-200 where it has one; no two are equal.
        family: Its family according to Glottolog ("Turkic"), within Indo-European the branch
            ("Slavic"). A creole has the family of the language that gave it most of its words.
        bcp47: The tag for `lang=` attributes and dataset cards; no two are equal.
        in_flores: Whether FLORES-200 has it. A bare short code or English name of a language that
            FLORES-200 has means its row there, never one that was added to the table.
        in_nllb: Whether NLLB translates it.
        m2m100: The M2M100 token. None where M2M100 lacks the language or cannot be told its script
            (`zho_Hant`, `srp_Latn`).
        mteb: Every code under which MTEB's tasks file it, `deu-Latn` first; a language that MTEB
            lacks has that one too.
        aliases: Further accepted spellings: ISO 639-2/B, withdrawn codes, other English names.
    """

    code: str
    name: str
    family: str
    bcp47: str
    in_flores: bool
    in_nllb: bool
    m2m100: str | None
    mteb: tuple[str, ...]
    aliases: tuple[str, ...] = ()

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
    code, name, family, bcp47, flores, nllb, m2m100, mteb, aliases = (
        "" if cell == "-" else cell for cell in line.split("\t")
    )
    return Language(
        code=code,
        name=name,
        family=family,
        bcp47=bcp47,
        in_flores=flores == "yes",
        in_nllb=nllb == "yes",
        m2m100=m2m100 or None,
        mteb=(code.replace("_", "-"), *filter(None, mteb.split(","))),
        aliases=tuple(filter(None, aliases.split(","))),
    )
