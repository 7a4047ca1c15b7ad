"""Imports: bilingual files become multi-way rows, and what is not used is counted or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.imports import import_corpus, join
from hexapla.imports.config import ImportConfig
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows

Import = Callable[..., Corpus]


@pytest.fixture
def run(tmp_path: Path) -> Import:
    def run(*names: str, **settings: Any) -> Corpus:
        files = tuple(
            str(tmp_path / name) if (tmp_path / name).exists() else name for name in names
        )
        return import_corpus(
            ImportConfig(files=files, out=tmp_path / "out", **settings), quiet=True
        )

    return run


def moses(folder: Path, stem: str, **texts: list[str]) -> list[str]:
    for language, lines in texts.items():
        (folder / f"{stem}.{language}").write_text(
            "".join(line + "\n" for line in lines), encoding="utf-8"
        )
    return [f"{stem}.{language}" for language in texts]


def tmx(path: Path, units: list[dict[str, str | None]]) -> None:
    variants = "".join(
        "<tu>"
        + "".join(
            f'<tuv xml:lang="{tag}"><seg>{text}</seg></tuv>' for tag, text in unit.items() if text
        )
        + "</tu>\n"
        for unit in units
    )
    path.write_text(
        f'<tmx version="1.4"><header srclang="en"/><body>\n{variants}</body></tmx>',
        encoding="utf-8",
    )


# Joining


def test_files_of_four_formats_become_rows_joined_on_the_pivot_in_first_seen_order(
    tmp_path: Path, run: Import
) -> None:
    tmx(tmp_path / "a.tmx", [{"en-US": "One", "de-DE": "Eins"}, {"en-US": "Two", "de-DE": "Zwei"}])
    (tmp_path / "b.tsv").write_text(
        "fra_Latn\teng_Latn\nTrois\tThree\nDeux\tTwo\n", encoding="utf-8"
    )
    (tmp_path / "es.po").write_text('msgid "Three"\nmsgstr "Tres"\n', encoding="utf-8")
    corpus = run(
        "a.tmx", "b.tsv", "es.po", *moses(tmp_path, "x", en=["Four", "One"], it=["Quattro", "Uno"])
    )
    assert corpus.languages == ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "ita_Latn")
    assert [list(row.values()) for row in corpus.rows()] == [
        ["One", "Eins", None, None, "Uno"],
        ["Two", "Zwei", "Deux", None, None],
        ["Three", None, "Trois", "Tres", None],
        ["Four", None, None, None, "Quattro"],
    ]


def test_pivots_that_differ_in_spaces_and_invisible_characters_are_one_row(
    tmp_path: Path, run: Import
) -> None:
    names = moses(tmp_path, "a", en=[" Caf\u00e9  au\u00a0lait"], de=["\ufeffMilch\u200bkaffee"])
    corpus = run(
        *names, *moses(tmp_path, "b", en=["Cafe\u0301 au lait\t"], fr=["cafe\u200b\u0301\x07"])
    )
    (row,) = corpus.rows()
    assert row == {
        "eng_Latn": "Caf\u00e9 au lait",
        "deu_Latn": "Milchkaffee",
        "fra_Latn": "caf\u00e9",
    }


def test_the_most_frequent_of_conflicting_translations_is_kept_and_of_equally_many_the_first(
    tmp_path: Path, run: Import
) -> None:
    english = ["Open", "Open", "Open", "Save", "Save", "Quit", "Quit"]
    german = ["Offen", "Öffnen", "Öffnen", "Sichern", "Aufheben", "Ende", "Ende"]
    corpus = run(*moses(tmp_path, "x", en=english, de=german))
    assert [(row["eng_Latn"], row["deu_Latn"]) for row in corpus.rows()] == [
        ("Open", "Öffnen"),
        ("Save", "Sichern"),
        ("Quit", "Ende"),
    ]
    assert corpus.manifest["import"]["conflicts"] == {"deu_Latn": 2}


def test_the_manifest_says_what_each_column_and_file_contributed_and_lost(
    tmp_path: Path, run: Import
) -> None:
    for language in ("de", "fr"):
        (tmp_path / language).mkdir()
        (tmp_path / language / "app.po").write_text(
            f'msgid ""\nmsgstr "Language: {language}\\n"\n\nmsgid "Yes"\nmsgstr "{language} yes"\n\n'
            f'#, fuzzy\nmsgid "No"\nmsgstr "{language} no"\n',
            encoding="utf-8",
        )
    corpus = run(
        "de/app.po",
        "fr/app.po",
        *moses(tmp_path, "x", en=["", "Yes"], sv=["Nej", "Ja"]),
        license="CC0-1.0",
    )
    assert corpus.manifest["columns"] == {
        "eng_Latn": {"from": ["de/app.po", "fr/app.po", "x.en"]},
        "deu_Latn": {"from": ["de/app.po"]},
        "fra_Latn": {"from": ["fr/app.po"]},
        "swe_Latn": {"from": ["x.sv"]},
    }
    german, _, pair = corpus.manifest["import"]["sources"]
    assert (german["n_entries"], german["n_texts"]) == (2, {"eng_Latn": 1, "deu_Latn": 1})
    assert (german["left_out"], pair["left_out"]) == ({"fuzzy": 1}, {"no pivot": 1})
    assert [file["file"] for file in german["from"]] == ["de/app.po"]
    assert [file["file"] for file in pair["from"]] == ["x.en", "x.sv"]
    assert corpus.manifest["license"] == "CC0-1.0"
    assert str(tmp_path) not in (corpus.path / "corpus.json").read_text()


def test_languages_choose_the_columns_and_their_order(tmp_path: Path, run: Import) -> None:
    tmx(
        tmp_path / "a.tmx",
        [{"en": "One", "de": "Eins", "fr": "Un", "xx": "?"}, {"en": "Two", "fr": "Deux"}],
    )
    corpus = run("a.tmx", languages=("fr", "en", "de"))
    assert corpus.languages == ("eng_Latn", "fra_Latn", "deu_Latn")
    (source,) = corpus.manifest["import"]["sources"]
    assert (source["left_out"], source["left_out_texts"]) == ({}, {"not asked for": 1})


def test_another_pivot_joins_files_that_have_no_english(tmp_path: Path, run: Import) -> None:
    corpus = run(
        *moses(tmp_path, "a", de=["Eins"], fr=["Un"]),
        *moses(tmp_path, "b", es=["Uno"], de=["Eins"]),
        pivot="de",
    )
    assert list(corpus.rows()) == [{"deu_Latn": "Eins", "fra_Latn": "Un", "spa_Latn": "Uno"}]


def test_equal_inputs_give_the_same_bytes(tmp_path: Path, run: Import) -> None:
    names = moses(tmp_path, "x", en=["One", "Two"], de=["Eins", "Zwei"])
    first = {path.name: path.read_bytes() for path in run(*names).path.iterdir()}
    again = {path.name: path.read_bytes() for path in run(*names, overwrite=True).path.iterdir()}
    assert first == again


def test_a_log_says_how_many_entries_were_read(
    tmp_path: Path, run: Import, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hexapla.runs.progress.LOG_EVERY_S", 0)
    caplog.set_level("INFO", logger="hexapla")
    names = moses(tmp_path, "x", en=["One", "Two", "Three"], de=["Eins", "Zwei", "Drei"])
    files = tuple(str(tmp_path / name) for name in names)
    import_corpus(ImportConfig(files=files, out=tmp_path / "loud"))
    assert f"{' + '.join(files)}: 3 entries" in caplog.messages
    caplog.clear()
    run(*names)
    assert caplog.messages == []


# Where entries come from


def test_a_corpus_folder_is_a_source_and_keeps_how_its_columns_were_made(
    tmp_path: Path, run: Import
) -> None:
    rows = [{"eng_Latn": "One", "deu_Latn": "Eins"}, {"eng_Latn": "Two", "deu_Latn": "Zwei"}]
    write_corpus(
        rows, tmp_path / "built", languages=["en", "de"], columns={"de": {"translator": "opus"}}
    )
    corpus = run("built", *moses(tmp_path, "x", en=["Two"], fr=["Deux"]))
    assert list(corpus.rows())[1] == {"eng_Latn": "Two", "deu_Latn": "Zwei", "fra_Latn": "Deux"}
    assert corpus.manifest["columns"]["deu_Latn"]["made"] == {
        "built/corpus.json": {"translator": "opus"}
    }


@pytest.mark.parametrize(
    "records",
    [
        [{"translation": {"en": "One", "de": "Eins"}}, {"translation": {"en": "Two", "de": None}}],
        [
            {"eng_Latn": "One", "deu_Latn": "Eins", "n": 1},
            {"eng_Latn": "Two", "deu_Latn": None, "n": 2},
        ],
    ],
    ids=["translation column", "language columns"],
)
def test_a_dataset_is_streamed(
    tmp_path: Path, run: Import, monkeypatch: pytest.MonkeyPatch, records: list[dict[str, Any]]
) -> None:
    file = tmp_path / "dataset.jsonl"
    file.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    asked: list[Any] = []

    def local(path: str, name: str | None, *, split: str, streaming: bool, **_: object) -> Any:
        asked.append((path, name, split))
        return plain("json", data_files=str(file), split="train", streaming=streaming)

    plain = datasets.load_dataset
    monkeypatch.setattr(datasets, "load_dataset", local)
    corpus = run("org/name:de-en:test")
    assert asked == [("org/name", "de-en", "test")]
    assert list(corpus.rows()) == [{"eng_Latn": "One", "deu_Latn": "Eins"}]
    (source,) = corpus.manifest["import"]["sources"]
    assert (source["from"], source["left_out"]) == ("org/name:de-en:test", {"untranslated": 1})
    assert corpus.manifest["columns"]["deu_Latn"] == {"from": ["org/name:de-en:test"]}


def test_a_dataset_without_a_network_says_so(run: Import) -> None:
    with pytest.raises(
        InputError,
        match=r"^org/name: no file or folder of that name is here, and as a dataset .* network",
    ):
        run("org/name")


# Moses


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_moses_files_are_grouped_by_what_stands_before_the_language(
    tmp_path: Path, run: Import, suffix: str
) -> None:
    import gzip

    names = moses(tmp_path, "b.de-en", en=["One\u2028two"], de=["Eins"]) + moses(
        tmp_path, "b.fr-en", en=["Two"], fr=["Deux"]
    )
    if suffix:
        for name in names:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    corpus = run(*(name + suffix for name in reversed(names)))
    assert [set(row.values()) for row in corpus.rows()] == [
        {"Two", "Deux", None},
        {"One two", "Eins", None},
    ]


def test_moses_files_of_unequal_length_are_refused_with_both_counts(
    tmp_path: Path, run: Import
) -> None:
    names = moses(tmp_path, "x", en=["One", "Two", "Three"], de=["Eins", "Zwei"])
    with pytest.raises(InputError, match=r"x\.en has 3 lines, .*x\.de has 2 lines"):
        run(*names)
    assert not (tmp_path / "out").exists()


def test_a_line_that_is_not_utf8_is_named_with_its_byte(tmp_path: Path, run: Import) -> None:
    names = moses(tmp_path, "x", en=["One", "Two"], de=["Eins", "Zwei"])
    (tmp_path / "x.de").write_bytes(b"Eins\nf\xfcnf\n")
    with pytest.raises(InputError, match=r"x\.de:2: byte 2 of the line is not UTF-8"):
        run(*names)


def test_a_truncated_gzip_is_refused(tmp_path: Path, run: Import) -> None:
    import gzip

    tmx(tmp_path / "a.tmx", [{"en": f"{i} {i * i}", "de": f"{i**5}"} for i in range(2000)])
    whole = gzip.compress((tmp_path / "a.tmx").read_bytes())
    (tmp_path / "a.tmx.gz").write_bytes(whole)
    assert len(run("a.tmx.gz")) == 2000
    (tmp_path / "a.tmx.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"a\.tmx\.gz cannot be decompressed: it is truncated"):
        run("a.tmx.gz", overwrite=True)
    assert len(open_corpus(tmp_path / "out")) == 2000


# What is refused


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        (["x.en"], {}, r"x\.en is one side of a Moses pair; give its partner too"),
        (["x.en", "x.eng"], {}, r"x\.en and .*x\.eng are both eng_Latn"),
        (
            ["x.fr", "x.de"],
            {},
            r"x\.fr .*has no eng_Latn, the pivot .*; it has fra_Latn, deu_Latn: see --pivot",
        ),
        (
            ["t.tsv"],
            {},
            r"t\.tsv has no eng_Latn, the pivot .*; it has deu_Latn, fra_Latn: see --pivot",
        ),
        (["notes.txt"], {}, r'notes\.txt has the ending "\.txt"; an import takes \.tmx'),
        (["gone.tmx"], {}, r"there is no file gone\.tmx; give files"),
        (["void.tmx"], {}, r"void\.tmx is empty"),
        (["no-units.tmx"], {}, r"no-units\.tmx is empty: it has no entry"),
        (["folder"], {}, r"folder is no corpus folder: it has no corpus\.json"),
        (["x.en", "x.de"], {"languages": ("fr",)}, r"no file has usable text in fra_Latn"),
        (["x.en", "x.de"], {"languages": ("en",)}, r"the only language is the pivot eng_Latn"),
        (["x.en", "x.nl"], {}, r"of 1 entries none can be used \(1 untranslated\)"),
        ([], {}, r"no file is given"),
    ],
)
def test_what_cannot_be_imported_is_refused(
    tmp_path: Path, run: Import, names: list[str], settings: dict[str, Any], message: str
) -> None:
    moses(tmp_path, "x", en=["One"], eng=["One"], de=["Eins"], fr=["Un"], nl=[" "])
    (tmp_path / "t.tsv").write_text("de\tfr\nEins\tUn\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("One\n", encoding="utf-8")
    (tmp_path / "void.tmx").touch()
    tmx(tmp_path / "no-units.tmx", [])
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=message):
        run(*names, **settings)
    assert not (tmp_path / "out").exists()


def test_the_sample_can_be_joined_with_files(tmp_path: Path, run: Import) -> None:
    tmx(tmp_path / "a.tmx", [{"en": "My parcel has not come.", "de": "Mein Paket ist nicht da."}])
    corpus = run("a.tmx", "sample", languages=("en", "de"))
    assert len(corpus) == 1 + len(open_corpus("sample"))
    assert corpus.languages == ("eng_Latn", "deu_Latn")


def test_a_folder_in_use_is_refused_before_anything_is_read(tmp_path: Path, run: Import) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").touch()
    (tmp_path / "a.tmx").write_text("no XML", encoding="utf-8")
    with pytest.raises(InputError, match=r"out is not empty; choose another folder"):
        run("a.tmx")


def test_a_missing_file_is_named_before_a_corpus_folder_is_verified(
    tmp_path: Path, run: Import
) -> None:
    rows = [{"eng_Latn": "One", "deu_Latn": "Eins"}]
    corpus = write_corpus(rows, tmp_path / "corpus", languages=["en", "de"])
    (corpus.path / "part-00000.parquet").unlink()
    with pytest.raises(InputError, match=r"there is no file gone\.tmx"):
        run("corpus", "gone.tmx")
    with pytest.raises(InputError, match=r"part-00000\.parquet is missing"):
        run("corpus")


def test_a_full_disk_under_the_join_is_named(
    tmp_path: Path, run: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join, "_TABLES", join._TABLES + "PRAGMA max_page_count = 10;")
    texts = [f"{i} " * 100 for i in range(500)]
    with pytest.raises(
        InputError,
        match=r"out: No space left on device; make room, then run the command again",
    ):
        run(*moses(tmp_path, "x", en=texts, de=texts))


@pytest.mark.slow
def test_a_translation_memory_becomes_an_aligned_encoder(tmp_path: Path, run: Import) -> None:
    from hexapla.alignment.config import AlignConfig
    from hexapla.alignment.stage import align

    rows = [row for row in toy_rows(300, missing=0.1) if sum(map(bool, row.values())) > 1]
    tmx(tmp_path / "memory.tmx", [{code[:3]: text for code, text in row.items()} for row in rows])
    corpus = run("memory.tmx")
    assert list(corpus.rows()) == rows and corpus.languages == LANGUAGES
    encoder = toy_encoder(tmp_path / "encoder")
    config = AlignConfig(
        corpus=str(corpus.path),
        encoder=str(encoder),
        out=tmp_path / "aligned",
        rows_per_step=16,
        learning_rate=2e-2,
        held_out=0.2,
        epochs=6,
        report_to="none",
    )
    curve = [point["accuracy"] for point in align(config, quiet=True)["held_out"]]
    assert curve[-1] > 0.7 > 0.35 > curve[0]
