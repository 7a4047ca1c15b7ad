"""A PO file (gettext's messages) -> entries, its original texts taken as the pivot's.

Only what a translator has finished is read: fuzzy, obsolete and untranslated messages are counted
and left out. Of a message with plural forms it is the singular with the form that the file's own
rule gives for 1. A message's context is not looked at: one text translated in two ways in two
contexts is a conflict like any other.
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
from hexapla.imports.tags import Entry, LanguageTags
from hexapla.text.lines import COMPRESSIONS, damaged, open_bytes

if TYPE_CHECKING:
    import polib


def read_po(path: Path, tags: LanguageTags, left_out: Counter[str]) -> Iterator[Entry]:
    """Yield every message of a PO file; those left out as an empty entry.

    The language of the translations is what the header says, else the file's name or folder, else
    the only one asked for.

    Raises:
        InputError: No PO file, one in another encoding than it says, or one of an unknown language.
    """
    messages = _parse(path)
    tag = messages.metadata.get("Language", "").strip()
    code = tags.code(tag, f"{path}, header") if tag else tags.of_file(path)
    if code is None:
        raise InputError(
            f"{path} does not say its language; name it like de.po, or give --languages with one language"
        )
    if code == tags.pivot:
        raise InputError(
            f"{path} has its translations in {tags.pivot}, the pivot, in which PO has the originals; see --pivot"
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
    """Give a file of its own to what is compressed: polib opens no streams, and splits texts at more than newlines."""
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
    """Find the line, since the decoder's own position counts from where it last read."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return InputError(
                    f"{path}:{number}: byte {error.start + 1} of the line is not {encoding}, the encoding that the "
                    "header says or UTF-8; save the file as UTF-8"
                )
    return InputError(
        f"{path} is not {encoding}, the encoding that its header says; save the file as UTF-8"
    )


def _singular_form(path: Path, rule: str) -> int:
    """Return which plural form goes with 1 by a header's rule: 0 in most languages, 1 in Arabic and Latvian.

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
