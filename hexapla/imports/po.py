"""A PO file (gettext's messages) -> entries, with the original texts in the pivot.

Obsolete messages are left out, and so are fuzzy ones unless they are asked for. Of a message with
plural forms, the singular is read, with the form that the file's plural rule gives for 1; its other
forms are an entry of their own that is left out. Contexts are no text: a text that is translated in
two ways in two contexts is a conflict like any other.
"""

from __future__ import annotations

import gettext
import logging
import re
import tempfile
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hexapla.errors import InputError
from hexapla.imports.accelerators import strip_accelerator
from hexapla.imports.entries import ImportEntry
from hexapla.imports.kde_messages import kde_message
from hexapla.text.language_tags import LanguageTags, TagMeaning
from hexapla.text.limits import max_text_bytes, too_long
from hexapla.text.lines import COMPRESSIONS, damaged, open_bytes
from hexapla.text.special_files import refuse_special

if TYPE_CHECKING:
    import polib

FUZZY = "fuzzy"
OBSOLETE = "obsolete"
OTHER_PLURALS = "other plural forms"
NO_PLURAL_RULE = "plural forms without a rule that can be read"

_LANGUAGE_HEADERS = ("Language", "X-Language", "X-Poedit-Language")

_FILE = "the file, which is read whole,"
_MAX_FILE = 2  # times the longest text: polib keeps 10 times the bytes of a file
_MESSAGE_SHARE = 64  # of the longest text, what a message of many lines may have
_BLOCK_BYTES = 1 << 20

_log = logging.getLogger(__name__)


def read_po(
    path: Path,
    tags: LanguageTags,
    *,
    keep_unfinished: bool = False,
    strip_accelerators: bool = False,
) -> Iterator[ImportEntry]:
    """Yield every message of a PO file.

    The language of the translations is taken from the header, or else from the file's name or
    folder, or else it is the only one asked for.

    Args:
        path: The file, plain or compressed.
        tags: What its language may be.
        keep_unfinished: Whether fuzzy messages may be used.
        strip_accelerators: Whether the markers of menu keys are removed from all texts.

    Raises:
        InputError: The file is not PO, not in the encoding of its header, or in an unknown
            language.
    """
    messages = _parse(path)
    meaning = _language(path, messages.metadata, tags)
    pivot = TagMeaning(tags.pivot)
    singular: int | None = 0
    if any(message.msgid_plural for message in messages):
        singular = _singular_form(path, messages.metadata.get("Plural-Forms", ""))
    for message in messages:
        why_not = OBSOLETE if message.obsolete else ""
        if message.fuzzy and not keep_unfinished:
            why_not = why_not or FUZZY
        for original, translations, reason in _units(message, singular):
            texts = [(pivot, original), *((meaning, text) for text in translations)]
            if strip_accelerators:
                texts = [(of, strip_accelerator(text)) for of, text in texts]
            yield ImportEntry(texts, why_not or reason)


def _units(message: polib.POEntry, singular: int | None) -> Iterator[tuple[str, list[str], str]]:
    """Yield each form of a message as (original, translations, why it is left out).

    Args:
        message: The message.
        singular: The plural form for 1; None if it is not known.
    """
    if message.msgid_plural:
        originals, forms = [message.msgid, message.msgid_plural], dict(message.msgstr_plural)
    else:
        originals, translations = kde_message(message.msgid, message.msgstr)
        forms = dict(enumerate(translations))
    if len(originals) == 1:
        yield originals[0], list(forms.values()), ""
        return
    if singular is None:
        yield originals[0], list(forms.values()), NO_PLURAL_RULE
        yield originals[1], [], NO_PLURAL_RULE
        return
    yield originals[0], [forms.pop(singular, "")], ""
    yield originals[1], list(forms.values()), OTHER_PLURALS


