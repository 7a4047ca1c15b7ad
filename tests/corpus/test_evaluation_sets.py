"""Every kind of evaluation set gives its sentences, and no labels, ids, scores or topics."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.corpus.evaluation_sets import check_sets, read_set
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.text.lines import ending

LANGUAGES = ("eng_Latn", "deu_Latn")
PAIRS = {
    "sentence1": ["A dog runs.", "A cat sits."],
    "sentence2": ["Ein Hund rennt.", "Eine Katze sitzt."],
}
ALL_PAIRS = [*PAIRS["sentence1"], *PAIRS["sentence2"]]


def read(path: Path | str, languages: Sequence[str] = LANGUAGES) -> list[str]:
    return list(read_set(str(path), languages))


def write_table(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Write a table in the form that the path's ending says, without quotes."""
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    suffix = ending(path)
    if suffix == ".parquet":
        pq.write_table(pa.table(dict(columns)), path)
        return path
    if suffix == ".jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        sign = "\t" if suffix == ".tsv" else ","
        text = "".join(
            sign.join(map(str, line)) + "\n" for line in [columns, *(row.values() for row in rows)]
        )
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_a_text_file_has_a_sentence_a_line(tmp_path: Path) -> None:
    path = tmp_path / "test.txt"
    path.write_bytes("\ufeffGood morning.\r\n\n  \nÜber\u2028uns.".encode())
    assert [sentence.strip() for sentence in read(path)] == ["Good morning.", "Über\u2028uns."]


@pytest.mark.parametrize(
    "name", ["t.jsonl", "t.tsv", "t.csv", "t.parquet", "t.jsonl.gz", "t.tsv.gz", "t.csv.gz"]
)
def test_every_column_of_text_is_read_but_scores_labels_and_ids(tmp_path: Path, name: str) -> None:
    columns = {"id": ["a1", "a2"], **PAIRS, "score": [0.5, 3.2], "label": ["x", "y"]}
    assert read(write_table(tmp_path / name, columns)) == ALL_PAIRS


@pytest.mark.parametrize("name", ["t.jsonl", "t.tsv", "t.csv", "t.parquet"])
def test_of_columns_named_by_language_only_the_corpus_languages_are_read(
    tmp_path: Path, name: str
) -> None:
    columns = {
        "id": ["1", "2"],
        "topic": ["travel", "health"],
        "de": ["Hund", "Katze"],
        "fr": ["chien", "chat"],
        "eng_Latn": ["dog", "cat"],
    }
    assert read(write_table(tmp_path / name, columns)) == ["Hund", "Katze", "dog", "cat"]


def test_a_code_that_several_of_the_languages_share_is_read_for_each(tmp_path: Path) -> None:
    path = write_table(
        tmp_path / "t.tsv",
        {
            "zh": ["狗"],
            "cmn": ["犬"],
            "ara": ["كلب"],
            "id": ["anjing"],
            "en": ["dog"],
            "sr-Latn": ["pas"],
        },
    )
    assert read(path, ["zho_Hant", "arb_Arab", "ind_Latn"]) == ["狗", "犬", "كلب"]


def test_a_table_in_other_languages_only_is_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.tsv", {"fra_Latn": ["chien"], "swh_Latn": ["mbwa"]})
    with pytest.raises(
        InputError,
        match=r"none of the corpus's languages \(eng_Latn, deu_Latn\); it has fra_Latn, swh_Latn",
    ):
        read(path)


