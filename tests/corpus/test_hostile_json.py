"""JSON lines that are valid and still cannot be used: deep, large, half a character."""

from __future__ import annotations

from pathlib import Path

import pytest

from hexapla.corpus import open_corpus
from hexapla.corpus.rows import as_cell, as_meta
from hexapla.errors import InputError
from hexapla.imports.account import SourceAccount
from hexapla.imports.table_columns import TableOptions
from hexapla.imports.table_entries import read_table
from hexapla.text.language_tags import LanguageTags

GOOD = '{"eng_Latn": "Good day", "deu_Latn": "Guten Tag"}'


def deep(n: int) -> str:
    return "[" * n + "]" * n


# value of the cell, what the error says
CELLS = {
    "deeper than Python": (deep(100_000), "nested too deep"),
    "deep": (deep(900), r"\(list\) in deu_Latn|nested too deep"),
    "objects": ('{"a":' * 900 + "1" + "}" * 900, r"\(dict\) in deu_Latn|nested too deep"),
    "digits": ("9" * 5000, "an integer of thousands of digits"),
    "many digits": ("9" * 4000, "a number of many digits"),
    "infinite": ("1e999", r"inf \(float\)"),
    "no number": ("NaN", r"nan \(float\)"),
    "half a pair": ('"\\ud800"', r"half of a surrogate pair \(U\+D800\)"),
    "nul": ('"\\u0000"', "NUL character"),
    "twice": ('"a", "deu_Latn": "b"', 'the key "deu_Latn" occurs twice'),
    "list": ('["a", "b"]', r"\['a', 'b'\] \(list\) in deu_Latn"),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_that_cannot_be_used_is_one_line_or_a_counted_row(tmp_path: Path, name: str) -> None:
    value, message = CELLS[name]
    path = tmp_path / "x.jsonl"
    path.write_text(f'{GOOD}\n{{"eng_Latn": "a", "deu_Latn": {value}}}\n{GOOD}\n')
    with pytest.raises(InputError, match=rf"x\.jsonl:2: .*({message})"):
        open_corpus(path)
    tags = LanguageTags("eng_Latn", None)
    with pytest.raises(InputError, match=rf"x\.jsonl:2: .*({message}).*--skip-bad-rows"):
        list(read_table(path, tags, TableOptions()))
    account = SourceAccount("eng_Latn", None)
    for entry in read_table(path, tags, TableOptions(skip_bad_rows=True)):
        account.usable(entry)
    assert (account.n_used, account.left_out.total()) == (2, 1)


def test_a_fact_that_cannot_be_kept_names_its_row(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f'{GOOD[:-1]}, "meta.note": "\\udfff"}}\n')
    with pytest.raises(InputError, match=r"x\.jsonl:1: row has half of a .* in meta\.note"):
        list(open_corpus(path).rows())
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(InputError, match=r"row 1 has a value in meta\.x that is nested too deep"):
        as_meta(nested, "row 1", "meta.x")
    with pytest.raises(InputError, match=r"row 1 has \[\[.* \(list\) in deu_Latn"):
        as_cell(nested, "row 1", "deu_Latn")


def test_a_key_with_half_a_pair_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f'{GOOD[:-1]}, "meta.\\ud800": "x"}}\n')
    with pytest.raises(InputError, match=r'the key "meta\.\\ud800" has half of a surrogate pair'):
        open_corpus(path)


def test_a_repeated_key_among_many_is_found_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    keys = ", ".join(f'"k{number}": 1' for number in range(100_000))
    path.write_text(f'{{{keys}, "k99999": 2}}\n')
    with pytest.raises(InputError, match='the key "k99999" occurs twice'):
        open_corpus(path)


def test_values_of_python_that_cannot_be_shown_are_refused() -> None:
    with pytest.raises(InputError, match="a number of many digits"):
        as_cell(10**5000, "row 1", "deu_Latn")
    with pytest.raises(InputError, match=r"row 1 has a value in meta\.x that is nested too"):
        as_meta(10**5000, "row 1", "meta.x")