def _language(path: Path, header: dict[str, str], tags: LanguageTags) -> TagMeaning:
    stated = (header.get(key, "").strip() for key in _LANGUAGE_HEADERS)
    meaning = tags.of_header(next(filter(None, stated), ""), path, f"{path}, header")
    if meaning is None:
        raise InputError(
            f"{path} does not say its language; "
            "name it like de.po, or give --languages with one language"
        )
    if meaning.code == tags.pivot:
        raise InputError(
            f"{path} has its translations in {tags.pivot}, "
            "the pivot, in which PO has the originals; see --pivot"
        )
    return meaning


def _parse(path: Path) -> polib.POFile:
    try:
        import polib
    except ImportError as error:
        raise InputError("PO files are read by polib; pip install 'hexapla[import]'") from error
    with _plain(path) as file:
        _check_messages(path, file)
        encoding = "utf-16" if _is_utf16(file) else polib.detect_encoding(str(file))
        try:
            return polib.pofile(str(file), encoding=encoding)
        except UnicodeDecodeError:
            raise _undecodable(path, file, encoding) from None
        except OSError as error:
            raise InputError(
                f"{path} is no PO file: {str(error).replace(str(file), str(path))}"
            ) from error


def _is_utf16(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE)


@contextmanager
def _plain(path: Path) -> Iterator[Path]:
    """Give the path of an uncompressed file, a temporary one if `path` is compressed.

    polib does not read streams, and would split a text given as such at more than newlines.
    """
    max_bytes = _MAX_FILE * max_text_bytes()
    if path.suffix.lower() not in COMPRESSIONS:
        refuse_special(path)
        if path.stat().st_size > max_bytes:
            raise too_long(str(path), _FILE, max_bytes)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="hexapla-po-") as folder:
        file = Path(folder, path.stem)
        with open_bytes(path) as compressed, file.open("wb") as plain:
            try:
                while block := compressed.read(_BLOCK_BYTES):
                    plain.write(block)
                    if plain.tell() > max_bytes:
                        raise too_long(str(path), _FILE, max_bytes)
            except OSError as error:
                raise damaged(path, error) from error
        yield file


def _check_messages(path: Path, file: Path) -> None:
    """Refuse a message or a comment of so many lines that polib would not come to its end.

    polib adds line to line, which takes a time that grows with the square of their number.

    Raises:
        InputError: There is one; its first line is named.
    """
    max_bytes = max_text_bytes() // _MESSAGE_SHARE
    kind, first, n_bytes = b"", 0, 0
    with open_bytes(file) as lines:
        for number, line in enumerate(lines, start=1):
            begin = line.lstrip(b" \t\r\0\xff\xfe\xef\xbb\xbf")[:1]
            if begin != kind or begin not in (b'"', b"#"):
                kind, first, n_bytes = begin, number, 0
            n_bytes += len(line)
            if n_bytes > max_bytes and number > first:
                raise too_long(f"{path}:{first}", "the message", max_bytes)


def _undecodable(path: Path, file: Path, encoding: str) -> InputError:
    """Return the error for a file in another encoding, with the line.

    The line is searched for, because the decoder's position counts from its last read.
    """
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return InputError(
                    f"{path}:{number}: byte {error.start + 1} of the line is not {encoding}, "
                    "the encoding of the header or UTF-8; save the file as UTF-8"
                )
    return InputError(
        f"{path} is not {encoding}, the encoding of its header; save the file as UTF-8"
    )


def _singular_form(path: Path, rule: str) -> int | None:
    """Return the plural form for 1 by a header's rule: 0 in most languages, 1 in Arabic.

    Without a rule, or with the placeholder of a template, it is 0, as for gettext itself. It is
    None, with a warning, if the rule cannot be read.

    >>> _singular_form(Path("ar.po"), "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : 2;")
    1
    """
    found = re.search(r"plural\s*=([^;]*)", rule.replace(r"\n", " "))
    expression = found[1].strip() if found else ""
    if expression in ("", "EXPRESSION"):
        return 0
    try:
        return int(gettext.c2py(expression)(1))
    except (ValueError, ZeroDivisionError) as error:
        _log.warning(
            "%s, header: Plural-Forms cannot be read: %s; messages with plural forms are left out",
            path,
            error,
        )
        return None