def test_a_quotation_mark_in_tsv_is_a_character_and_in_csv_it_quotes(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text('text\n"So, he said.\nYes.\n', encoding="utf-8")
    (tmp_path / "t.csv").write_text('text\n"So, he\nsaid ""yes""."\nYes.\n', encoding="utf-8")
    assert read(tmp_path / "t.tsv") == ['"So, he said.', "Yes."]
    assert read(tmp_path / "t.csv") == ['So, he\nsaid "yes".', "Yes."]


def test_a_line_break_in_quotes_at_the_border_of_two_blocks_ends_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_text('text\n"So, he\nsaid."\nYes.\n', encoding="utf-8")
    monkeypatch.setattr("hexapla.corpus.evaluation_sets._BLOCK", 16)
    assert read(tmp_path / "t.csv") == ["So, he\nsaid.", "Yes."]


def test_missing_and_empty_cells_are_no_sentences(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        '{"a": "one", "b": null}\n{"a": "", "b": "two"}\n{"b": "three"}\n', encoding="utf-8"
    )
    assert read(tmp_path / "t.jsonl") == ["one", "two", "three"]


def test_a_folder_is_read_with_its_subfolders_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name, sentence in (
        ("b/z.txt", "third"),
        ("b/a.txt", "second"),
        ("a.txt", "first"),
        (".hidden.bin", "x"),
        ("README.md", "x"),
    ):
        (tmp_path / name).write_text(sentence, encoding="utf-8")
    assert read(tmp_path) == ["first", "second", "third"]


def test_a_corpus_folder_gives_the_corpus_languages(tmp_path: Path) -> None:
    rows = [
        {"eng_Latn": "dog", "deu_Latn": "Hund", "fra_Latn": "chien"},
        {"eng_Latn": "cat", "deu_Latn": None, "fra_Latn": "chat"},
    ]
    write_corpus(
        rows, tmp_path / "corpus", languages=["eng_Latn", "deu_Latn", "fra_Latn"], pivot="eng_Latn"
    )
    assert read(tmp_path / "corpus") == ["dog", "cat", "Hund"]


def test_an_ending_in_capitals_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.TXT").write_text("first\n", encoding="utf-8")
    with pa.output_stream(str(tmp_path / "b.txt.ZST"), compression="zstd") as file:
        file.write(b"second\n")
    write_table(tmp_path / "C.Parquet", {"text": ["third"]})
    (tmp_path / "d.txt.GZ").write_bytes(gzip.compress(b"fourth\n"))
    (tmp_path / "e.Tsv.GZ").write_bytes(gzip.compress(b"text\nfifth\n"))
    for name, sentence in zip(
        ("a.TXT", "b.txt.ZST", "C.Parquet", "d.txt.GZ", "e.Tsv.GZ"),
        ("first", "second", "third", "fourth", "fifth"),
        strict=True,
    ):
        assert read(tmp_path / name) == [sentence]
    assert sorted(read(tmp_path)) == ["fifth", "first", "fourth", "second", "third"]


def test_padded_files_and_unicode_text_of_spreadsheets_are_read(tmp_path: Path) -> None:
    table = "text\tscore\nGood morning\t1\n"
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(table.encode()) + bytes(512))
    (tmp_path / "b.tsv").write_bytes(table.encode("utf-16"))
    for name in ("a.tsv.gz", "b.tsv"):
        assert read(tmp_path / name) == ["Good morning"]


def test_a_folder_with_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("first", encoding="utf-8")
    (tmp_path / "notes.docx").write_text("x", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"has notes\.docx, which is none of \.txt, \.parquet, .*; name the files"
    ):
        read(tmp_path)


