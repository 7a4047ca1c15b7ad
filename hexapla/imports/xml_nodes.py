"""Files of XML -> their elements in order, streamed: gigabytes need no more memory than kilobytes.

The standard library's expat reads the files, and nothing in a stranger's file is fetched or
expanded: the first declaration of an entity, internal or external, is an error (real translation
memories have none), and no document type is ever loaded. What expat keeps until the end of a tag or
of the file is limited: the length of a text and of a tag, the depth, and the number of names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from hexapla.errors import InputError
from hexapla.imports.inline_code import InlineText
from hexapla.text.limits import MAX_COLUMNS, max_text_bytes, too_long
from hexapla.text.lines import COMPRESSIONS, damaged, open_bytes

_CHUNK_BYTES = 1 << 16
_MAX_DEPTH = 1000  # open elements; real files have fewer than 30
# Of the longest text, what a tag with its attributes, a comment or the definition of a code may
# have: expat and Python keep an attribute in 30 times the bytes that it takes in the file.
_TAG_SHARE, _CODE_SHARE = 8, 1024
_XML_LANG = "http://www.w3.org/XML/1998/namespace lang"
# Native code that is defined apart from the texts: XLIFF 2's <data>, and the tags of SDL's files.
_DEFINING = frozenset({"data", "bpt", "ept", "ph", "st"})
_DEFINITIONS = frozenset({"originalData", "tag"})
_SCOPES = _DEFINITIONS | {"file", "unit"}


class XmlNode(NamedTuple):
    """An element's start, its end, or a whole text with its element.

    Attributes:
        kind: "start", "end" or "text".
        name: The element without its namespace.
        attributes: Likewise; `lang` is xml:lang, or else a plain `lang`.
        line: Where the element starts.
        text: The text without inline codes.
        subflows: Texts within its native code.
        segments: Of each of its segments, by id, whether it has text.
    """

    kind: str
    name: str
    attributes: Mapping[str, str]
    line: int
    text: str = ""
    subflows: Sequence[str] = ()
    segments: Mapping[str, bool] | None = None


def xml_nodes(
    path: Path,
    root: str,
    with_text: Collection[str],
    starts: Collection[str] | None = None,
    ends: Collection[str] | None = None,
) -> Iterator[XmlNode]:
    """Yield the elements of a file in order.

    Args:
        path: The file, plain or compressed.
        root: The name of its first element.
        with_text: An element of these is one node with all its text; the elements within it are
            inline codes and are not yielded.
        starts: The other elements whose start is yielded; None yields all.
        ends: Likewise of their ends.

    Raises:
        InputError: XML that is not well-formed, an entity, an encoding that cannot be read, another
            root, or what is beyond a limit; the line is named.
    """
    collector = _Collector(path, root, with_text, starts, ends)
    try:
        for chunk in _chunks(path, collector):
            collector.parser.Parse(chunk, False)
            collector.check_limits()
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


def _chunks(path: Path, collector: _Collector) -> Iterator[bytes]:
    """Yield the bytes of a file.

    expat reads an unfinished tag again with each chunk. So the chunks of a long one grow with it,
    and the time remains linear.
    """
    with open_bytes(path) as file:
        try:
            while chunk := file.read(max(_CHUNK_BYTES, collector.n_unfinished)):
                collector.n_fed += len(chunk)
                yield chunk
        except OSError as error:
            raise damaged(path, error) if path.suffix.lower() in COMPRESSIONS else error from error


class _Collector:
    """Turns the parser's callbacks into nodes. The callbacks are the hot path of an import."""

    def __init__(
        self,
        path: Path,
        root: str,
        with_text: Collection[str],
        starts: Collection[str] | None,
        ends: Collection[str] | None,
    ) -> None:
        self._path = path
        self._root = root
        self._with_text = frozenset(with_text)
        self._starts = starts
        self._ends = ends
        self._nodes: list[XmlNode] = []
        self._inline = InlineText()
        self._text_of = ""  # the element whose text is being read
        self._attributes: Mapping[str, str] = {}  # of that
        self._line = 0  # of that
        self._depth = 0  # open elements within it
        self._definition = ""  # id of the code that is being defined
        self._n_open = 0  # open elements in all
        self._text_begin = 0  # byte at which the text begins
        self._prefixes: set[str | None] = set()
        self._max_bytes = max_text_bytes()
        self.n_fed = 0  # bytes given to the parser
        self.parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.EntityDeclHandler = self._refuse_declaration
        parser.SkippedEntityHandler = self._refuse_reference
        parser.StartNamespaceDeclHandler = self._add_prefix

    @property
    def n_unfinished(self) -> int:
        """Bytes of a tag, comment or instruction that has not ended."""
        return self.n_fed - max(0, self.parser.CurrentByteIndex)

    def check_limits(self) -> None:
        """Refuse what grows beyond a limit.

        Raises:
            InputError: A text, a tag or a comment is too long, or there are too many names.
        """
        if self._text_of and self.n_fed - self._text_begin > self._max_bytes:
            raise too_long(f"{self._path}:{self._line}", f"the text of <{self._text_of}>")
        max_tag = self._max_bytes // _TAG_SHARE
        if self.n_unfinished > max_tag:
            place = f"{self._path}:{self.parser.CurrentLineNumber}"
            raise too_long(place, "a tag or comment", max_tag)
        if len(self.parser.intern) + len(self._prefixes) > MAX_COLUMNS:
            raise InputError(
                f"{self._path}:{self.parser.CurrentLineNumber}: more than {MAX_COLUMNS:,} names of "
                "elements and attributes; real files have fewer than 100"
            )

    def _add_prefix(self, prefix: str | None, _: str | None) -> None:
        self._prefixes.add(prefix)

    def take(self) -> list[XmlNode]:
        nodes, self._nodes = self._nodes, []
        return nodes

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        name = qualified[qualified.rfind(" ") + 1 :]
        self._n_open += 1
        if self._n_open > _MAX_DEPTH:
            self._refuse_depth()
        if self._text_of:
            self._depth += 1
            self._inline.start(name, _local(attributes))
        elif name in self._with_text or (self._definition and name in _DEFINING):
            self._check_root(name)
            self._text_of = name
            self._attributes = _local(attributes)
            self._line = self.parser.CurrentLineNumber
            self._text_begin = self.parser.CurrentByteIndex
            self._inline.clear()
            self.parser.CharacterDataHandler = self._inline.data
        elif self._starts is None or name in self._starts:
            self._check_root(name)
            line = self.parser.CurrentLineNumber
            node = XmlNode("start", name, _local(attributes), line)
            self._nodes.append(node)
            if name in _SCOPES:
                self._enter(node)
        else:
            self._check_root(name)

    def _check_root(self, name: str) -> None:
        if self._root and name != self._root:
            raise InputError(f"{self._path}: the root is <{name}>; its ending says <{self._root}>")
        self._root = ""

    def _enter(self, node: XmlNode) -> None:
        """Begin to define codes, or forget those of the file or unit before."""
        if node.name in _DEFINITIONS:
            self._definition = node.attributes.get("id", node.name)
        else:
            self._inline.codes.clear()

    def _refuse_depth(self) -> None:
        raise InputError(
            f"{self._path}:{self.parser.CurrentLineNumber}: elements within one another to more "
            f"than {_MAX_DEPTH:,} levels; real files have fewer than 30"
        )

    def _end(self, qualified: str) -> None:
        self._n_open -= 1
        if self._depth:
            self._depth -= 1
            self._inline.end()
        elif self._text_of:
            self._end_text()
            self._text_of = ""
            self.parser.CharacterDataHandler = None
        else:
            name = qualified[qualified.rfind(" ") + 1 :]
            if self._ends is None or name in self._ends:
                self._nodes.append(XmlNode("end", name, {}, self.parser.CurrentLineNumber))
                if name in _DEFINITIONS:
                    self._definition = ""

    def _end_text(self) -> None:
        """Add a text to the nodes, or a definition to the codes."""
        name, attributes, inline = self._text_of, self._attributes, self._inline
        text = inline.text()
        if name in self._with_text:
            self._nodes.append(
                XmlNode(
                    "text", name, attributes, self._line, text, inline.subflows, inline.segments
                )
            )
            return
        key = attributes.get("id", "") if name == "data" else self._definition
        inline.codes[key] = code = inline.codes.get(key, "") + text
        max_code = self._max_bytes // _CODE_SHARE
        if len(code) > max_code:
            raise too_long(f"{self._path}:{self._line}", f"the code {key[:40]}", max_code)

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


def _local(attributes: Mapping[str, str]) -> Mapping[str, str]:
    """Return attributes without namespaces; one with a namespace never hides one without.

    Of xml:lang and a plain `lang`, the first counts unless it is empty.
    """
    if not attributes:
        return attributes
    if len(attributes) == 1 and _XML_LANG in attributes:  # by far the most frequent case of TMX
        return {"lang": attributes[_XML_LANG]}
    if " " not in "".join(attributes):
        return attributes
    local = {}
    for key, value in attributes.items():
        name = key.rpartition(" ")[2]
        if name == key or name not in attributes:
            local[name] = value
    lang = attributes.get(_XML_LANG, "").strip()
    if lang:
        local["lang"] = lang
    return local
