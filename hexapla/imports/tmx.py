"""TMX -> entries: every translation unit of a file, with the text of each of its variants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hexapla.errors import InputError
from hexapla.imports.entries import ImportEntry
from hexapla.imports.xml_nodes import XmlNode, xml_nodes
from hexapla.text.language_tags import LanguageTags, TagMeaning

NO_SEGMENT = "no segment"
OUTSIDE = "outside <tu>"
SUBFLOW = "text within native code"

_WITH_TEXT = frozenset({"seg"})
_OTHERS = frozenset({"tmx", "tu", "tuv"})


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
    n_segments = n_before = 0
    for node in xml_nodes(path, "tmx", _WITH_TEXT, _OTHERS):
        if node.kind == "text":
            n_segments += 1
            texts.append((meaning, node.text))
            subflows += [(meaning, text) for text in node.subflows]
        elif node.name == "tuv":
            if node.kind == "start":
                tag = node.attributes.get("lang", "").strip()
                if tag not in meanings:
                    meanings[tag] = _meaning(tag, node, path, tags)
                meaning, n_before = meanings[tag], len(texts)
            elif len(texts) == n_before:
                texts.append((meaning, ""))
        elif node.name == "tu":
            if node.kind == "end":
                yield ImportEntry(texts) if n_segments else ImportEntry((), NO_SEGMENT)
                if subflows:
                    yield ImportEntry(subflows, SUBFLOW)
            elif texts:
                yield ImportEntry(texts, OUTSIDE)
            texts, subflows, n_segments = [], [], 0
    if texts:
        yield ImportEntry(texts, OUTSIDE)


def _meaning(tag: str, node: XmlNode, path: Path, tags: LanguageTags) -> TagMeaning:
    place = f"{path}:{node.line}"
    if not tag and tags.asked is None:
        raise InputError(
            f"{place}: the <tuv> has no xml:lang, so nothing says its language; "
            "give it one, or leave it out by naming all languages to keep with --languages"
        )
    return tags.resolve(tag, place)
