"""TMX and XLIFF (1.2, 2.x) -> entries, streamed: gigabytes need no more memory than kilobytes.

The standard library's expat reads the files, and nothing in a stranger's file is fetched or
expanded: the first declaration of an entity, internal or external, is an error (real translation
memories have none), and no document type is ever loaded. Within a text, markup is dropped. So is
what TMX and XLIFF call native code (`<ph>` and others), which is markup of the original file; only
the placeholder of a line break becomes a space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from hexapla.errors import InputError
from hexapla.imports.entries import Entry
from hexapla.text.language_tags import LanguageTags
from hexapla.text.lines import COMPRESSIONS, damaged, open_bytes

_NATIVE_CODE = frozenset({"bpt", "ept", "it", "ph", "ut"})
_LINE_BREAKS = frozenset({"lb", "xlf:lb"})
_CHUNK_BYTES = 1 << 16
_IN_TMX = frozenset({"seg"})
_IN_XLIFF = frozenset({"source", "target"})


def read_tmx(path: Path, tags: LanguageTags, left_out: Counter[str]) -> Iterator[Entry]:
    """Yield every translation unit, with the first of several variants in one language.

    Raises:
        InputError: XML that is not well-formed, an entity, another format than TMX, or a tag that
            `tags` refuses; the line is named.
    """
    entry: Entry = {}
    tag = ""
    for node in _nodes(path, "tmx", _IN_TMX):
        if node.kind == "start" and node.name == "tu":
            entry = {}
        elif node.kind == "start" and node.name == "tuv":
            tag = node.attributes.get("lang", "").strip()
            if not tag and tags.asked is None:
                raise InputError(
                    f"{path}:{node.line}: the <tuv> has no xml:lang, so nothing says its language; "
                    "give it one, or leave it out by naming all languages to keep with --languages"
                )
        elif node.kind == "text":
            if entry.setdefault(tags.code(tag, f"{path}:{node.line}"), node.text) != node.text:
                left_out["second variant in a language"] += 1
        elif node.kind == "end" and node.name == "tu":
            yield entry


def read_xliff(path: Path, tags: LanguageTags, left_out: Counter[str]) -> Iterator[Entry]:
    """Yield every translated unit of XLIFF 1.2, or segment of 2.x.

    One whose state says that it needs work (`new`, `initial` or `needs-...`) is left out as fuzzy.
    Proposals of a translation memory (`alt-trans`, `matches`) are not read.

    Raises:
        InputError: As for `read_tmx`; or neither the file nor its name says its target language.
    """
    languages: dict[str, str] = {}
    within: list[str] = []
    entry: Entry = {}
    state = ""
    for node in _nodes(path, "xliff", _IN_XLIFF):
        if node.kind == "start":
            within.append(node.name)
            if node.name in ("xliff", "file"):
                languages |= _declared(node)
            elif node.name in ("trans-unit", "segment"):
                entry, state = {}, node.attributes.get("state", "")
        elif node.kind == "text" and within[-1:] in (["trans-unit"], ["segment"]):
            tag = node.attributes.get("lang") or languages.get(node.name, "")
            state = node.attributes.get("state", state)
            place = f"{path}:{node.line}"
            code = tags.code(tag, place) if tag else tags.of_file(path)
            if code is None:
                raise InputError(
                    f"{place}: the file does not say its {node.name} language; "
                    "name it with --languages"
                )
            entry[code] = node.text
        elif node.kind == "end":
            within.pop()
            if node.name in ("trans-unit", "segment"):
                is_fuzzy = state in ("new", "initial") or state.startswith("needs-")
                if is_fuzzy and len(entry) > 1:
                    left_out["fuzzy"] += 1
                    entry = {}
                yield entry


def _declared(node: _Node) -> dict[str, str]:
    """Return the source and target language that `<file>` (1.2) or `<xliff>` (2.x) declares."""
    names = {
        "source-language": "source",
        "srcLang": "source",
        "target-language": "target",
        "trgLang": "target",
    }
    return {names[key]: tag for key, tag in node.attributes.items() if key in names and tag}


class _Node(NamedTuple):
    """An element's start, its end, or a whole text with its element."""

    kind: str
    name: str
    attributes: dict[str, str]
    text: str
    line: int


def _nodes(path: Path, root: str, with_text: frozenset[str]) -> Iterator[_Node]:
    """Yield the elements of a file in order.

    An element of `with_text` is one node with all its text; the elements within it are not yielded.
    """
    collector = _Collector(path, root, with_text)
    try:
        for chunk in _chunks(path):
            collector.parser.Parse(chunk, False)
            yield from collector.take()
        collector.parser.Parse(b"", True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise InputError(
            f"{path}:{error.lineno}: not well-formed XML: {reason} at column {error.offset + 1}"
        ) from error
    except (ValueError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} is in an encoding that cannot be read ({error}); save the file as UTF-8"
        ) from error
    yield from collector.take()


def _chunks(path: Path) -> Iterator[bytes]:
    with open_bytes(path) as file:
        try:
            yield from iter(lambda: file.read(_CHUNK_BYTES), b"")
        except OSError as error:
            raise damaged(path, error) if path.suffix.lower() in COMPRESSIONS else error from error


class _Collector:
    """Turns the parser's calls into nodes."""

    def __init__(self, path: Path, root: str, with_text: frozenset[str]) -> None:
        self._path = path
        self._root = root
        self._with_text = with_text
        self._nodes: list[_Node] = []
        self._text_of: _Node | None = None
        self._parts: list[str] = []
        self._n_native = 0  # open elements of native code
        self.parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.EntityDeclHandler = self._refuse_declaration
        parser.SkippedEntityHandler = self._refuse_reference

    def take(self) -> list[_Node]:
        nodes, self._nodes = self._nodes, []
        return nodes

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        name = qualified.rpartition(" ")[2]
        if self._root and name != self._root:
            raise InputError(f"{self._path}: the root is <{name}>; its ending says <{self._root}>")
        self._root = ""
        if self._text_of is not None:
            self._n_native += name in _NATIVE_CODE
            if _LINE_BREAKS & {attributes.get(key) for key in ("type", "ctype", "subType")}:
                self._parts.append(" ")
            return
        local = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        node = _Node("start", name, local, "", self.parser.CurrentLineNumber)
        if name in self._with_text:
            self._text_of = node
            self._parts.clear()
        else:
            self._nodes.append(node)

    def _end(self, qualified: str) -> None:
        name = qualified.rpartition(" ")[2]
        if self._text_of is None:
            self._nodes.append(_Node("end", name, {}, "", self.parser.CurrentLineNumber))
        elif name == self._text_of.name:
            self._nodes.append(self._text_of._replace(kind="text", text="".join(self._parts)))
            self._text_of = None
        else:
            self._n_native -= name in _NATIVE_CODE

    def _data(self, text: str) -> None:
        if self._text_of is not None and not self._n_native:
            self._parts.append(text)

    def _refuse_declaration(self, name: str, *_: object) -> None:
        place = f"{self._path}:{self.parser.CurrentLineNumber}"
        raise InputError(
            f'{place}: the file declares the entity "{name}"; '
            "entities are never expanded: write the text"
        )

    def _refuse_reference(self, name: str, *_: object) -> None:
        place = f"{self._path}:{self.parser.CurrentLineNumber}"
        raise InputError(
            f'{place}: the entity "&{name};" is not declared; write the character itself, or &#...;'
        )
