"""Tables of thousands of columns take linear time, and too many columns are refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.corpus import open_corpus
from hexapla.errors import InputError
from hexapla.imports.table_columns import TableOptions
from hexapla.imports.table_entries import read_table
from hexapla.text import languages as codes
from hexapla.text import limits
from hexapla.text.language_tags import LanguageTags
from hexapla.text.limits import MAX_COLUMNS

KINDS = ("tsv", "csv", "jsonl", "parquet")
NAMES = ["eng_Latn", "deu_Latn"]


def table(path: Path, names: Sequence[str]) -> Path:
    row = ["Good day", "Guten Tag", *["x"] * (len(names) - 2)]
    if path.suffix == ".parquet":
        pq.write_table(
            pa.table({name: [cell] for name, cell in zip(names, row, strict=True)}), path
        )
    elif path.suffix == ".jsonl":
        path.write_text(json.dumps(dict(zip(names, row, strict=True))) + "\n")
    else:
        separator = "," if path.suffix == ".csv" else "\t"
        path.write_text(f"{separator.join(names)}\n{separator.join(row)}\n")
    return path


def n_entries(path: Path) -> int:
    return len(list(read_table(path, LanguageTags("eng_Latn", None), TableOptions())))


@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_are_no_languages_are_not_compared_with_all_languages(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(text: str, found: Sequence[str]) -> str:
        raise AssertionError(f"{text} is compared with every spelling")

    monkeypatch.setattr(codes, "describe_refusal", refuse)
    others = [f"some-column-{number}" for number in range(1000)]
    path = table(tmp_path / f"x.{kind}", NAMES + others)
    assert n_entries(path) == 1
    assert open_corpus(path).languages == ("eng_Latn", "deu_Latn")


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_columns_are_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_COLUMNS", 100)
    path = table(tmp_path / f"x.{kind}", NAMES + [f"c{number}" for number in range(98)])
    assert n_entries(path) == len(open_corpus(path)) == 1
    path = table(tmp_path / f"x.{kind}", NAMES + [f"c{number}" for number in range(99)])
    message = rf"x\.{kind} has more than 100 columns"
    with pytest.raises(InputError, match=message):
        open_corpus(path)
    with pytest.raises(InputError, match=message):
        n_entries(path)


def test_keys_of_many_lines_are_too_many_columns_together(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(f'{{"a{n}": 1, "b{n}": 2}}\n' for n in range(MAX_COLUMNS)))
    with pytest.raises(InputError, match="has more than 16,384 columns"):
        open_corpus(path)


def test_a_row_of_many_fields_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("eng_Latn\tdeu_Latn\n" + "x\t" * 1_000_000 + "y\n")
    with pytest.raises(InputError, match=r"x\.tsv:2: row has more than 16,384 fields; the header"):
        open_corpus(path)


def test_an_error_lists_few_of_many_columns(tmp_path: Path) -> None:
    path = table(tmp_path / "x.tsv", [f"c{number}" for number in range(5000)])
    with pytest.raises(InputError, match=r"c19 and 4980 more") as caught:
        open_corpus(path)
    assert len(str(caught.value)) < 1000
    path = table(tmp_path / "y.tsv", [f"c{number // 2}" for number in range(5000)])
    with pytest.raises(InputError, match=r"more than one column named c0, c1,") as caught:
        open_corpus(path)
    assert len(str(caught.value)) < 1000
