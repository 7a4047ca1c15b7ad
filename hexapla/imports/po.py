"""A PO file (gettext's messages) -> entries, with the original texts in the pivot.

Only finished translations are read: fuzzy, obsolete and untranslated messages are counted and left
out. Of a message with plural forms, the singular is read, with the form that the file's plural rule
gives for 1. Contexts are ignored: a text that is translated in two ways in two contexts is a
conflict like any other.
"""

from __future__ import annotations

import gettext
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hexapla.errors import InputError
from hexapla.imports.entries import Entry
from hexapla.text.language_tags import LanguageTags
from hexapla.text.lines import COMPRESSIONS, damaged, open_bytes

if TYPE_CHECKING:
    import polib


def read_po(path: Path, tags: LanguageTags, left_out: Counter[str]) -> Iterator[Entry]:
    """Yield every message of a PO file; one that is left out is an empty entry.

    The language of the translations is taken from the header, or else from the file's name or
    folder, or else it is the only one asked for.

    Raises:
        InputError: The file is not PO, not in the encoding of its header, or in an unknown
            language.
    """
    messages = _parse(path)
    tag = messages.metadata.get("Language", "").strip()
    code = tags.code(tag, f"{path}, header") if tag else tags.of_file(path)
    if code is None:
        raise InputError(
            f"{path} does not say its language; "
            "name it like de.po, or give --languages with one language"
        )
    if code == tags.pivot:
        raise InputError(
            f"{path} has its translations in {tags.pivot}, "
            "the pivot, in which PO has the originals; see --pivot"
        )
    singular = _singular_form(path, messages.metadata.get("Plural-Forms", ""))
    for message in messages:
        text = message.msgstr_plural.get(singular, "") if message.msgid_plural else message.msgstr
        if message.obsolete or message.fuzzy:
            left_out["obsolete" if message.obsolete else "fuzzy"] += 1
            yield {}
        else:
            yield {tags.pivot: message.msgid, code: text}


def _parse(path: Path) -> polib.POFile:
    try:
        import polib
    except ImportError as error:
        raise InputError("PO files are read by polib; pip install 'hexapla[import]'") from error
    with _plain(path) as file:
        encoding = polib.detect_encoding(str(file))
        try:
            return polib.pofile(str(file), encoding=encoding)
        except UnicodeDecodeError:
            raise _undecodable(path, file, encoding) from None
        except OSError as error:
            raise InputError(
                f"{path} is no PO file: {str(error).replace(str(file), str(path))}"
            ) from error


@contextmanager
def _plain(path: Path) -> Iterator[Path]:
    """Give the path of an uncompressed file, a temporary one if `path` is compressed.

    polib does not read streams, and would split a text given as such at more than newlines.
    """
    if path.suffix.lower() not in COMPRESSIONS:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="hexapla-po-") as folder:
        file = Path(folder, path.stem)
        with open_bytes(path) as compressed, file.open("wb") as plain:
            try:
                shutil.copyfileobj(compressed, plain)
            except OSError as error:
                raise damaged(path, error) from error
        yield file


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


def _singular_form(path: Path, rule: str) -> int:
    """Return the plural form for 1 by a header's rule: 0 in most languages, 1 in Arabic.

    >>> _singular_form(Path("ar.po"), "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : 2;")
    1
    """
    _, found, expression = rule.partition("plural=")
    if not found:
        return 0
    try:
        return int(gettext.c2py(expression.strip().rstrip(";"))(1))
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"{path}, header: Plural-Forms cannot be read: {error}") from error
