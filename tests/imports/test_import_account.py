"""The account of an import: what is used, what is not and why, and that it adds up."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hexapla.corpus.reader import Corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.imports import ImportConfig, import_corpus
from hexapla.imports.account import SourceAccount
from hexapla.imports.entries import ImportEntry
from hexapla.imports.join import RowJoin
from hexapla.text.language_tags import TagMeaning

ENGLISH, GERMAN, FRENCH = TagMeaning("eng_Latn"), TagMeaning("deu_Latn"), TagMeaning("fra_Latn")
Import = Callable[..., Corpus]


@pytest.fixture
def run(tmp_path: Path) -> Import:
    def run(*names: str, **settings: Any) -> Corpus:
        files = tuple(str(tmp_path / name) for name in names)
        config = ImportConfig(files=files, out=tmp_path / "out", overwrite=True, **settings)
        return import_corpus(config, quiet=True)

    return run


def write_tmx(path: Path, units: list[list[tuple[str, str]]]) -> None:
    body = "".join(
        "<tu>"
        + "".join(f'<tuv xml:lang="{tag}"><seg>{text}</seg></tuv>' for tag, text in unit)
        + "</tu>"
        for unit in units
    )
    path.write_text(f'<tmx version="1.4"><header/><body>{body}</body></tmx>', encoding="utf-8")


def po(path: Path, *messages: tuple[str, str], header: str = "") -> None:
    start = f'msgid ""\nmsgstr "{header}\\n"\n\n' if header else ""
    path.write_text(
        start + "\n".join(f'msgid "{source}"\nmsgstr "{text}"\n' for source, text in messages),
        encoding="utf-8",
    )


# Units and texts


@pytest.mark.parametrize(
    ("texts", "unit", "left_out_texts"),
    [
        ([(ENGLISH, "One"), (GERMAN, "Eins")], {}, {}),
        ([(ENGLISH, "One"), (GERMAN, " ")], {"untranslated": 1}, {"empty": 1, "untranslated": 1}),
        ([(ENGLISH, "\u200b"), (GERMAN, "Eins")], {"no pivot": 1}, {"empty": 1, "no pivot": 1}),
        ([(GERMAN, "Eins")], {"no pivot": 1}, {"no pivot": 1}),
        ([(ENGLISH, ""), (GERMAN, "")], {"empty": 1}, {"empty": 2}),
        ([], {"empty": 1}, {}),
        ([(ENGLISH, "One"), (FRENCH, "Un")], {"not asked for": 1}, {"not asked for": 2}),
        ([(FRENCH, "Un")], {"no pivot": 1}, {"not asked for": 1}),
        ([(ENGLISH, "One"), (GERMAN, "Eins"), (FRENCH, "Un")], {}, {"not asked for": 1}),
        ([(ENGLISH, "One"), (GERMAN, "Eins"), (GERMAN, "Eins ")], {}, {"repeated": 1}),
    ],
)
def test_every_unit_and_every_text_is_used_or_has_a_reason(
    texts: list[tuple[TagMeaning, str]], unit: dict[str, int], left_out_texts: dict[str, int]
) -> None:
    account = SourceAccount("eng_Latn", {"eng_Latn", "deu_Latn"})
    cells, _ = account.usable(ImportEntry(texts))
    account.check("x")
    assert bool(cells) == (not unit)
    assert (dict(account.left_out), dict(+account.left_out_texts)) == (unit, left_out_texts)


def test_a_unit_that_its_reader_leaves_out_takes_all_its_texts_with_it() -> None:
    account = SourceAccount("eng_Latn", None)
    texts = [(ENGLISH, "One"), (GERMAN, "Eins"), (FRENCH, "")]
    assert account.usable(ImportEntry(texts, "fuzzy")) == ({}, {})
    account.check("x")
    assert (account.left_out, account.left_out_texts) == ({"fuzzy": 1}, {"fuzzy": 3})
    assert (account.had, account.empty) == ({"eng_Latn": 1, "deu_Latn": 1}, {"fra_Latn": 1})


@pytest.mark.parametrize(
    ("variants", "chosen", "n_repeated"),
    [
        ([(1, ""), (3, "Grüß Gott")], "Grüß Gott", 0),
        ([(3, "colour of the sea"), (0, "color")], "color", 0),
        ([(2, "short"), (2, "somewhat longer")], "somewhat longer", 0),
        ([(2, "b"), (2, "a"), (2, "c")], "a", 0),
        ([(3, "a"), (2, "b"), (3, "a")], "b", 0),
        ([(3, "a"), (2, "a"), (2, "")], "a", 1),
    ],
)
def test_of_several_variants_one_is_chosen_in_any_order(
    variants: list[tuple[int, str]], chosen: str, n_repeated: int
) -> None:
    n_empty = sum(not text for _, text in variants)
    for order in itertools.permutations(variants):
        account = SourceAccount("eng_Latn", None)
        texts = [(TagMeaning("deu_Latn", rank), text) for rank, text in order]
        cells, ranks = account.usable(ImportEntry([(ENGLISH, "x"), *texts]))
        account.check("x")
        assert cells["deu_Latn"] == chosen
        assert ranks["deu_Latn"] == min(rank for rank, text in variants if text == chosen)
        assert account.left_out_texts["repeated"] == n_repeated
        assert account.left_out_texts["empty"] == n_empty
        n_others = len(variants) - 1 - n_repeated - n_empty
        assert account.left_out_texts["another variant of the language"] == n_others


def test_an_empty_first_variant_does_not_mask_a_filled_one(tmp_path: Path, run: Import) -> None:
    write_tmx(tmp_path / "a.tmx", [[("en", "Hello"), ("de-DE", ""), ("de-AT", "Servus")]])
    corpus = run("a.tmx")
    assert list(corpus.rows()) == [{"eng_Latn": "Hello", "deu_Latn": "Servus"}]
    (source,) = corpus.manifest["import"]["sources"]
    assert source["left_out_texts"] == {"empty": 1}


# The join


@pytest.mark.parametrize("names", [("a.tmx", "b.tmx"), ("b.tmx", "a.tmx")])
def test_the_region_counts_across_files_whatever_their_order(
    tmp_path: Path, run: Import, names: tuple[str, str]
) -> None:
    write_tmx(
        tmp_path / "a.tmx",
        [[("en", "email"), ("fr-CA", "courriel")], [("en", "EMAIL"), ("fr-CA", "courriel")]],
    )
    write_tmx(tmp_path / "b.tmx", [[("en", "email"), ("fr-FR", "e-mail")]])
    by_default = {str(row["eng_Latn"]): row["fra_Latn"] for row in run(*names).rows()}
    assert by_default == {"email": "e-mail", "EMAIL": "courriel"}
    corpus = run(*names, languages=("en", "fr-CA"))
    assert {row["fra_Latn"] for row in corpus.rows()} == {"courriel"}
    made = corpus.manifest["import"]
    assert (made["n_rows"], made["n_joined"], made["n_cells"]) == (2, 1, 4)
    assert (made["n_repeats"], made["conflicts"]) == (1, {"fra_Latn": 1})


def test_the_order_of_the_files_decides_no_conflict(tmp_path: Path, run: Import) -> None:
    write_tmx(tmp_path / "a.tmx", [[("en", "x"), ("de", "y")], [("en", "Save"), ("de", "Sichern")]])
    write_tmx(tmp_path / "b.tmx", [[("en", "Save"), ("de", "Speichern")]])
    write_tmx(tmp_path / "c.tmx", [[("en", "Save"), ("de", "Ablegen")]])
    for names in itertools.permutations(["a.tmx", "b.tmx", "c.tmx"]):
        kept = {str(row["eng_Latn"]): row["deu_Latn"] for row in run(*names).rows()}
        assert kept["Save"] == "Speichern"  # of the two that begin their files the longer


def test_the_manifest_accounts_for_every_text(tmp_path: Path, run: Import) -> None:
    write_tmx(
        tmp_path / "a.tmx",
        [
            [("en", "One"), ("de", "Eins"), ("fr", "Un")],
            [("en", "One"), ("de", "Eins"), ("fr", "Une")],
            [("en", "One"), ("de", "EINS")],
            [("en", "Two"), ("de", "")],
            [("de", "Drei")],
        ],
    )
    po(tmp_path / "de.po", ("One", "Eins"), ("OK", "OK"), ("Four", ""))
    made = run("a.tmx", "de.po").manifest["import"]
    memory, messages = made["sources"]
    assert (memory["n_entries"], memory["n_texts"]) == (
        5,
        {"eng_Latn": 3, "deu_Latn": 3, "fra_Latn": 2},
    )
    assert memory["left_out"] == {"untranslated": 1, "no pivot": 1}
    assert memory["left_out_texts"] == {"empty": 1, "untranslated": 1, "no pivot": 1}
    assert (messages["n_entries"], messages["left_out"]) == (3, {"untranslated": 1})
    assert (memory["copies"], messages["copies"]) == ({}, {"deu_Latn": 1})
    assert {key: value for key, value in made.items() if key != "sources"} == {
        "n_rows": 2,
        "n_joined": 3,
        "n_cells": 5,
        "n_repeats": 3 + 2,
        "conflicts": {"deu_Latn": 1, "fra_Latn": 1},
    }


def test_a_corpus_folder_is_accounted_for_like_a_file(tmp_path: Path, run: Import) -> None:
    rows = [
        {"eng_Latn": "One", "deu_Latn": "Eins", "fra_Latn": "Un", "meta.iso": "a"},
        {"eng_Latn": "Two", "deu_Latn": None, "fra_Latn": "Deux", "meta.iso": "b"},
    ]
    write_corpus(rows, tmp_path / "built", languages=["en", "de", "fr"])
    (source,) = run("built", languages=("en", "de")).manifest["import"]["sources"]
    assert (source["n_entries"], source["n_texts"]) == (2, {"eng_Latn": 1, "deu_Latn": 1})
    assert source["left_out"] == {"not asked for": 1}
    assert source["left_out_texts"] == {"not asked for": 3, "empty": 1}


@pytest.mark.parametrize(
    ("where", "what"),
    [("units", "units of .*a.tmx"), ("texts", "texts of .*a.tmx"), ("join", "texts to use")],
)
def test_an_import_that_loses_a_text_is_a_fault_of_the_program(
    tmp_path: Path, run: Import, monkeypatch: pytest.MonkeyPatch, where: str, what: str
) -> None:
    write_tmx(tmp_path / "a.tmx", [[("en", "One"), ("de", "Eins")], [("en", "Two"), ("de", "")]])
    usable, rows = SourceAccount.usable, RowJoin.rows

    def losing_unit(self: SourceAccount, unit: ImportEntry) -> Any:
        self.n_units += where == "units"
        self.n_read += where == "texts"
        return usable(self, unit)

    def losing_rows(self: RowJoin) -> Any:
        yield from rows(self)
        self.n_cells -= where == "join"

    monkeypatch.setattr(SourceAccount, "usable", losing_unit)
    monkeypatch.setattr(RowJoin, "rows", losing_rows)
    with pytest.raises(RuntimeError, match=rf"{what} were read, .* this is a fault of Hexapla"):
        run("a.tmx")
    assert not (tmp_path / "out").exists()


# What is said


def test_an_import_that_keeps_nothing_says_what_the_files_had(tmp_path: Path, run: Import) -> None:
    write_tmx(
        tmp_path / "a.tmx",
        [[("en", "One"), ("sr-Latn-RS", "Jedan"), ("x-klingon", "wa'")], [("en", "Two")]],
    )
    with pytest.raises(
        InputError,
        match=r"^no file has usable text in srp_Cyrl; of 2 entries none can be used "
        r"\(1 not asked for, 1 untranslated\); there is text in eng_Latn \(2\), srp_Latn \(1\), "
        r"x-klingon \(1\); a usable entry has its pivot and a text in another language$",
    ):
        run("a.tmx", languages=("en", "sr-Cyrl"))


def test_a_file_of_a_mixed_import_that_gives_nothing_is_named(
    tmp_path: Path, run: Import, caplog: pytest.LogCaptureFixture
) -> None:
    po(tmp_path / "de.po", ("One", "Eins"))
    po(tmp_path / "fr.po", ("One", ""), ("Two", ""))
    po(tmp_path / "es.po", header="Language: es")
    run("de.po", "fr.po", "es.po")
    french, spanish = caplog.messages
    assert "fr.po gives nothing: of 2 entries none can be used (2 untranslated)" in french
    assert "there is text in eng_Latn (2), fra_Latn (0);" in french
    assert "es.po gives nothing: of 0 entries none can be used; there is text in no" in spanish


def test_originals_that_are_keys_are_hinted_at(
    tmp_path: Path, run: Import, caplog: pytest.LogCaptureFixture
) -> None:
    keys = ["diff.ago.year", "diff.ago.month", "submission.title", "menu_open", "saveAll"]
    po(tmp_path / "de.po", *((key, f"Text {n}") for n, key in enumerate(keys)), ("Open", "Offen"))
    run("de.po")
    (warning,) = caplog.messages
    assert "5 of 6 originals look like keys (diff.ago.year), not like text; give files" in warning
    caplog.clear()
    texts = ["read/write", "e-mail", "Open file", "Save", "3.5", "U.S.A.", "Yes"]
    po(tmp_path / "de.po", *((text, f"Text {n}") for n, text in enumerate(texts)))
    run("de.po")
    assert caplog.messages == []


def test_texts_that_are_their_originals_are_counted_and_hinted_at(
    tmp_path: Path, run: Import, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [f"Sentence number {n}" for n in range(5)]
    po(
        tmp_path / "de.po",
        *((text, text) for text in texts),
        ("Open", "Offen"),
        ("Save", "Sichern"),
    )
    corpus = run("de.po")
    (warning,) = caplog.messages
    assert "5 of 7 texts in deu_Latn are equal to their originals" in warning
    assert corpus.manifest["import"]["sources"][0]["copies"] == {"deu_Latn": 5}
