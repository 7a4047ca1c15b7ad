"""The settings of an import reach the readers of the formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hexapla.corpus.reader import Corpus
from hexapla.errors import InputError
from hexapla.imports import ImportConfig, import_corpus

Import = Callable[..., Corpus]


@pytest.fixture
def run(tmp_path: Path) -> Import:
    def run(name: str, text: str = "", **settings: Any) -> Corpus:
        if text:
            (tmp_path / name).write_text(text, encoding="utf-8")
        config = ImportConfig(
            files=(str(tmp_path / name),), out=tmp_path / "out", overwrite=True, **settings
        )
        return import_corpus(config, quiet=True)

    return run


def german(corpus: Corpus) -> dict[str, str]:
    return {str(row["eng_Latn"]): str(row["deu_Latn"]) for row in corpus.rows()}


PO = '#, fuzzy\nmsgid "Bye"\nmsgstr "Bei"\n\nmsgid "&Open"\nmsgstr "Ö&ffnen"\n'
XLIFF = (
    '<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">'
    '<file original="x" source-language="en" target-language="de"><body>'
    '<trans-unit id="1"><source>Bye</source><target state="new">Bei</target></trans-unit>'
    '<trans-unit id="2"><source>_Open</source><target>Ö_ffnen</target></trans-unit>'
    "</body></file></xliff>"
)


@pytest.mark.parametrize(("name", "text"), [("de.po", PO), ("de.xlf", XLIFF)])
def test_unfinished_units_and_accelerators_are_settings_of_po_and_xliff(
    run: Import, name: str, text: str
) -> None:
    plain = run(name, text)
    assert len(plain) == 1
    (source,) = plain.manifest["import"]["sources"]
    assert sum(source["left_out"].values()) == 1
    corpus = run(name, text, keep_unfinished=True, strip_accelerators=True)
    assert german(corpus) == {"Bye": "Bei", "Open": "Öffnen"}
    assert corpus.manifest["import"]["sources"][0]["left_out"] == {}


def test_tables_without_a_header_have_their_columns_named(run: Import) -> None:
    corpus = run("a.csv", "1;One;Eins\n2;Two;Zwei\n", columns="-,en,de", separator=";")
    assert german(corpus) == {"One": "Eins", "Two": "Zwei"}
    corpus = run("a.csv", "en\tde\nOne\tEins\n", separator="tab")
    assert german(corpus) == {"One": "Eins"}


def test_bad_rows_are_skipped_and_counted_if_asked_for(run: Import) -> None:
    text = "en\tde\nOne\tEins\nTwo\tZwei\tstray\n"
    with pytest.raises(InputError, match=r"a\.tsv:3: .*--skip-bad-rows"):
        run("a.tsv", text)
    corpus = run("a.tsv", text, skip_bad_rows=True)
    assert german(corpus) == {"One": "Eins"}
    (source,) = corpus.manifest["import"]["sources"]
    assert (source["n_entries"], sum(source["left_out"].values())) == (2, 1)


def test_how_much_may_be_in_another_script_is_a_setting(run: Import) -> None:
    text = "en\tru\n" + "".join(
        f"Sentence {n}\t{'Latinskij tekst' if n % 5 < 3 else 'Русский текст'} {n}\n"
        for n in range(20)
    )
    with pytest.raises(InputError, match=r"of 20 texts checked in rus_Cyrl, 12 are in Latin"):
        run("a.tsv", text)
    assert len(run("a.tsv", text, max_other_script=0.7)) == 20
    assert len(run("a.tsv", text, max_other_script=1.0)) == 20
    with pytest.raises(InputError, match="of 20 texts checked"):
        run("a.tsv", text, max_other_script=0.1)


def test_languages_are_kept_as_written_and_checked(tmp_path: Path) -> None:
    config = ImportConfig(files=("a.tmx",), out=tmp_path / "out", languages="en, pt-PT,zh-Hans")
    assert config.languages == ("en", "pt-PT", "zh-Hans")
    for given, message in (
        ("en,xx", r'language "xx" is unknown'),
        ("en,,de", r'languages "en,,de": item 2 is empty; drop the comma'),
        ("pt-PT,pt-BR", r'languages "pt-PT" and "pt-BR" are both por_Latn'),
        ("en-GB", r"the only language is the pivot eng_Latn"),
    ):
        with pytest.raises(InputError, match=message):
            ImportConfig(files=("a.tmx",), out=tmp_path / "out", languages=given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"separator": ";;"}, "the separator is ';;'; it is one character"),
        ({"separator": ""}, "the separator is ''; it is one character"),
        ({"columns": "en"}, r"the columns are 'en'; name two languages or more"),
        ({"max_other_script": 1.5}, "max_other_script is 1.5; it must be a number from 0 to 1"),
    ],
)
def test_settings_of_formats_are_checked(
    run: Import, settings: dict[str, Any], message: str
) -> None:
    for name, text in (("a.tsv", "en\tde\nOne\tEins\n"), ("de.po", PO)):
        with pytest.raises(InputError, match=message):
            run(name, text, **settings)
