"""Tables of an import: every row is an entry, bad rows have a reason, columns find their language."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.errors import InputError
from hexapla.imports.table_columns import TableOptions
from hexapla.mine.bitext_files import write_table
from hexapla.mine.documents import HEADER
from tests.fixtures.table_units import GOOD, texts, units

SKIP = TableOptions(skip_bad_rows=True)

# Every row is an entry


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl", ".parquet"])
def test_rows_without_a_pivot_and_empty_rows_are_entries(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    cells = [("one", "eins"), ("", "zwei"), ("three", ""), ("", "")]
    if suffix == ".parquet":
        columns = {"en": [en or None for en, _ in cells], "de": [de or None for _, de in cells]}
        pq.write_table(pa.table(columns), path)
    elif suffix == ".jsonl":
        lines = [json.dumps({"en": en or None, "de": de}) for en, de in cells]
        path.write_text("\n\n".join(lines), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            write = csv.writer(file, delimiter="\t" if suffix == ".tsv" else ",")
            write.writerows([("en", "de"), *cells])
    assert units(path) == [texts(en, de) for en, de in cells]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    content = "\nen\tde\n\n  \none\teins\r\n\r\n"
    assert units(tmp_path / "x.tsv", content) == [GOOD]


def test_a_json_line_without_a_language_is_an_entry_without_texts(tmp_path: Path) -> None:
    content = '{"en": "one", "de": "eins"}\n{"topic": "x"}\n{"de": null}\n'
    assert units(tmp_path / "x.jsonl", content) == [GOOD, [], [("deu_Latn", "")]]


def test_texts_nested_under_translation_are_found(tmp_path: Path) -> None:
    content = '{"id": "0", "translation": {"en": "one", "de": "eins"}}\n'
    assert units(tmp_path / "x.jsonl", content) == [GOOD]
    rows = [None, {"en": "one", "de": "eins"}]
    pq.write_table(pa.table({"id": ["0", "1"], "translation": rows}), tmp_path / "x.parquet")
    assert units(tmp_path / "x.parquet") == [[], GOOD]


# Which columns


def test_the_languages_asked_for_settle_what_a_column_is(tmp_path: Path) -> None:
    found = units(tmp_path / "x.tsv", "en\tzh\none\t一\n", languages=["en", "zh-Hans"])
    assert found == [[("eng_Latn", "one"), ("zho_Hans", "一")]]
    with pytest.raises(InputError, match=r'column zh: language "zh" is ambiguous'):
        units(tmp_path / "x.tsv")


def test_columns_named_by_locale_are_found(tmp_path: Path) -> None:
    content = "en\tes_ar\tfr_ca\none\tuno\tun\n"
    found = units(tmp_path / "x.tsv", content, languages=["en", "es", "fr"])
    assert found == [[("eng_Latn", "one"), ("spa_Latn", "uno"), ("fra_Latn", "un")]]


def test_a_region_in_small_letters_is_no_pair_unless_both_languages_are_there(
    tmp_path: Path,
) -> None:
    found = units(tmp_path / "x.tsv", "en\tes_ar\tis_verified\none\tuno\tyes\n")
    assert found == [[("eng_Latn", "one"), ("spa_Latn", "uno")]]
    content = "en\tde\ten_de\none\teins\t0.5\n"
    assert units(tmp_path / "y.tsv", content) == [GOOD]
    assert units(tmp_path / "y.tsv", content, languages=["en", "de"]) == [GOOD]


def test_regional_variants_are_all_yielded(tmp_path: Path) -> None:
    content = "en\tpt-PT\tpt-BR\nbus\tautocarro\tônibus\n"
    (found,) = units(tmp_path / "x.tsv", content)
    assert found == [("eng_Latn", "bus"), ("por_Latn", "autocarro"), ("por_Latn", "ônibus")]


def test_names_are_found_in_capitals_and_between_spaces(tmp_path: Path) -> None:
    assert units(tmp_path / "x.tsv", " EN \t DE \none\teins\n") == [GOOD]
    assert units(tmp_path / "x.csv", b'\xef\xbb\xbf"en", de\none,eins\n') == [GOOD]


def test_unnamed_columns_are_not_used(tmp_path: Path) -> None:
    assert units(tmp_path / "x.tsv", "\ten\t\tde\n7\tone\tx\teins\n") == [GOOD]


@pytest.mark.parametrize("header", ["en\tde", "en\tde\t"])
@pytest.mark.parametrize("row", ["one\teins", "one\teins\t"])
def test_a_separator_at_the_end_of_a_line_is_no_column(
    tmp_path: Path, header: str, row: str
) -> None:
    assert units(tmp_path / "x.tsv", f"{header}\n{row}\n") == [GOOD]


def test_without_the_pivot_or_a_second_language_nothing_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.tsv has no eng_Latn, the pivot .* see --pivot"):
        units(tmp_path / "x.tsv", "de\tfr\neins\tun\n")
    with pytest.raises(InputError, match=r"needs two columns .*; it has only en, topic; name the"):
        units(tmp_path / "x.tsv", "topic\ten\nx\tone\n")


# Files without a header


def test_columns_name_the_languages_of_a_file_without_a_header(tmp_path: Path) -> None:
    options = TableOptions(columns=("-", "en", "", "de"))
    content = "1\tone\tx\teins\n2\tone\tx\teins\n"
    assert units(tmp_path / "x.tsv", content, options=options) == [GOOD, GOOD]
    options = TableOptions(columns=("en", "de"))
    for en in ("ja", "no"):  # texts that are codes, too
        assert units(tmp_path / "y.tsv", f"{en}\tja\n", options=options) == [texts(en, "ja")]


def test_a_header_is_no_row_although_columns_are_named(tmp_path: Path) -> None:
    options = TableOptions(columns=("en", "de"))
    found = units(tmp_path / "x.tsv", "English\tGerman\none\teins\n", options=options)
    assert found == ["header", GOOD]
    with pytest.raises(InputError, match=r"gives eng_Latn, deu_Latn, its header deu_Latn, eng_"):
        units(tmp_path / "x.tsv", "de\ten\neins\tone\n", options=options)


def test_a_first_line_of_text_asks_for_columns(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"x\.tsv: its first line is text rather than a header \(Good mor.*--columns",
    ):
        units(tmp_path / "x.tsv", "Good morning.\tGuten Morgen.\n")


def test_columns_that_do_not_fit_the_first_row_are_refused(tmp_path: Path) -> None:
    options = TableOptions(columns=("en", "de"), skip_bad_rows=True)
    with pytest.raises(InputError, match=r"--columns names 2 columns; the first row has 3 \(0\.5"):
        units(tmp_path / "x.tsv", "0.5\tone\teins\n", options=options)
    with pytest.raises(InputError, match=r"the first row has 1 .*seems to be \";\": give --sep"):
        units(tmp_path / "x.tsv", "one;eins\n", options=options)


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl", ".parquet"])
def test_columns_of_a_header_may_be_named_one_by_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    cells = {"text": ["one"], "de": ["eins"], "es": ["uno"], "topic": ["x"]}
    if suffix == ".parquet":
        pq.write_table(pa.table(cells), path)
    elif suffix == ".jsonl":
        path.write_text(json.dumps({name: cell for name, (cell,) in cells.items()}))
    else:
        rows = zip(*([name, *column] for name, column in cells.items()), strict=True)
        separator = "\t" if suffix == ".tsv" else ","
        path.write_text("".join(separator.join(row) + "\n" for row in rows))
    named = units(path, options=TableOptions(columns=("text=en", "es=-")))
    assert [sorted(unit) for unit in named] == [sorted(GOOD)]
    with pytest.raises(InputError, match=r"no eng_Latn, the pivot .*; it has deu_Latn, spa_Latn"):
        units(path)


@pytest.mark.parametrize("columns", [("en",), ("-", ""), (), ("text=en", "de")])
def test_fewer_than_two_columns_are_refused(columns: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="name two languages or more, in the order of the file"):
        TableOptions(columns=columns)


# Separators


@pytest.mark.parametrize(
    ("name", "separator", "spelled"),
    [("x.csv", ";", ";"), ("x.csv", "\t", "tab"), ("x.tsv", ",", ","), ("x.tsv", "|", "|")],
)
def test_another_separator_is_noticed_and_can_be_named(
    tmp_path: Path, name: str, separator: str, spelled: str
) -> None:
    content = f"en{separator}de\none{separator}eins\n"
    with pytest.raises(InputError, match=r"; the separator seems to be .*: give --separator") as at:
        units(tmp_path / name, content)
    assert str(at.value).endswith(f'"{spelled}"')
    options = TableOptions(separator=spelled)
    assert units(tmp_path / name, options=options) == [GOOD]
    with pytest.raises(InputError, match=r"; the separator seems to be .*: give --separator"):
        units(tmp_path / name, content.replace("en", "bare").replace("de", "text"))


def test_a_first_line_that_says_the_separator_is_followed(tmp_path: Path) -> None:
    content = 'sep=;\r\nen;de\r\n"one";eins\r\nb;"x\r\n'
    with pytest.raises(InputError, match=r"x\.csv:4: not CSV: unexpected end of data"):
        units(tmp_path / "x.csv", content)
    assert units(tmp_path / "x.csv", content.partition("b;")[0]) == [GOOD]


@pytest.mark.parametrize("separator", ["", ";;", '"', "\n"])
def test_a_separator_is_one_character(separator: str) -> None:
    with pytest.raises(InputError, match=r"the separator is .*; it is one character"):
        TableOptions(separator=separator)


def test_lines_that_end_in_carriage_returns_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.tsv: its header has a carriage return; save"):
        units(tmp_path / "x.tsv", "en\tde\rone\teins\r")
    with pytest.raises(InputError, match=r"x\.csv:1: not CSV: a carriage return outside quotes"):
        units(tmp_path / "x.csv", "en,de\rone,eins\r")


# Bad rows


@pytest.mark.parametrize(
    ("name", "content", "reason", "message"),
    [
        (
            "x.tsv",
            "en\tde\none\tei\tns\none\teins\n",
            "more or fewer fields than columns",
            r"x\.tsv:2: row has 3 fields; the header has 2; --skip-bad-rows leaves out such rows",
        ),
        (
            "x.tsv",
            "en\tde\none\none\teins\n",
            "more or fewer fields than columns",
            r"x\.tsv:2: row has 1 fields; the header has 2; --skip-bad-rows",
        ),
        (
            "x.csv",
            'en,de\n"one" two,eins\none,eins\n',
            "a line that is not CSV",
            r"x\.csv:2: not CSV: .*; --skip-bad-rows",
        ),
        (
            "x.csv",
            "en,de\none\rtwo,eins\none,eins\n",
            "a line that is not CSV",
            r"x\.csv:2: not CSV: a carriage return outside quotes; --skip-bad-rows",
        ),
        (
            "x.jsonl",
            '{"en": "one"\n{"en": "one", "de": "eins"}\n',
            "a line that is not JSON",
            r"x\.jsonl:1: not JSON: .*; --skip-bad-rows",
        ),
        (
            "x.jsonl",
            '["one", "eins"]\n{"en": "one", "de": "eins"}\n',
            "a line that is no JSON object",
            r"x\.jsonl:1: not a JSON object; .*; --skip-bad-rows",
        ),
        (
            "x.jsonl",
            '{"en": "a", "en": "b", "de": "c"}\n{"en": "one", "de": "eins"}\n',
            "a line that is not JSON",
            r'x\.jsonl:1: not JSON: the key "en" occurs twice; --skip-bad-rows',
        ),
        (
            "x.jsonl",
            '{"en": 1, "de": "eins"}\n{"en": "one", "de": "eins"}\n',
            "a cell that is not text",
            r"x\.jsonl:1: row has 1 \(int\) in en; .*; --skip-bad-rows",
        ),
        (
            "x.jsonl",
            '{"en": "\\ud83d", "de": "eins"}\n{"en": "one", "de": "eins"}\n',
            "half of a surrogate pair",
            r"x\.jsonl:1: row has half of a surrogate pair .*; --skip-bad-rows",
        ),
        (
            "x.tsv",
            "en\tde\no\0ne\teins\none\teins\n",
            "a NUL character",
            r"x\.tsv:2: row has a NUL character; --skip-bad-rows",
        ),
    ],
)
def test_a_bad_row_is_named_or_left_out_by_reason(
    tmp_path: Path, name: str, content: str, reason: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        units(tmp_path / name, content)
    assert units(tmp_path / name, options=SKIP) == [reason, GOOD]


def test_a_bad_row_of_parquet_is_left_out_by_reason(tmp_path: Path) -> None:
    pq.write_table(pa.table({"en": ["o\0ne", "one"], "de": ["eins"] * 2}), tmp_path / "x.parquet")
    assert units(tmp_path / "x.parquet", options=SKIP) == ["a NUL character", GOOD]


def test_a_quote_that_swallows_lines_is_never_skipped(tmp_path: Path) -> None:
    for rest in ("", 'x"y,z\n'):
        content = 'en,de\none,eins\n"two,zwei\nthree,drei\n' + rest
        with pytest.raises(InputError, match=r"x\.csv:3: not CSV: .*; lines 3 to \d are one row"):
            units(tmp_path / "x.csv", content, options=SKIP)


def test_a_header_within_joined_files_is_left_out(tmp_path: Path) -> None:
    table = "en\tde\none\teins\n".encode("utf-8-sig")
    assert units(tmp_path / "x.tsv", table * 2) == [GOOD, "the header again", GOOD]
    packed = gzip.compress(table) * 2 + bytes(100)
    assert units(tmp_path / "x.tsv.gz", packed) == [GOOD, "the header again", GOOD]


def test_a_spreadsheets_unicode_text_is_read(tmp_path: Path) -> None:
    assert units(tmp_path / "x.tsv", "en\tde\r\none\teins\r\n".encode("utf-16")) == [GOOD]


def test_cells_of_tsv_that_look_quoted_keep_their_quotes_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cell = '"He said ""one"""'
    assert units(tmp_path / "x.tsv", f'en\tde\n{cell}\teins\n"a"\t""\n') == [
        texts(cell, "eins"),
        texts('"a"', '""'),
    ]
    assert "x.tsv: 1 rows have a cell that is quoted as in CSV" in caplog.text
    with pytest.raises(InputError, match=r'none among "en", "de"; cells of TSV have no quotes'):
        units(tmp_path / "x.tsv", '"en"\t"de"\n"one"\t"eins"\n')


