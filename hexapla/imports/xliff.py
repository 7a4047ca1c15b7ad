"""XLIFF (1.2 and 2.x) -> entries: every unit of 1.2, every segment of 2.x.

A unit that is not for translation (`translate="no"`, on it or on what it is in) is left out, and so
is one that is unfinished (see `xliff_states.py`), unless it is asked for. Proposals of a
translation memory (`alt-trans`, `matches`) are no units and are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from hexapla.errors import InputError
from hexapla.imports.accelerators import strip_accelerator
from hexapla.imports.entries import ImportEntry
from hexapla.imports.tmx import NO_SEGMENT, SUBFLOW
from hexapla.imports.xliff_states import why_unfinished
from hexapla.imports.xml_nodes import XmlNode, xml_nodes
from hexapla.text.language_tags import LanguageTags, TagMeaning
from hexapla.text.limits import MAX_COLUMNS

NOT_FOR_TRANSLATION = "not for translation"
PARTLY_TRANSLATED = "partly translated"

_WITH_TEXT = frozenset({"source", "seg-source", "target"})
_UNITS = frozenset({"trans-unit", "segment"})
_DECLARATIONS = {
    "source-language": "source",
    "srcLang": "source",
    "target-language": "target",
    "trgLang": "target",
}


class _Open(NamedTuple):
    """An open element, and whether its content may be translated."""

    name: str
    is_translated: bool


def read_xliff(
    path: Path,
    tags: LanguageTags,
    *,
    keep_unfinished: bool = False,
    strip_accelerators: bool = False,
) -> Iterator[ImportEntry]:
    """Yield every unit, with its source and its target.

    Each `<file>` says its languages. Where it does not say that of its targets, it is taken from
    the file's name or folder, or else it is the only one asked for. Texts within native code
    (`<sub>`) are an entry of their own, which is left out.

    Args:
        path: The file, plain or compressed.
        tags: What its languages may be.
        keep_unfinished: Whether unfinished and unapproved units may be used.
        strip_accelerators: Whether the markers of menu keys are removed from all texts.

    Raises:
        InputError: As for `read_tmx`; or a file does not say its source language, or neither the
            file nor its name its target language.
    """
    languages = _Languages(path, tags)
    within = [_Open("", is_translated=True)]
    unit = _Unit()
    for node in xml_nodes(path, "xliff", _WITH_TEXT):
        if node.kind == "start":
            translate = node.attributes.get("translate", "")
            is_translated = translate == "yes" or (translate != "no" and within[-1].is_translated)
            within.append(_Open(node.name, is_translated))
            languages.declare(node)
            if node.name in _UNITS:
                unit = _Unit(node.attributes)
            elif node.name == "seg":
                # SDL writes no `conf` for a segment that nobody has worked on.
                unit.marks.append({"conf": "Unspecified"} | dict(node.attributes))
        elif node.kind == "text":
            if within[-1].name in _UNITS:
                unit.add(node, languages)
                if unit.n_texts > MAX_COLUMNS:
                    raise InputError(
                        f"{path}:{node.line}: more than {MAX_COLUMNS:,} texts in one unit"
                    )
        else:
            ended = within.pop()
            if ended.name in _UNITS:
                why_not = "" if ended.is_translated else NOT_FOR_TRANSLATION
                if not keep_unfinished:
                    why_not = why_not or unit.why_unfinished()
                yield from unit.entries(why_not, strip_accelerators)


class _Languages:
    """The languages of the `<file>` that is being read."""

    def __init__(self, path: Path, tags: LanguageTags) -> None:
        self._path = path
        self._tags = tags
        self._of_all: dict[str, str] = {}
        self._declared: dict[str, str] = {}
        self._known: dict[tuple[str, str, bool], TagMeaning] = {}

    def declare(self, node: XmlNode) -> None:
        """Take what an `<xliff>` says of all its files, or a `<file>` of itself."""
        if node.name not in ("xliff", "file"):
            return
        declared = {
            _DECLARATIONS[key]: tag.strip()
            for key, tag in node.attributes.items()
            if key in _DECLARATIONS and tag.strip()
        }
        if node.name == "xliff":
            self._of_all = declared
        self._declared = self._of_all | declared

    def meaning(self, node: XmlNode) -> TagMeaning:
        """Return the language of a text.

        Raises:
            InputError: Nothing says it, or its tag is refused.
        """
        own = node.attributes.get("lang", "").strip()
        key = (node.name, own or self._declared.get(node.name, ""), bool(own))
        if key not in self._known:
            self._known[key] = self._resolve(*key, place=f"{self._path}:{node.line}")
        return self._known[key]

    def _resolve(self, element: str, tag: str, is_own: bool, place: str) -> TagMeaning:
        if element == "source" and not tag:
            raise InputError(
                f"{place}: the file does not say its source language; "
                'add source-language="..." to <file>, or srcLang="..." to <xliff> in XLIFF 2'
            )
        if tag and (is_own or element == "source"):
            return self._tags.resolve(tag, place)
        if (meaning := self._tags.of_header(tag, self._path, place)) is not None:
            return meaning
        raise InputError(
            f"{place}: the file does not say its target language; name it with --languages, "
            "or name the file like app.de.xlf"
        )


class _Unit:
    """What is known of the unit that is being read."""

    def __init__(self, attributes: Mapping[str, str] | None = None) -> None:
        self.marks: list[Mapping[str, str]] = [attributes or {}]
        self._texts: list[tuple[TagMeaning, str]] = []
        self._subflows: list[tuple[TagMeaning, str]] = []
        self._has_target = self._is_partial = False
        self._source_segments: Mapping[str, bool] = {}

    @property
    def n_texts(self) -> int:
        """How many texts it has, those within native code too."""
        return len(self._texts) + len(self._subflows)

    def add(self, node: XmlNode, languages: _Languages) -> None:
        """Add a source or a target, or the segments of the source."""
        segments = node.segments or {}
        if node.name == "seg-source":
            self._source_segments = segments
            return
        meaning = languages.meaning(node)
        self._texts.append((meaning, node.text))
        self._subflows += [(meaning, text) for text in node.subflows]
        if node.name == "target":
            self.marks.append(node.attributes)
            self._has_target = self._has_target or bool(node.text.strip())
            wanted = self._source_segments or dict.fromkeys(segments, True)
            self._is_partial = bool(segments) and any(
                has_text and not segments.get(segment, False)
                for segment, has_text in wanted.items()
            )

    def why_unfinished(self) -> str:
        """Return why the translation is not finished; one that is missing is no such reason."""
        if not self._has_target:
            return ""
        return why_unfinished(self.marks) or (PARTLY_TRANSLATED if self._is_partial else "")

    def entries(self, why_not: str, strip_accelerators: bool) -> Iterator[ImportEntry]:
        """Yield the unit, and the texts within its native code, which are left out."""
        if strip_accelerators:
            self._texts = [(of, strip_accelerator(text)) for of, text in self._texts]
        yield ImportEntry(self._texts, why_not or ("" if self._texts else NO_SEGMENT))
        if self._subflows:
            yield ImportEntry(self._subflows, SUBFLOW)
