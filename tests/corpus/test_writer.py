"""Writing a corpus: what the folder holds, the same bytes every time, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

from hexapla.corpus import writer as corpus_writer
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.rows import row_id
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError

LANGUAGES = ("eng_Latn", "deu_Latn", "nob_Latn")
ROWS: list[dict[str, object]] = [{code: f"{code} {i}" for code in LANGUAGES} for i in range(5)]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# What is written


def test_rows_fill_shards_in_order(tmp_path: Path) -> None:
    corpus = write_corpus(ROWS, tmp_path / "out", languages=LANGUAGES, rows_per_shard=2)
    assert names(corpus.path) == [
        "README.md",
        "corpus.json",
        *(f"part-0000{i}.parquet" for i in range(3)),
    ]
    assert [shard["n_rows"] for shard in corpus.manifest["shards"]] == [2, 2, 1]
    assert list(corpus.rows()) == ROWS


def test_a_shard_of_many_row_groups_has_every_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_writer, "ROWS_PER_GROUP", 3)
    rows = [{code: f"{code} {i}" for code in LANGUAGES} for i in range(20)]
    corpus = write_corpus(rows, tmp_path / "out", languages=LANGUAGES, rows_per_shard=8)
    assert [shard["n_rows"] for shard in corpus.manifest["shards"]] == [8, 8, 4]
    groups = pq.ParquetFile(corpus.path / "part-00000.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [3, 3, 2]
    assert list(corpus.rows()) == rows


def test_the_pivot_is_the_first_column_whatever_the_order_given(tmp_path: Path) -> None:
    corpus = write_corpus(ROWS, tmp_path / "out", languages=["no", "de", "en"], pivot="German")
    assert (corpus.languages, corpus.pivot) == (("deu_Latn", "nob_Latn", "eng_Latn"), "deu_Latn")
    assert corpus.row_ids()[0] == row_id("deu_Latn 0")
    assert pq.read_schema(corpus.path / "part-00000.parquet").names == ["row_id", *corpus.languages]


def test_blank_cells_become_null_and_other_text_is_kept_to_the_letter(tmp_path: Path) -> None:
    text = " cafe\u0301\r\n\u200d "
    row = {"eng_Latn": text, "deu_Latn": " \u3000\n", "nob_Latn": "x"}
    corpus = write_corpus([row], tmp_path / "out", languages=LANGUAGES)
    assert list(corpus.rows()) == [{"eng_Latn": text, "deu_Latn": None, "nob_Latn": "x"}]


def test_useless_and_repeated_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [
        {"eng_Latn": "one", "deu_Latn": "eins"},
        {"eng_Latn": "alone", "deu_Latn": " "},
        {"eng_Latn": " one ", "deu_Latn": "uno"},  # the id of the first row, which wins
        {"eng_Latn": "alone", "nob_Latn": "alene"},  # the one-cell row before is no earlier row
        {"eng_Latn": "one", "deu_Latn": "ein"},
    ]
    corpus = write_corpus(rows, tmp_path / "out", languages=LANGUAGES)
    assert corpus.manifest["dropped"] == {"fewer_than_two_cells": 1, "repeated_row": 2}
    assert corpus.cells("deu_Latn") == ["eins", None]
    assert len(corpus) == 2


def test_meta_columns_are_kept_as_strings(tmp_path: Path) -> None:
    metas: list[dict[str, object]] = [
        {"meta.page": 3, "meta.score": 0.5},
        {"meta.page": "iv"},
        {"meta.score": None, "meta.page": True},
    ]
    rows = [row | meta for row, meta in zip(ROWS[:3], metas, strict=True)]
    corpus = write_corpus(rows, tmp_path / "out", languages=LANGUAGES)
    assert corpus.manifest["meta"] == ["meta.page", "meta.score"]
    expected = [("3", "0.5"), ("iv", None), ("true", None)]
    assert [(row["meta.page"], row["meta.score"]) for row in corpus.rows()] == expected


def test_a_given_row_id_is_made_anew(tmp_path: Path) -> None:
    corpus = write_corpus([ROWS[0] | {"row_id": "mine"}], tmp_path / "out", languages=LANGUAGES)
    assert corpus.row_ids() == [row_id("eng_Latn 0")]


def test_equal_rows_and_settings_give_equal_bytes(tmp_path: Path) -> None:
    first = write_corpus(ROWS, tmp_path / "a" / "out", languages=LANGUAGES, license="mit")
    second = write_corpus(
        iter(ROWS), tmp_path / "b" / "out", languages=list(LANGUAGES), license="mit"
    )
    assert tree(first.path) == tree(second.path)


def test_the_manifest_says_how_columns_were_made_and_filtered(tmp_path: Path) -> None:
    columns = {"de": {"translator": "opus-mt", "settings": {"beam": 4}}}
    filters = [{"name": "length_ratio", "max": 3.0, "rejected": 12}]

    def finish(folder: Path) -> dict[str, object]:
        assert [path.name for path in folder.iterdir()] == ["part-00000.parquet"]
        (folder / "rejected").mkdir()
        (folder / "rejected" / "deu_Latn.jsonl").write_text("{}\n")
        return {"filters": filters}

    corpus = write_corpus(
        ROWS,
        tmp_path / "out",
        languages=LANGUAGES,
        columns=columns,
        license="cc-by-4.0",
        finish=finish,
    )
    assert (corpus.path / "rejected" / "deu_Latn.jsonl").read_text() == "{}\n"
    manifest = json.loads((corpus.path / "corpus.json").read_text())
    assert manifest["columns"] == {"eng_Latn": {}, "deu_Latn": columns["de"], "nob_Latn": {}}
    assert (manifest["filters"], manifest["license"], manifest["n_rows"]) == (
        filters,
        "cc-by-4.0",
        5,
    )


def test_the_dataset_card_survives_yaml(tmp_path: Path) -> None:
    made = {"de": {"translator": "a|b"}}
    corpus = write_corpus(ROWS, tmp_path / "out", languages=LANGUAGES, columns=made, license="no")
    card = DatasetCard.load(corpus.path / "README.md")
    facts = card.data.to_dict()
    assert facts["license"] == "no"
    assert facts["language"] == facts["language_bcp47"] == ["en", "de", "nb"]
    assert facts["size_categories"] == ["n<1K"]
    assert facts["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "part-*.parquet"}]}
    ]
    assert "| `deu_Latn` | German | translator a\\|b |" in card.text
    row = {"eng_Latn": "one", "zho_Hans": "一", "zho_Hant": "一"}
    unlicensed = write_corpus([row], tmp_path / "other", languages=list(row))
    facts = DatasetCard.load(unlicensed.path / "README.md").data.to_dict()
    assert (facts["language"], facts["language_bcp47"]) == (
        ["en", "zh"],
        ["en", "zh-Hans", "zh-Hant"],
    )
    assert "license" not in facts


# What is refused, with nothing left


def refused(tmp_path: Path, message: str, rows: Any = ROWS, **settings: Any) -> None:
    with pytest.raises(InputError, match=message):
        write_corpus(rows, tmp_path / "out", **({"languages": LANGUAGES} | settings))
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"languages": ["eng_Latn"]}, "name at least 2"),
        ({"languages": ["eng_Latn", "zh"]}, '"zh" is ambiguous; write one of: zho_Hans'),
        ({"languages": ["eng_Latn", "deu_Lath"]}, '"deu_Lath" is unknown'),
        ({"languages": ["eng_Latn", "en"]}, "are both eng_Latn"),
        (
            {"pivot": "fr"},
            "the pivot fra_Latn is not among the languages eng_Latn, deu_Latn, nob_Latn; add it",
        ),
        (
            {"columns": {"fr": {}}},
            "columns says how fra_Latn was made, which is not among the languages",
        ),
        ({"rows_per_shard": 0}, "rows_per_shard is 0; a shard has at least 1 row"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_a_row_is_read(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    def never() -> Iterator[dict[str, str]]:
        raise RuntimeError("a row was read")
        yield {}

    refused(tmp_path, message, rows=never(), **settings)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"eng_Latn": "  ", "deu_Latn": "x"},
            "^row 5 has no eng_Latn cell; every row needs its pivot$",
        ),
        ({}, "^row 5 has no eng_Latn cell"),
        (
            {"eng_Latn": "a\0b", "deu_Latn": "x"},
            "^row 5 has a NUL character in eng_Latn; remove it$",
        ),
        (
            {"eng_Latn": "a", "deu_Latn": "\udcff"},
            r"^row 5 has half of a surrogate pair \(U\+DCFF\) in deu_Latn",
        ),
        (
            {"eng_Latn": "a", "deu_Latn": 5},
            r"^row 5 has 5 \(int\) in deu_Latn; a cell is text or null$",
        ),
        (
            {"eng_Latn": "a", "deu-Latn": "x"},
            '^row 5 has deu-Latn, which is not among .*; did you mean "deu_Latn"',
        ),
        (
            {"eng_Latn": "a", "meta.page": "x"},
            "^row 5 has meta.page, which the first row lacks; give the first row",
        ),
    ],
)
def test_a_row_that_cannot_be_is_named_and_nothing_is_left(
    tmp_path: Path, row: dict[str, object], message: str
) -> None:
    refused(tmp_path, message, rows=[*ROWS[:4], row], rows_per_shard=1)


def test_the_first_row_has_number_one_even_when_it_is_empty(tmp_path: Path) -> None:
    refused(tmp_path, "^row 1 has no eng_Latn cell", rows=[{}, *ROWS])


@pytest.mark.parametrize("rows", [[], [{"eng_Latn": "alone"}]])
def test_a_corpus_without_rows_is_refused(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    message = rf"no row to write \(left out: fewer_than_two_cells {len(rows)}, repeated_row 0\)"
    refused(tmp_path, message, rows=rows)


def test_an_error_of_the_rows_themselves_comes_through_and_leaves_nothing(tmp_path: Path) -> None:
    for error in (KeyboardInterrupt("stop"), OSError("the disk with the source is gone")):

        def failing(error: BaseException = error) -> Iterator[dict[str, object]]:
            yield from ROWS
            raise error

        with pytest.raises(type(error), match=str(error)):
            write_corpus(failing(), tmp_path / "out", languages=LANGUAGES, rows_per_shard=1)
        assert names(tmp_path) == []


# The place


def test_an_empty_folder_is_filled_and_missing_parents_are_made(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert len(write_corpus(ROWS, tmp_path / "out", languages=LANGUAGES)) == 5
    assert len(write_corpus(ROWS, tmp_path / "some" / "where" / "out", languages=LANGUAGES)) == 5


def test_a_corpus_is_replaced_only_with_overwrite(tmp_path: Path) -> None:
    old = write_corpus(ROWS[:2], tmp_path / "out", languages=LANGUAGES, rows_per_shard=1)
    before = tree(old.path)
    with pytest.raises(
        InputError, match=r"out is not empty; choose another folder, or .* with --overwrite"
    ):
        write_corpus(ROWS, tmp_path / "out", languages=LANGUAGES)
    assert tree(old.path) == before
    new = write_corpus(ROWS, tmp_path / "out", languages=LANGUAGES, overwrite=True)
    assert names(new.path) == ["README.md", "corpus.json", "part-00000.parquet"]
    assert names(tmp_path) == ["out"]


def test_a_corpus_can_be_rewritten_from_its_own_rows(tmp_path: Path) -> None:
    old = write_corpus(ROWS, tmp_path / "out", languages=LANGUAGES, rows_per_shard=2)
    new = write_corpus(old.split(0.5)[0].rows(), old.path, languages=LANGUAGES, overwrite=True)
    assert 0 < len(new) < 5
    assert set(new.row_ids()) < {row_id(str(row["eng_Latn"])) for row in ROWS}


def test_overwrite_never_replaces_what_is_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(
        InputError, match="no corpus; --overwrite replaces only a corpus: choose another folder"
    ):
        write_corpus(ROWS, tmp_path / "out", languages=LANGUAGES, overwrite=True)
    assert names(tmp_path / "out") == ["thesis.tex"]


def test_an_unfinished_corpus_can_be_overwritten(tmp_path: Path) -> None:
    old = write_corpus(ROWS, tmp_path / "out", languages=LANGUAGES)
    (old.path / "corpus.json").unlink()
    (old.path / "README.md").unlink()
    assert len(write_corpus(ROWS, old.path, languages=LANGUAGES, overwrite=True)) == 5


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is a file; a corpus is a folder"):
        write_corpus(ROWS, tmp_path / "file", languages=LANGUAGES, overwrite=True)
    with pytest.raises(InputError, match=r"file is a file; no folder can lie in it"):
        write_corpus(ROWS, tmp_path / "file" / "out", languages=LANGUAGES)


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    for rows in (ROWS[:2], ROWS):
        corpus = write_corpus(rows, tmp_path / "out", languages=LANGUAGES, overwrite=True)
        assert (tmp_path / "out").is_symlink()
        assert len(open_corpus(tmp_path / "disk")) == len(corpus) == len(rows)


def test_a_folder_that_another_run_filled_meanwhile_is_kept(tmp_path: Path) -> None:
    def slow() -> Iterator[dict[str, object]]:
        yield from ROWS
        write_corpus(ROWS[:2], tmp_path / "other" / "out", languages=LANGUAGES)
        (tmp_path / "other" / "out").rename(tmp_path / "out")
        (tmp_path / "other").rmdir()

    with pytest.raises(InputError, match="out could not be put in place: Directory not empty"):
        write_corpus(slow(), tmp_path / "out", languages=LANGUAGES)
    assert len(open_corpus(tmp_path / "out")) == 2
    assert names(tmp_path) == ["out"]
