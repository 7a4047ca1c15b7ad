"""Errors of sources name file and line, and come at once if the beginning shows the fault."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.errors import InputError
from hexapla.sources import Sentence, read_sentences, source_facts
from hexapla.sources.config import SourceConfig
from tests.fixtures.text_files import compress_file, read_texts, write_file

GOOD = "A good line of text.\n"


# Reported at once: read_sentences raises before it is iterated


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", "", r"x\.txt is empty; give a file that holds text"),
        ("x.txt", "\n \n\n", r"x\.txt is empty"),
        ("x.txt", b"\xef\xbb\xbf", r"x\.txt is empty"),
        ("x.txt.gz", gzip.compress(b"", mtime=0), r"x\.txt\.gz is empty"),
        ("x.jsonl", "", r"x\.jsonl is empty"),
        ("x.tsv", "", r"x\.tsv is empty"),
        ("x.csv", "id,text\n", r"x\.csv is empty"),
        ("x.txt", b"\x89PNG\r\n\x1a\n", r"x\.txt:1: byte 1 of the line is not UTF-8"),
        (
            "x.txt",
            "A line of text.\n".encode("utf-16-le"),
            r"x\.txt:1: line has a NUL byte: a binary file, or",
        ),
        (
            "x.txt.gz",
            GOOD,
            r"x\.txt\.gz cannot be decompressed: it is truncated, altered or not gzip",
        ),
        (
            "x.txt.zst",
            GOOD,
            r"x\.txt\.zst cannot be decompressed: it is truncated, altered or not zstd",
        ),
        ("x.parquet.gz", GOOD, r"x\.parquet\.gz cannot be decompressed"),
        ("x.parquet", GOOD, r"x\.parquet cannot be read as Parquet"),
        (
            "x.parquet.gz",
            gzip.compress(GOOD.encode(), mtime=0),
            r"x\.parquet\.gz cannot be read as Parquet",
        ),
        ("x.jsonl", GOOD, r"x\.jsonl:1: not JSON"),
        (
            "x.pdf",
            GOOD,
            r"x\.pdf: no file of a known ending; text is read from \.txt, \.parquet, .* each also with \.gz",
        ),
        ("x", GOOD, r"x: no file of a known ending"),
        ("x.gz", GOOD, r"x\.gz: no file of a known ending"),
    ],
)
def test_a_file_without_readable_text_is_refused_at_once(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    path = write_file(tmp_path / name, content)
    field = None if ".txt" in name else "text"
    with pytest.raises(InputError, match=message):
        read_sentences(SourceConfig(texts=(str(path),), field=field))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.jsonl", '{"id": 1, "title": "One", "body": null}\n'),
        ("x.csv", "title,body\nOne,The text of it\n"),
        ("x.tsv", "title\tbody\nOne\tThe text of it\n"),
    ],
)
def test_a_field_that_is_missing_or_not_named_lists_the_text_fields(
    tmp_path: Path, name: str, content: str
) -> None:
    path = write_file(tmp_path / name, content)
    with pytest.raises(
        InputError,
        match=r"which field holds the text\? name it with --field .*; .* are title, body$",
    ):
        read_sentences(SourceConfig(texts=(str(path),)))
    with pytest.raises(
        InputError,
        match=r'has no text field bode; its text fields are title, body; did you mean "body"',
    ):
        read_sentences(SourceConfig(texts=(str(path),), field="bode"))


def test_a_field_of_numbers_is_no_text_field(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "body": ["The text of it."]}), tmp_path / "x.parquet")
    with pytest.raises(
        InputError, match=r"x\.parquet has no text field id; its text fields are body$"
    ):
        read_sentences(SourceConfig(texts=(str(tmp_path / "x.parquet"),), field="id"))
    path = write_file(tmp_path / "x.jsonl", '{"id": 1}\n')
    with pytest.raises(
        InputError, match=r"x\.jsonl has no text field id; it has no field of text$"
    ):
        read_sentences(SourceConfig(texts=(str(path),), field="id"))


def test_a_field_for_lines_of_text_is_refused(tmp_path: Path) -> None:
    path = write_file(tmp_path / "x.txt", GOOD)
    with pytest.raises(InputError, match="field is body, but lines of text have no fields"):
        read_sentences(SourceConfig(texts=(str(path), "-"), field="body"))


def test_a_folder_must_hold_files_of_known_endings_only(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"holds no files; give a folder with files ending in \.txt"
    ):
        read_sentences(SourceConfig(texts=(str(tmp_path),)))
    write_file(tmp_path / "x.txt", GOOD)
    for name in "abcdefg":
        write_file(tmp_path / "sub" / f"{name}.doc", GOOD)
    with pytest.raises(
        InputError, match=r"sub/a\.doc, .*sub/e\.doc and 2 more: no file of a known ending"
    ):
        read_sentences(SourceConfig(texts=(str(tmp_path),)))


def test_what_cannot_be_opened_or_read_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").symlink_to(tmp_path / "gone")
    for use in (read_sentences, source_facts):
        with pytest.raises(InputError, match=r"x\.txt cannot be read: No such file or directory"):
            use(SourceConfig(texts=(str(tmp_path),)))
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(
        InputError, match=r'pipe\.txt is a pipe; .* pipe text into hexapla build with "-"'
    ):
        read_sentences(SourceConfig(texts=(str(tmp_path / "pipe.txt"),)))


def test_a_folder_of_empty_files_is_empty(tmp_path: Path) -> None:
    write_file(tmp_path / "x.txt", "")
    write_file(tmp_path / "y.txt", "\n")
    with pytest.raises(InputError, match="there is no text in it; give sources that hold some"):
        read_texts(tmp_path)


def test_a_name_of_nothing_names_the_nearest_file(tmp_path: Path) -> None:
    write_file(tmp_path / "books.txt", GOOD)
    with pytest.raises(
        InputError, match=r'book\.txt: no such file or folder; did you mean "books\.txt"\?'
    ):
        read_sentences(SourceConfig(texts=(str(tmp_path / "book.txt"),)))
    with pytest.raises(InputError, match=r"nowhere/to/be\.txt: no such file or folder$"):
        source_facts(SourceConfig(texts=("nowhere/to/be.txt",)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"texts": ()}, "no texts are given; name files, folders or a dataset"),
        ({"texts": ("-", "-")}, '"-" is given twice; standard input can be read once'),
        (
            {"min_characters": 0},
            "min_characters is 0; it must be a whole number from 1 to",
        ),
        (
            {"min_characters": 9, "max_characters": 8},
            "min_characters is 9 and max_characters 8; the first must not be above the second",
        ),
        ({"limit": 0}, "limit is 0; it must be a whole number from 1 to"),
        ({"sample": -1}, "sample is -1; it must be a whole number from 1 to"),
        (
            {"limit": 5, "sample": 5},
            "limit is 5 and sample 5; give only one of them",
        ),
        (
            {"sample": 5, "seed": -1},
            "seed is -1; it must be a whole number from 0 to 4,294,967,295",
        ),
        ({"pivot": "Englsh"}, 'language "Englsh" is unknown'),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_sentences(SourceConfig(**({"texts": ("-",)} | settings)))


def test_splitting_without_sentencex_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentencex", None)
    path = write_file(tmp_path / "x.txt", GOOD)
    with pytest.raises(
        InputError, match=r"pip install 'hexapla\[translate\]', or set split_sentences to false"
    ):
        read_sentences(SourceConfig(texts=(str(path),)))
    assert read_texts(path, split_sentences=False) == [Sentence(GOOD.strip(), "x.txt:1")]


# Reported with the line while reading


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", GOOD.encode() + b"Gr\xfc\xdfe\n", r"x\.txt:2: byte 3 of the line is not UTF-8"),
        ("x.txt", GOOD + "A\0line\n", r"x\.txt:2: line has a NUL byte"),
        (
            "x.jsonl",
            '{"t": "A good text."}\n\n{"u": "b", "tt": 1}',
            r"x\.jsonl:3: row has no field t; it has u, tt",
        ),
        (
            "x.jsonl",
            '{"t": "A good text."}\n{"t": 2}',
            r"x\.jsonl:2: row has 2 \(int\) in t; a cell is text",
        ),
        (
            "x.jsonl",
            '{"t": "A good text."}\n{"t": "\\ud83d"}',
            r"x\.jsonl:2: row has half of a surrogate pair",
        ),
        ("x.jsonl", '{"t": "A good text."}\n{"t": "A go', r"x\.jsonl:2: not JSON"),
        ("x.tsv", "id\tt\n1\tA good text.\n2\n", r"x\.tsv:3: row has 1 fields; the header has 2"),
        ("x.csv", 'id,t\n1,A good text.\n2,"x\n', r"x\.csv:3: not CSV"),
    ],
)
def test_a_bad_line_is_named_after_the_good_ones(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    path = write_file(tmp_path / name, content)
    for source in (path, compress_file(path, ".gz")):
        sentences = read_sentences(
            SourceConfig(
                texts=(str(source),), field=None if path.suffix == ".txt" else "t", min_characters=1
            )
        )
        assert next(sentences).text.startswith("A good")
        with pytest.raises(InputError, match=message.replace(":", r"(\.gz)?:", 1)):
            list(sentences)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_truncated_file_is_an_error_and_not_an_end(tmp_path: Path, suffix: str) -> None:
    text = "".join(f"This is sentence number {number}.\n" for number in range(100_000))
    path = compress_file(write_file(tmp_path / "x.txt", text), suffix)
    whole = path.read_bytes()
    for n_bytes in (len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:n_bytes])
        with pytest.raises(
            InputError, match=rf"x\.txt\{suffix} cannot be decompressed: it is truncated"
        ):
            read_texts(path)


def test_a_truncated_parquet_file_in_gzip_is_reported_as_such(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"t": [f"Text number {n}." for n in range(1000)]}), tmp_path / "x.parquet"
    )
    path = compress_file(tmp_path / "x.parquet", ".gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"x\.parquet\.gz cannot be decompressed: it is truncated"):
        read_texts(path, field="t")


def test_when_nothing_is_left_the_reasons_are_named(tmp_path: Path) -> None:
    path = write_file(tmp_path / "x.txt", "Hi.\nHo.\n12345678901\n")
    with pytest.raises(
        InputError,
        match=r"no sentence is left of 3 texts \(2 too short, 1 no letter\); a sentence has a letter and 10 to",
    ):
        read_texts(path)


# Datasets


class Streamed:
    """A stand-in for what `load_dataset(..., streaming=True)` returns; it can be read twice."""

    def __init__(self, *records: dict[str, Any]) -> None:
        self.records = records

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records)


def serve(monkeypatch: pytest.MonkeyPatch, *records: dict[str, Any]) -> list[Any]:
    import datasets

    calls: list[Any] = []

    def load(*arguments: Any, **keywords: Any) -> Streamed:
        calls.append((arguments, keywords))
        return Streamed(*records)

    monkeypatch.setattr(datasets, "load_dataset", load)
    return calls


def test_a_dataset_is_streamed_by_name_config_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = serve(
        monkeypatch, {"id": 1, "text": "The first record. It has two."}, {"id": 2, "text": None}
    )
    found = read_texts("acme/texts@v2:en:test", "acme/texts", field="text")
    assert found == [
        Sentence("The first record.", "acme/texts@v2:en:test:1"),
        Sentence("It has two.", "acme/texts@v2:en:test:1"),
    ]
    assert calls == [
        (("acme/texts", "en"), {"split": "test", "revision": "v2", "streaming": True}),
        (("acme/texts", None), {"split": "train", "revision": None, "streaming": True}),
    ]


def test_a_dataset_without_the_field_lists_its_text_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, {"id": 1, "title": "One", "body": "The text."}, {"id": 2})
    for field, message in (
        (None, "which field holds the text"),
        ("id", "acme/texts has no text field id"),
    ):
        with pytest.raises(InputError, match=f"{message}.*its text fields are title, body"):
            read_sentences(SourceConfig(texts=("acme/texts",), field=field))
    with pytest.raises(InputError, match="acme/texts: record 2 has no text field body"):
        read_texts("acme/texts", field="body", min_characters=1)
    serve(monkeypatch)
    with pytest.raises(InputError, match="acme/texts is empty; name another split or dataset"):
        read_sentences(SourceConfig(texts=("acme/texts",), field="body"))


def test_a_path_that_exists_is_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = serve(monkeypatch, {"text": "From the Hub it is."})
    write_file(tmp_path / "acme" / "texts" / "x.txt", GOOD)
    monkeypatch.chdir(tmp_path)
    assert read_texts("acme/texts") == [Sentence(GOOD.strip(), "x.txt:1")]
    assert calls == []


def test_a_missing_network_is_reported_as_such() -> None:
    message = r"acme/texts: no file or folder of that name is here, and as a dataset it cannot be read .*[Oo]ffline"
    config = SourceConfig(texts=("acme/texts",), field="text")
    with pytest.raises(InputError, match=message):
        read_sentences(config)
    with pytest.raises(InputError, match=message):
        source_facts(config)


def test_a_dataset_that_breaks_off_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    class Broken(Streamed):
        def __iter__(self) -> Iterator[dict[str, Any]]:
            yield from self.records
            raise ConnectionError("connection reset\nby peer")

    records = [{"text": json.dumps(f"Record number {n}.")} for n in range(2)]
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: Broken(*records))
    sentences = read_sentences(SourceConfig(texts=("acme/texts",), field="text"))
    assert next(sentences).source == "acme/texts:1"
    with pytest.raises(
        InputError, match=r"acme/texts: .* Hub \(connection reset\); check the name and the network"
    ):
        list(sentences)


def test_facts_of_a_dataset_are_its_name_and_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    class Info:
        sha = "0123abc"

    asked: list[Any] = []

    def info(self: object, name: str, revision: str | None, timeout: float) -> Info:
        asked.append((name, revision))
        return Info()

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    config = SourceConfig(texts=("acme/texts@v2:en",), field="text")
    assert source_facts(config) == [{"name": "acme/texts@v2:en", "revision": "0123abc"}]
    assert asked == [("acme/texts", "v2")]
