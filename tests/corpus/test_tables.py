"""Single files as corpora: four formats agree, other columns stay out, and errors name the line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.corpus.reader import open_corpus
from hexapla.corpus.rows import row_id
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError

HEADER = ["deu_Latn", "en", "topic", "meta.page"]
LINES: list[list[str]] = [
    ["Guten Morgen", "Good morning", "greeting", "1"],
    ['"Nein', 'He said "no', "", "2"],
    [" ", "only English", "odd", ""],
    ["Zeile\u2028zwei", "line\u2028two", "odd", "4"],
]
ROWS = [
    {
        "eng_Latn": line[1],
        "deu_Latn": line[0] if line[0].strip() else None,
        "meta.page": line[3] or None,
    }
    for line in LINES
]


def tsv(path: Path) -> None:
    path.write_bytes(
        "\r\n".join("\t".join(line) for line in [HEADER, *LINES]).encode() + b"\r\n\r\n"
    )


def comma_separated(path: Path) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([HEADER, *LINES])
    path.write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode() + b"\r\n")


def jsonl(path: Path) -> None:
    records = [dict(zip(HEADER, line, strict=True)) for line in LINES]
    numbered = [
        record | {"meta.page": int(record["meta.page"]) if record["meta.page"] else None}
        for record in records
    ]
    path.write_text("\n\n".join(json.dumps(record) for record in numbered), encoding="utf-8")


def parquet(path: Path) -> None:
    columns = dict(zip(HEADER, map(list, zip(*LINES, strict=True)), strict=True))
    arrays = {
        "deu_Latn": pa.array(columns["deu_Latn"], pa.large_string()),
        "en": pa.array(columns["en"]).dictionary_encode(),
        "topic": pa.array(columns["topic"]),
        "meta.page": pa.array([int(page) if page else None for page in columns["meta.page"]]),
    }
    pq.write_table(pa.table(arrays), path, row_group_size=2)


FORMATS = {".tsv": tsv, ".csv": comma_separated, ".jsonl": jsonl, ".parquet": parquet}


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_corpus(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"train{suffix}"
    FORMATS[suffix](path)
    corpus = open_corpus(path)
    assert (corpus.name, corpus.pivot, corpus.languages) == (
        path.name,
        "eng_Latn",
        ("eng_Latn", "deu_Latn"),
    )
    assert list(corpus.rows()) == ROWS
    assert len(corpus) == 4
    assert corpus.row_ids() == [row_id(str(row["eng_Latn"])) for row in ROWS]
    assert corpus.manifest["columns"]["eng_Latn"] == {"file": path.name, "column": "en"}
    kept, held_out = corpus.split(0.5)
    assert sorted(kept.row_ids() + held_out.row_ids()) == sorted(corpus.row_ids())


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_becomes_a_folder_with_the_same_rows(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"train{suffix}"
    FORMATS[suffix](path)
    corpus = open_corpus(path)
    written = write_corpus(corpus.rows(), tmp_path / "corpus", languages=corpus.languages)
    assert list(written.rows()) == [ROWS[0], ROWS[1], ROWS[3]]  # a row of one cell is left out
    assert written.manifest["meta"] == ["meta.page"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_that_changed_after_it_was_opened_is_noticed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"train{suffix}"
    FORMATS[suffix](path)
    corpus = open_corpus(path)
    corpus.verify()
    path.write_bytes(path.read_bytes().replace(b"Good", b"Bad!"))
    with pytest.raises(InputError, match="was altered: its SHA-256 is not the one noted before"):
        corpus.verify()


def test_rows_with_equal_pivots_all_stay_in_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tsv", "eng_Latn\tdeu_Latn\nyes\tja\nyes\tdoch\n")
    corpus = open_corpus(path)
    assert corpus.cells("deu_Latn") == ["ja", "doch"]
    assert len(set(corpus.row_ids())) == 1


def test_a_quote_in_tsv_is_a_quote_and_in_csv_holds_a_cell_together(tmp_path: Path) -> None:
    plain = write(tmp_path / "x.tsv", 'eng_Latn\tdeu_Latn\n"a\tb"\nc\t"d""e"\n')
    assert open_corpus(plain).cells("deu_Latn") == ['b"', '"d""e"']
    quoted = write(tmp_path / "x.csv", 'eng_Latn,deu_Latn\n"a,\nb",c\n')
    assert open_corpus(quoted).cells("eng_Latn") == ["a,\nb"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_compressed_file_gives_the_same_corpus(tmp_path: Path, suffix: str) -> None:
    FORMATS[suffix](tmp_path / f"train{suffix}")
    content = (tmp_path / f"train{suffix}").read_bytes()
    for packed in (
        write(tmp_path / f"x{suffix}.gz", gzip.compress(content)),
        write(tmp_path / f"x{suffix}.zst", pa.compress(content, codec="zstd", asbytes=True)),
    ):
        for verify in (True, False):
            corpus = open_corpus(packed, verify=verify)
            assert list(corpus.rows()) == ROWS
            assert len(corpus) == 4


# Which columns


def test_the_languages_asked_for_settle_a_column_and_others_may_be_unclear(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tsv", "eng_Latn\tzh\tks\none\t一\t?\n")
    corpus = open_corpus(path, languages=["en", "zh-Hans"])
    assert corpus.cells("zho_Hans") == ["一"]
    with pytest.raises(InputError, match=r'column zh: language "zh" is ambiguous'):
        open_corpus(path)


def test_two_variants_of_a_language_are_refused_unless_it_is_not_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tsv", "en\tde\tpt-BR\tpt-PT\none\teins\tum\tum\n")
    with pytest.raises(
        InputError, match=r"pt-BR and pt-PT are both por_Latn; .*let hexapla import"
    ):
        open_corpus(path)
    assert open_corpus(path, languages=["en", "de"]).cells("deu_Latn") == ["eins"]


def test_a_column_id_is_indonesian_only_when_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "id,eng_Latn,deu_Latn\nsatu,one,eins\n")
    assert open_corpus(path).languages == ("eng_Latn", "deu_Latn")
    assert open_corpus(path, languages=["en", "id"]).cells("ind_Latn") == ["satu"]
    capitals = write(tmp_path / "capitals.csv", "ID,EN,DE\n7,one,eins\n")
    assert open_corpus(capitals).languages == ("eng_Latn", "deu_Latn")
    assert open_corpus(capitals, languages=["en", "id"]).cells("ind_Latn") == ["7"]
    both = write(tmp_path / "both.csv", "id,eng_Latn,ind_Latn\n7,one,satu\n")
    assert open_corpus(both, languages=["en", "id"]).cells("ind_Latn") == ["satu"]


def test_a_column_to_is_tongan_only_when_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "from,to,eng_Latn,deu_Latn\nA,B,one,eins\n")
    assert open_corpus(path).languages == ("eng_Latn", "deu_Latn")
    assert open_corpus(path, languages=["en", "to"]).cells("ton_Latn") == ["B"]


def test_columns_of_numbers_are_no_languages_unless_named_by_the_full_code(tmp_path: Path) -> None:
    numbers = {
        "no": pa.array([1]),
        "eng_Latn": ["one"],
        "deu_Latn": ["eins"],
        "min": pa.array([0.5]),
    }
    pq.write_table(pa.table(numbers), tmp_path / "x.parquet")
    assert open_corpus(tmp_path / "x.parquet").languages == ("eng_Latn", "deu_Latn")
    pq.write_table(pa.table(numbers | {"fra_Latn": pa.array([1])}), tmp_path / "y.parquet")
    lines = write(tmp_path / "z.jsonl", '{"no": 1, "eng_Latn": "one", "deu_Latn": "eins"}\n')
    assert open_corpus(lines).languages == ("eng_Latn", "deu_Latn")
    with pytest.raises(InputError, match="column fra_Latn holds no text"):
        open_corpus(tmp_path / "y.parquet")
    numbered = write(tmp_path / "n.tsv", "No\ten\tde\n1\tone\teins\n\ttwo\tzwei\n2.\tx\ty\n")
    assert open_corpus(numbered).languages == ("eng_Latn", "deu_Latn")
    norwegian = write(tmp_path / "no.csv", "no,en\n1,1\nto,two\n")
    assert open_corpus(norwegian).languages == ("eng_Latn", "nob_Latn")


def test_a_key_of_any_json_line_is_a_column_and_missing_keys_are_empty_cells(
    tmp_path: Path,
) -> None:
    path = write(
        tmp_path / "x.jsonl",
        '{"en": "one", "de": "eins"}\n{"fr": "deux", "en": "two", "de": null}\n',
    )
    corpus = open_corpus(path)
    assert corpus.languages == ("eng_Latn", "deu_Latn", "fra_Latn")
    assert (corpus.cells("fra_Latn"), corpus.cells("deu_Latn")) == ([None, "deux"], ["eins", None])


def test_without_english_the_first_language_is_the_pivot_whatever_is_selected(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "x.tsv", "fra_Latn\tdeu_Latn\nun\teins\n")
    for languages in (None, ["de"], ["de", "fr"]):
        assert open_corpus(path, languages=languages).pivot == "fra_Latn"
    german = open_corpus(path, pivot="de")
    assert (german.languages, german.row_ids()) == (("deu_Latn", "fra_Latn"), [row_id("eins")])


def test_columns_that_are_not_used_and_an_unusual_pivot_are_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hexapla")
    path = write(tmp_path / "x.tsv", "id\tfra_Latn\ttext_de\tes\tmeta.page\n1\tun\teins\tuno\t3\n")
    for _ in range(2):
        open_corpus(path)
    assert caplog.messages == [
        "not used: columns id, text_de (no language is known by these names)",
        "no English column; fra_Latn, the first, is the pivot (the language that no row may lack)",
    ]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("eng_Latn\tzh", r'column zh: language "zh" is ambiguous; write one of: zho_Hans'),
        ("eng_Latn\tdeu_Latn\tfra_Lath", r'column fra_Lath: language "fra_Lath" is unknown'),
        ("eng_Latn\tdeu_Latn\tGerman", "columns deu_Latn and German are both deu_Latn"),
        ("eng_Latn\tdeu_Latn\tdeu_Latn", "more than one column named deu_Latn"),
        ("eng_Latn\ttopic", "needs two columns named by language .* it has only eng_Latn, topic"),
        (
            "eng_Latn\tfra_Lat",
            'column fra_Lat: language "fra_Lat" is unknown; .* nearest: fra_Latn',
        ),
        ("text\ttopic", "it has none among text, topic"),
        ("en;de;fr", r'separated by semicolons: hexapla import .*x\.tsv --separator ";" --out'),
    ],
)
def test_columns_that_are_unclear_are_refused(tmp_path: Path, header: str, message: str) -> None:
    path = write(tmp_path / "x.tsv", header + "\n")
    with pytest.raises(InputError, match=message):
        open_corpus(path)


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
def test_an_empty_file_is_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match="it has none among no columns"):
        open_corpus(write(tmp_path / f"x{suffix}", ""))


def test_other_endings_and_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r'has the ending "\.xlsx"; a corpus is a folder or a file ending in'
    ):
        open_corpus(write(tmp_path / "x.xlsx", "?"))
    with pytest.raises(InputError, match=r'the ending "\.bz2"; .* compressed as \.gz or \.zst'):
        open_corpus(write(tmp_path / "x.tsv.bz2", "?"))
    with pytest.raises(InputError, match=r"x\.parquet cannot be read as Parquet"):
        open_corpus(write(tmp_path / "x.parquet", "eng_Latn\tdeu_Latn\n"))


# Errors that name the line

GOOD = '{"eng_Latn": "one", "deu_Latn": "eins"}\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "x.tsv",
            "eng_Latn\tdeu_Latn\none\teins\n \tzwei\n",
            r"x\.tsv:3: row has no eng_Latn cell; every row needs",
        ),
        (
            "x.tsv",
            "eng_Latn\tdeu_Latn\none\teins\ntwo\n",
            r"x\.tsv:3: row has 1 fields; the header has 2",
        ),
        (
            "x.tsv",
            "eng_Latn\tdeu_Latn\none\tei\0ns\n",
            r"x\.tsv:2: row has a NUL character in deu_Latn",
        ),
        (
            "x.tsv",
            b"eng_Latn\tdeu_Latn\none\tgr\xfc\xdfe\n",
            r"x\.tsv:2: byte 7 of the line is not UTF-8",
        ),
        (
            "x.tsv",
            b"eng_Latn\tdeu_Latn\none\t\xed\xa0\xbd\n",
            r"x\.tsv:2: byte 5 of the line is not UTF-8",
        ),
        (
            "x.csv",
            'eng_Latn,deu_Latn\n"one\ntwo",eins\n,zwei\n',
            r"x\.csv:4: row has no eng_Latn cell",
        ),
        (
            "x.csv",
            'eng_Latn,deu_Latn\none,eins\n"two,zwei\nx,y\n',
            r"x\.csv:3: not CSV: unexpected end of data",
        ),
        (
            "x.jsonl",
            GOOD + '{"eng_Latn": null, "deu_Latn": "zwei"}',
            r"x\.jsonl:2: row has no eng_Latn cell",
        ),
        (
            "x.jsonl",
            GOOD + "\n" + '{"eng_Latn": "t\\u0000", "deu_Latn": ""}',
            r"x\.jsonl:3: row has a NUL character in",
        ),
        (
            "x.jsonl",
            GOOD + '{"eng_Latn": "t\\ud83d"}',
            r"x\.jsonl:2: row has half of a surrogate pair \(U\+D83D\) in eng",
        ),
        (
            "x.jsonl",
            GOOD + '{"eng_Latn": "two", "deu_Latn": 2}',
            r"x\.jsonl:2: row has 2 \(int\) in deu_Latn; a cell is",
        ),
        ("x.jsonl", GOOD + '["two", "zwei"]', r"x\.jsonl:2: not a JSON object"),
        ("x.jsonl", GOOD + '{"eng_Latn": "two"', r"x\.jsonl:2: not JSON: .* at character 19"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    path = write(tmp_path / name, content)
    for verify in (True, False):
        with pytest.raises(InputError, match=message):
            open_corpus(path, verify=verify)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (pa.array(["one", None]), "row 2 has no eng_Latn cell; every row needs its pivot"),
        (pa.array(["one", "t\0o"]), "row 2 has a NUL character in eng_Latn"),
        (
            pa.array([b"one", b"\xed\xa0\xbd"], pa.binary()).view(pa.string()),
            "row 2 has bytes in eng_Latn that are not",
        ),
    ],
)
def test_a_bad_parquet_row_is_named(tmp_path: Path, cells: pa.Array, message: str) -> None:
    table = pa.table({"eng_Latn": cells, "deu_Latn": ["eins", "zwei"]})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(InputError, match=rf"x\.parquet: {message}"):
        open_corpus(tmp_path / "x.parquet")
    late = open_corpus(tmp_path / "x.parquet", verify=False)
    assert len(late) == 2
    uses: list[Callable[[], object]] = [late.row_ids, lambda: late.cells("deu_Latn")]
    for use in uses:
        with pytest.raises(InputError, match=message):
            use()


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
