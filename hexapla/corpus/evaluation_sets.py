"""The name of an evaluation set -> its sentences, which are to be kept out of training.

A set is a file, a folder of files, or `mteb:TASK`. If a table has columns named by language, only
those of the corpus's languages are read, so that the topic of a sentence does not count as a
sentence. Of any other table every column of text is read, except labels and ids.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json

from hexapla.corpus import tables
from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.parquet import read_parquet
from hexapla.corpus.reader import open_corpus
from hexapla.errors import InputError, did_you_mean
from hexapla.text import languages as codes
from hexapla.text.lines import ending, read_lines
from hexapla.text.special_files import refuse_special

MTEB = "mteb:"
SUFFIXES = (".txt", *tables.SUFFIXES)
_ABOUT = ("README.md", "LICENSE", "MANIFEST.json")  # files about a folder's texts
_LABELS = frozenset(
    {"label", "labels", "label_text", "lang", "language", "id", "_id", "idx", "index_id", "row_id"}
)
_TAG = re.compile(r"([a-z]{2,3})(?:[-_][A-Za-z]{2,4})?")
_BLOCK = 1 << 26  # bytes; a line must fit into one
# Parts of MTEB's retrieval tasks that are no texts.
_NO_SENTENCES = frozenset({"relevant_docs", "top_ranked", "qrels"})


def check_sets(names: Iterable[str]) -> None:
    """Check that evaluation sets exist, without reading them or importing mteb.

    Raises:
        InputError: There is no such file or folder, or mteb is not installed.
    """
    for name in names:
        if name.startswith(MTEB):
            if find_spec("mteb") is None:
                raise InputError(
                    f"{name} needs the library mteb; "
                    "install it with: pip install 'hexapla[evaluate]'"
                )
            continue
        refuse_special(name)
        if not Path(name).exists():
            raise InputError(
                f"there is no evaluation set at {name}; give a file, a folder, or {MTEB}TASK"
            )


def read_set(name: str, languages: Sequence[str]) -> Iterator[str]:
    """Yield the sentences of one evaluation set as they stand in it, repeated ones too.

    Args:
        name: A .txt file (one sentence per line) or a .jsonl, .tsv, .csv or .parquet table, also
            compressed as .gz or .zst; a folder of such files, with its subfolders; a corpus folder;
            or `mteb:TASK`.
        languages: Canonical codes of the corpus's languages. Of an MTEB task every subset with at
            least one of them is read, in both its languages: an English sentence of the Swahili
            test must not be trained on either.

    Raises:
        InputError: There is no such set, a file cannot be read or has no text, or an MTEB task
            cannot be loaded.
    """
    check_sets([name])
    if name.startswith(MTEB):
        yield from _mteb_task(name.removeprefix(MTEB), languages)
        return
    path = Path(name)
    if path.is_file():
        yield from _file(path, languages)
    elif (path / MANIFEST).exists():
        corpus = open_corpus(path)
        for language in _named_by_language(corpus.languages, languages, str(path)):
            yield from (cell for cell in corpus.cells(language) if cell)
    else:
        for file in _files(path):
            yield from _file(file, languages)


def _files(folder: Path) -> list[Path]:
    """Return a folder's files, sorted by name.

    A file of another kind is refused, because it might be a set that would go unread.
    """
    inside = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    files = sorted(
        path
        for path in inside
        if path.name not in _ABOUT and not any(p[0] == "." for p in path.parts)
    )
    for file in files:
        refuse_special(folder / file)
        if ending(file) not in SUFFIXES:
            raise InputError(
                f"{folder} has {file}, which is none of {', '.join(SUFFIXES)}; "
                "name the files to be read"
            )
    if not files:
        raise InputError(f"{folder} has no evaluation set: no file of {', '.join(SUFFIXES)}")
    return [folder / file for file in files]


def _file(path: Path, languages: Sequence[str]) -> Iterator[str]:
    kind = ending(path)
    if kind not in SUFFIXES:
        raise InputError(f"{path} is no evaluation set: it ends in none of {', '.join(SUFFIXES)}")
    if kind == ".txt":
        yield from (text for _, line in read_lines(path) if (text := line.rstrip("\r\n")).strip())
        return
    if kind == ".parquet":
        names = [name for name, is_text in tables.text_columns(path).items() if is_text]
        chosen = _sentence_columns(names, languages, str(path))
        for batch in read_parquet(path, chosen, 1000):
            yield from _texts(batch.columns)
        return
    # Arrow makes a binary column of bytes that are not UTF-8; `read_lines` names the line instead.
    content = "".join(line for _, line in read_lines(path)).encode()
    try:
        table = _read_table(pa.BufferReader(content), kind)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path} cannot be read as {kind[1:]}: {str(error).splitlines()[0]}"
        ) from error
    names = [field.name for field in table.schema if pa.types.is_string(field.type)]
    yield from _texts(table.select(_sentence_columns(names, languages, str(path))).columns)


def _read_table(stream: pa.NativeFile, suffix: str) -> pa.Table:
    """Read a whole table; Arrow recognises columns of numbers, such as a score."""
    if suffix == ".jsonl":
        return pa.json.read_json(stream, read_options=pa.json.ReadOptions(block_size=_BLOCK))
    # As in `hexapla.corpus.text_tables`: TSV has no quoting, CSV is quoted as in RFC 4180.
    parse = (
        pa.csv.ParseOptions(delimiter="\t", quote_char=False)
        if suffix == ".tsv"
        else pa.csv.ParseOptions()
    )
    parse.newlines_in_values = suffix == ".csv"
    return pa.csv.read_csv(
        stream, read_options=pa.csv.ReadOptions(block_size=_BLOCK), parse_options=parse
    )


def _texts(columns: Iterable[Any]) -> Iterator[str]:
    for column in columns:
        yield from (text for text in column.to_pylist() if text)


def _sentence_columns(names: Sequence[str], languages: Sequence[str], place: str) -> list[str]:
    """Return those of the text columns `names` that hold sentences.

    Raises:
        InputError: None does; `place` begins the error.
    """
    if any(_subtag(name) for name in names):
        return _named_by_language(names, languages, place)
    chosen = [name for name in names if name not in _LABELS]
    if not chosen:
        raise InputError(
            f"{place} has no column of sentences; its columns of text: {', '.join(names) or 'none'}"
        )
    return chosen


def _named_by_language(names: Sequence[str], languages: Sequence[str], place: str) -> list[str]:
    """Return the columns named by one of `languages`, or by another script of one.

    For zho_Hans they include `zh` and `zho_Hant`: reading too much is the lesser harm.
    """
    wanted = frozenset().union(*map(_subtags, languages))
    chosen = [name for name in names if _subtag(name) in wanted]
    if not chosen:
        have = ", ".join(filter(_subtag, names))
        raise InputError(
            f"{place} has none of the corpus's languages ({', '.join(languages)}); it has {have}"
        )
    return chosen


def _subtag(column: str) -> str | None:
    """Return the language subtag of a column named by language, such as `zh` of `zh_TW`.

    A column `id` numbers the rows and is never Indonesian.
    """
    tag = _TAG.fullmatch(column)
    return tag[1] if tag and column != "id" and tag[1] in _known_subtags() else None


@cache
def _known_subtags() -> frozenset[str]:
    return frozenset().union(*map(_subtags, codes.LANGUAGES))


@cache
def _subtags(code: str) -> frozenset[str]:
    row = codes.LANGUAGES[code]
    return frozenset(
        re.split("[-_]", tag)[0].casefold() for tag in (code, row.bcp47, *row.mteb, *row.aliases)
    )


# MTEB


def _mteb_task(name: str, languages: Sequence[str]) -> Iterator[str]:
    import mteb

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about tasks that were renamed or superseded
        names = [task.metadata.name for task in mteb.get_tasks(exclude_superseded=False)]
        if name not in names:
            raise InputError(f"MTEB has no task {name}{did_you_mean(name, names)}")
        try:
            task = mteb.get_task(
                name, languages=sorted({code for own in languages for code in codes.to_mteb(own)})
            )
        except ValueError as error:
            raise InputError(
                f"{MTEB}{name} has none of the corpus's languages: {', '.join(languages)}"
            ) from error
        try:
            task.load_data()
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"the data of {MTEB}{name} cannot be loaded ({reason}); load it once with a "
                "connection, so that it is cached, or give its sentences as a file"
            ) from error
    yield from _dataset(task.dataset, set(task.eval_splits), languages, f"{MTEB}{name}")


def _dataset(data: Any, splits: set[str], languages: Sequence[str], place: str) -> Iterator[str]:
    """Yield the sentences of an MTEB dataset, whose subsets, splits and parts nest in any way.

    Subsets are read in sorted order, because MTEB's order comes from a set and differs between
    processes.
    """
    if isinstance(data, Mapping):
        evaluated = [key for key in data if key in splits] or data
        for key in sorted(set(evaluated) - _NO_SENTENCES):
            yield from _dataset(data[key], splits, languages, place)
        return
    names = [name for name, feature in data.features.items() if _holds_text(feature)]
    for column in _sentence_columns(names, languages, place):
        for value in data[column]:
            yield from (
                text for text in ([value] if isinstance(value, str) else value or ()) if text
            )


def _holds_text(feature: Any) -> bool:
    """Return whether a feature is a text or a list of texts.

    Reranking (its candidates) and the old clustering tasks have lists.
    """
    inner = getattr(feature, "feature", feature)
    return getattr(inner, "dtype", None) in ("string", "large_string")