def test_what_cannot_be_read_is_refused_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("latin.txt", "latin.tsv"):
        (tmp_path / name).write_bytes("text\nGrüße\n".encode("latin-1"))
    (tmp_path / "broken.jsonl").write_text('{"a": "one"}\n{"a": \n', encoding="utf-8")
    for name in ("cut.txt.gz", "cut.tsv.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"Good morning.\n" * 100)[:-20])
    (tmp_path / "t.xlsx").write_text("x", encoding="utf-8")
    (tmp_path / "numbers.tsv").write_text("id\tscore\na\t1\n", encoding="utf-8")
    (tmp_path / "t.parquet").write_text("x", encoding="utf-8")
    for name, message in {
        "nowhere": r"there is no evaluation set at .*nowhere; give a file, a folder, or mteb:TASK",
        "empty": r"empty has no evaluation set: no file of \.txt",
        "latin.txt": r"latin\.txt:2: byte 3 of the line is not UTF-8; save the file as UTF-8",
        "latin.tsv": r"latin\.tsv:2: byte 3 of the line is not UTF-8",
        "broken.jsonl": r"broken\.jsonl cannot be read as jsonl: ",
        "cut.txt.gz": r"cut\.txt\.gz cannot be decompressed: it is truncated",
        "cut.tsv.gz": r"cut\.tsv\.gz cannot be decompressed: it is truncated",
        "t.xlsx": r"t\.xlsx is no evaluation set: it ends in none of \.txt",
        "numbers.tsv": r"numbers\.tsv has no column of sentences; its columns of text: id",
        "t.parquet": r"t\.parquet cannot be read as Parquet",
    }.items():
        with pytest.raises(InputError, match=message):
            read(tmp_path / name)


# MTEB: its own tasks, with data of ours in place of what it would load from the Hub


def test_mteb_not_installed_is_named_with_its_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(
        InputError,
        match=r"mteb:Tatoeba needs the library mteb; install it with: pip install 'hexapla\[eval",
    ):
        read("mteb:Tatoeba")


def test_sets_are_checked_without_reading_them(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_text("x", encoding="utf-8")
    check_sets([str(tmp_path / "broken.parquet"), str(tmp_path)])
    with pytest.raises(InputError, match=r"there is no evaluation set at .*nowhere\.txt; give a"):
        check_sets([str(tmp_path), str(tmp_path / "nowhere.txt")])


def serve(
    monkeypatch: pytest.MonkeyPatch, splits: Mapping[str, Mapping[str, Sequence[Any]]]
) -> list[str | None]:
    """Let MTEB load `splits` for every subset, and return a list that collects the subsets' names."""
    pytest.importorskip("mteb")
    import datasets
    import mteb.abstasks.abstask

    asked: list[str | None] = []

    def load_dataset(
        *args: object, name: str | None = None, **settings: object
    ) -> datasets.DatasetDict:
        asked.append(name)
        return datasets.DatasetDict(
            {key: datasets.Dataset.from_dict(dict(columns)) for key, columns in splits.items()}
        )

    # Some tasks call `load_dataset` themselves.
    for module in (datasets, mteb.abstasks.abstask):
        monkeypatch.setattr(module, "load_dataset", load_dataset)
    return asked


@pytest.mark.slow  # mteb takes five seconds to import
def test_an_mteb_sts_task_gives_both_sentences_of_its_evaluation_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve(
        monkeypatch,
        {
            "train": {**PAIRS, "score": [1.0, 2.0]},
            "test": {"sentence1": ["I"], "sentence2": ["you"], "score": [5.0]},
        },
    )
    assert read("mteb:STSBenchmark") == ["I", "you"]


@pytest.mark.slow
def test_an_mteb_bitext_task_gives_the_subsets_with_one_of_the_languages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = serve(monkeypatch, {"test": {**PAIRS, "lang": ["deu-eng", "deu-eng"]}})
    assert read("mteb:Tatoeba", ["deu_Latn"]) == ALL_PAIRS
    languages = ["deu_Latn", "fra_Latn"]
    serve(monkeypatch, {"test": {**PAIRS, "lang": ["fra-eng", "deu-eng"]}})
    assert read("mteb:Tatoeba", languages) == [
        "A cat sits.",
        "Eine Katze sitzt.",
        "A dog runs.",
        "Ein Hund rennt.",
    ]
    assert len(asked) == 1  # one load for all subsets


@pytest.mark.slow
def test_a_parallel_mteb_task_gives_the_columns_of_the_languages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve(monkeypatch, {"test": {"eng_Latn": ["dog"], "deu_Latn": ["Hund"], "fra_Latn": ["chien"]}})
    assert sorted(read("mteb:NTREXBitextMining")) == ["Hund", "dog"]


@pytest.mark.slow
def test_an_mteb_classification_task_gives_its_texts_and_no_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    split = {"text": ["wake me"], "label": ["alarm"], "label_text": ["alarm_set"], "id": ["7"]}
    asked = serve(
        monkeypatch,
        {
            "train": {**split, "text": ["not this"]},
            "validation": {**split, "text": ["nor"]},
            "test": split,
        },
    )
    assert "wake me" in read("mteb:MTOPDomainClassification", ["deu_Latn"])
    assert not {"alarm", "alarm_set", "7", "not this"} & set(
        read("mteb:MTOPDomainClassification", ["deu_Latn"])
    )
    assert asked == ["de", "de"]


@pytest.mark.slow
def test_an_mteb_task_with_lists_of_texts_gives_each_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve(
        monkeypatch,
        {"test": {"sentences": [["one", "two"], ["three"]], "labels": [["x", "y"], ["x"]]}},
    )
    assert read("mteb:TwentyNewsgroupsClustering") == ["one", "two", "three"]


@pytest.mark.slow
def test_an_mteb_retrieval_task_gives_its_documents_and_queries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mteb = pytest.importorskip("mteb")
    import datasets

    def load_data(task: Any) -> None:
        corpus = datasets.Dataset.from_dict(
            {"id": ["d1"], "title": ["Dogs"], "text": ["A dog runs."]}
        )
        queries = datasets.Dataset.from_dict({"id": ["q1"], "text": ["What runs?"]})
        parts = {
            "corpus": corpus,
            "queries": queries,
            "relevant_docs": {"q1": {"d1": 1}},
            "top_ranked": None,
        }
        task.dataset = {"default": {"test": parts}}

    monkeypatch.setattr(type(mteb.get_task("SCIDOCS")), "load_data", load_data)
    assert read("mteb:SCIDOCS") == ["Dogs", "A dog runs.", "What runs?"]


@pytest.mark.slow
def test_an_unknown_mteb_task_is_refused_with_the_nearest() -> None:
    pytest.importorskip("mteb")
    with pytest.raises(InputError, match=r'MTEB has no task Tatobea; did you mean "Tatoeba"\?'):
        read("mteb:Tatobea")


@pytest.mark.slow
def test_an_mteb_task_in_none_of_the_languages_is_refused() -> None:
    pytest.importorskip("mteb")
    with pytest.raises(
        InputError, match=r"mteb:STSBenchmark has none of the corpus's languages: deu_Latn"
    ):
        read("mteb:STSBenchmark", ["deu_Latn"])


@pytest.mark.slow
def test_mteb_data_that_cannot_be_loaded_offline_is_refused_with_what_to_do() -> None:
    pytest.importorskip("mteb")
    with pytest.raises(
        InputError,
        match=r"the data of mteb:STSBenchmark cannot be loaded \(.*\); load it once with a connection",
    ):
        read("mteb:STSBenchmark")