def test_rows_of_tabs_that_a_quote_joins_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = 'en\tde\n"one\teins\ntwo"\tzwei\n'
    options = TableOptions(separator="tab")
    assert units(tmp_path / "x.csv", content, options=options) == [texts("one\teins\ntwo", "zwei")]
    assert "x.csv: 1 rows have a cell with a tab and a line break in quotes" in caplog.text
    assert units(tmp_path / "x.tsv", content) == [texts('"one', "eins"), texts('two"', "zwei")]


# Mined files


@pytest.mark.parametrize("name", ["mined.tsv", "mined.parquet"])
def test_a_mined_file_is_imported_when_its_languages_are_named(tmp_path: Path, name: str) -> None:
    scores = {"margin": [1.25], "cosine": [0.5], "source_line": [1], "target_line": [3]}
    table = pa.table(scores | {"source": ["eins"], "target": ["one"]})
    write_table(table, tmp_path / name)
    with pytest.raises(InputError, match=r"its columns source and target do not say .*--columns"):
        units(tmp_path / name, languages=["en", "de"])
    found = units(tmp_path / name, options=TableOptions(columns=("de", "en")))
    assert found == [[("deu_Latn", "eins"), ("eng_Latn", "one")]]


@pytest.mark.parametrize("target", ["tgt", "trg"])
def test_other_names_of_the_two_sides_are_no_texts(tmp_path: Path, target: str) -> None:
    options = TableOptions(columns=("en", "de"))
    assert units(tmp_path / "x.tsv", f"src\t{target}\none\teins\n", options=options) == [GOOD]


def test_aligned_documents_are_imported_with_their_gaps(tmp_path: Path) -> None:
    content = "\t".join(HEADER) + "\n1\t1,2\t0.25\teins\tone\n2\t\t0.4\tzwei\t\n"
    found = units(tmp_path / "x.tsv", content, options=TableOptions(columns=("de", "en")))
    assert found == [
        [("deu_Latn", "eins"), ("eng_Latn", "one")],
        [("deu_Latn", "zwei"), ("eng_Latn", "")],
    ]
