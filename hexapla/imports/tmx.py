"""TMX -> entries: every translation unit of a file, with the text of each of its variants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hexapla.errors import InputError
from hexapla.imports.entries import ImportEntry
from hexapla.imports.xml_nodes import xml_nodes
from hexapla.text.language_tags import LanguageTags, TagMeaning
from hexapla.text.limits import MAX_COLUMNS, max_text_bytes, too_long

NO_SEGMENT = "no segment"
OUTSIDE = "outside <tu>"
SUBFLOW = "text within native code"

_WITH_TEXT = frozenset({"seg"})
_STARTS = frozenset({"tu", "tuv"})
_ENDS = frozenset({"tu"})


def read_tmx(path: Path, tags: LanguageTags) -> Iterator[ImportEntry]:
    """Yield every translation unit, with all its variants.

    Texts within the native code of a unit (`<sub>`) are an entry of their own, which is left out.

    Raises:
        InputError: XML that is not well-formed, an entity, another format than TMX, a variant
            without a language, or a tag that `tags` refuses; the line is named.
    """
    meanings: dict[str, TagMeaning] = {}
    texts: list[tuple[TagMeaning, str]] = []
    subflows: list[tuple[TagMeaning, str]] = []
    meaning = TagMeaning("")
    n_characters, max_characters = 0, max_text_bytes()  # of a unit
    has_segments = is_open = False  # is_open: the variant has no segment so far
    for kind, name, attributes, line, text, within_code, _ in xml_nodes(
        path, "tmx", _WITH_TEXT, _STARTS, _ENDS
    ):
        if kind == "text":
            texts.append((meaning, text))
            n_characters += len(text)
            if n_characters > max_characters:
                raise too_long(f"{path}:{line}", "the unit")
            has_segments, is_open = True, False
            if within_code:
                subflows += [(meaning, each) for each in within_code]
            continue
        if is_open:
            texts.append((meaning, ""))
            is_open = False
        if name == "tuv":
            if len(texts) > MAX_COLUMNS:
                raise InputError(f"{path}:{line}: more than {MAX_COLUMNS:,} variants in one unit")
            tag = attributes.get("lang", "").strip()
            if tag not in meanings:
                meanings[tag] = _meaning(tag, f"{path}:{line}", tags)
            meaning, is_open = meanings[tag], True
            continue
        if kind == "end":
            yield ImportEntry(texts) if has_segments else ImportEntry((), NO_SEGMENT)
            if subflows:
                yield ImportEntry(subflows, SUBFLOW)
        elif texts:
            yield ImportEntry(texts, OUTSIDE)
        texts, subflows, has_segments, n_characters = [], [], False, 0
    if texts:
        yield ImportEntry(texts, OUTSIDE)


def _meaning(tag: str, place: str, tags: LanguageTags) -> TagMeaning:
    if not tag and tags.asked is None:
        raise InputError(
            f"{place}: the <tuv> has no xml:lang, so nothing says its language; "
            "give it one, or leave it out by naming all languages to keep with --languages"
        )
    return tags.resolve(tag, place)
