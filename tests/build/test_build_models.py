"""Builds with translators that are trained here: all that they do wrong is caught, and all that they do right stays."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hexapla.build import build
from hexapla.build.config import BuildConfig
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.errors import InputError
from hexapla.filters import FilterReport
from hexapla.filters.filter_settings import filter_names
from hexapla.sources.config import SourceConfig
from hexapla.translate.backends import open_translator
from hexapla.translate.config import TranslatorConfig
from tests.fixtures.nmt import (
    BAD,
    BAD_PAIRS,
    ENGLISH,
    LANGUAGES,
    TRANSLATIONS,
    random_nmt,
    shared_toy,
)

UNLEARNT = "They bought languages today at home with two chairs."
LONG = " ".join(sentence.lower().strip(".?") for sentence in ENGLISH[:12]) + "."
# A toy column has 22 cells, of which two ask; six sigmas of the log-probability would be too much
# for so few.
FILTERS = """
length_ratio = { least_cells = 20 }
punctuation = { least_questions = 2, least_kept = 0.5 }
log_prob = { least_cells = 20, deviations = 4 }
collapsed = { most = 2 }
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def toy(model: Path, cache: Path, **settings: Any) -> TranslatorConfig:
    settings = {
        "backend": "ctranslate2",
        "compute_type": "float32",
        "beam_size": 1,  # every right token is likely; beside it, beams end early on some processors
        "threads": 1,
        "cache": cache,
        **settings,
    }
    return TranslatorConfig(translator=str(model), **settings)


def config_of(
    folder: Path, translator: TranslatorConfig, *more: str, **settings: Any
) -> BuildConfig:
    """Return a build of the sentences, and of more, into all toy languages without filters, but for its settings."""
    (folder / "text.txt").write_text("\n".join([*ENGLISH, *more]), encoding="utf-8")
    source = SourceConfig(texts=(str(folder / "text.txt"),))
    settings = {"to": LANGUAGES, "out": folder / "corpus", "filters": "none", **settings}
    return BuildConfig(source=source, translator=translator, **settings)


def rejected(folder: Path, language: str) -> dict[str, dict[str, Any]]:
    lines = (folder / "rejected" / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
    return {entry["source"]: entry for entry in map(json.loads, lines)}


def columns(corpus: Corpus) -> dict[str, list[str | None]]:
    return {language: corpus.cells(language) for language in corpus.languages}


RIGHT = {
    "eng_Latn": list(ENGLISH),
    **{language: list(cells) for language, cells in TRANSLATIONS.items()},
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, FilterReport]:
    """Build with the translator that has learnt what is wrong, too."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "filters.toml").write_text(FILTERS)
    config = config_of(
        folder,
        toy(shared_toy("nllb", BAD_PAIRS), cache, max_input_tokens=64),
        UNLEARNT,
        LONG,
        filters=str(folder / "filters.toml"),
        max_loss=0.5,
    )
    return folder / "corpus", build(config, quiet=True)


def bad_pairs(language: str) -> dict[str, tuple[str, str]]:
    """Return what is wrong and seen in a language: its English -> the text and the reason."""
    return {
        english: (target, why)
        for (code, english, target), why in BAD.items()
        if code == language and why
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_wrong_is_rejected_for_its_reason_and_its_cell_null_or_retranslated(
    language: str, bad: tuple[Path, FilterReport]
) -> None:
    folder, _ = bad
    cells = dict(zip(ENGLISH, open_corpus(folder).cells(language), strict=False))
    entries = rejected(folder, language)
    for english, (wrong, reason) in bad_pairs(language).items():
        entry = entries[english]
        assert (entry["reason"], entry["cell"]) == (reason, wrong or None)
        assert cells[english] == entry["replaced_by"] != wrong
        assert (entry["second"] is None) == (
            cells[english] is not None or reason == "empty translation"
        )


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_right_stays_as_it_is_beside_what_is_wrong(
    language: str, bad: tuple[Path, FilterReport]
) -> None:
    folder, _ = bad
    corpus = open_corpus(folder)
    assert corpus.cells("eng_Latn")[: len(ENGLISH)] == list(ENGLISH)
    assert LONG not in corpus.cells("eng_Latn")  # no language has it, so it is no row
    assert rejected(folder, language).keys() <= {*bad_pairs(language), UNLEARNT, LONG}
    let_through = {
        english: target
        for (code, english, target), why in BAD.items()
        if code == language and not why
    }
    for english, right, cell in zip(
        ENGLISH, TRANSLATIONS[language], corpus.cells(language), strict=False
    ):
        if english not in bad_pairs(language):
            assert cell == let_through.get(english, right)


def test_every_reason_fires_and_the_table_counts_each(bad: tuple[Path, FilterReport]) -> None:
    folder, report = bad
    seen: Counter[str] = Counter()
    for language in LANGUAGES:
        entries = rejected(folder, language)
        lost = Counter(
            entry["reason"] for entry in entries.values() if entry["replaced_by"] is None
        )
        assert report.columns[language].reasons == lost
        assert report.columns[language].n_cells == len(ENGLISH) + 2
        assert entries[LONG]["reason"] == "source too long"
        seen.update(entry["reason"] for source, entry in entries.items() if source in ENGLISH)
    assert seen == Counter(reason for reason in BAD.values() if reason)
    assert report.rows == {
        "no translation left": 2
    }  # the one that is too long, the one that nobody taught it
    (written,) = open_corpus(folder).manifest["filters"]
    assert (
        FilterReport.from_json(written).columns == FilterReport.from_json(report.to_json()).columns
    )


def test_a_sentence_that_nobody_taught_it_is_rejected_for_its_probability(
    bad: tuple[Path, FilterReport],
) -> None:
    folder, _ = bad
    reasons = Counter(rejected(folder, language)[UNLEARNT]["reason"] for language in LANGUAGES)
    assert (
        reasons["log_prob"] >= 3
    )  # in the others it is what another sentence is, or no language at all


def test_a_repetition_is_replaced_by_the_second_try(tmp_path: Path, cache: Path) -> None:
    config = toy(shared_toy("nllb", BAD_PAIRS), cache)
    off = "\n".join(f"{name} = false" for name in filter_names() if name != "repetition")
    (tmp_path / "filters.toml").write_text(off)
    report = build(
        config_of(tmp_path, config, to=("fra_Latn",), filters=str(tmp_path / "filters.toml")),
        quiet=True,
    )
    (entry,) = rejected(tmp_path / "corpus", "fra_Latn").values()
    (again,) = open_translator(config).translate([ENGLISH[3]], ["fra_Latn"], retry=True)
    corpus = open_corpus(tmp_path / "corpus")
    assert (entry["source"], entry["second"]) == (ENGLISH[3], None)
    assert corpus.cells("fra_Latn")[3] == entry["replaced_by"] == again.text != entry["cell"]
    assert corpus.manifest["counts"]["cells"] == {
        "retranslated": 1,
        "missing": 0,
        "rows_left_out": 0,
    }
    assert report.columns["fra_Latn"].reasons == Counter()


def test_an_output_without_an_end_is_rejected_as_unfinished(tmp_path: Path) -> None:
    model = random_nmt("nllb", tmp_path / "random", seed=2)
    with pytest.raises(
        InputError, match=r"deu_Latn loses 100.0% of its 20 cells, 20 of them for unfinished"
    ):
        build(
            config_of(
                tmp_path, toy(model, tmp_path, beam_size=4), to=("deu_Latn",), filters="default"
            ),
            quiet=True,
        )
    entries = rejected(tmp_path / "corpus.building", "deu_Latn").values()
    assert len(entries) == len(ENGLISH)
    assert all(entry["cell"] and entry["second"] for entry in entries)


@pytest.mark.parametrize("kind", ["nllb", pytest.param("m2m100", marks=pytest.mark.slow), "marian"])
def test_both_backends_build_the_same_corpus_of_all_the_right_sentences(
    kind: str, tmp_path: Path, cache: Path
) -> None:
    corpora = []
    for backend in ("ctranslate2", "transformers"):
        translator = toy(shared_toy(kind), cache, backend=backend)
        report = build(
            config_of(tmp_path, translator, out=tmp_path / backend, filters="default"), quiet=True
        )
        assert sum(column.reasons.total() for column in report.columns.values()) == 0
        corpora.append(open_corpus(tmp_path / backend))
        assert columns(corpora[-1]) == RIGHT
        assert corpora[-1].manifest["columns"]["zho_Hans"]["backend"] == backend
    one, other = (
        [
            float(row[f"meta.log_prob.{language}"] or 1)
            for row in corpus.rows()
            for language in LANGUAGES
        ]
        for corpus in corpora
    )
    assert one == pytest.approx(other, abs=0.01)


def test_a_translator_of_one_pair_is_refused_for_two_languages_before_anything_is_written(
    tmp_path: Path, cache: Path
) -> None:
    marian = toy(shared_toy("marian-de"), cache)
    with pytest.raises(InputError, match="into one language; asked for deu_Latn, fra_Latn"):
        build(config_of(tmp_path, marian, to=("deu_Latn", "fra_Latn")), quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]
    build(config_of(tmp_path, marian, to=("deu_Latn",)), quiet=True)
    assert open_corpus(tmp_path / "corpus").cells("deu_Latn") == RIGHT["deu_Latn"]


@pytest.mark.slow
def test_two_processes_build_what_one_does(tmp_path: Path, cache: Path) -> None:
    for workers in (1, 2):
        translator = toy(shared_toy("nllb"), cache, threads=None)
        build(
            config_of(
                tmp_path,
                translator,
                out=tmp_path / f"by{workers}",
                workers=workers,
                rows_per_shard=6,
            )
        )
    one, two = (list(open_corpus(tmp_path / name).rows()) for name in ("by1", "by2"))
    assert one == two
    assert [row["zho_Hans"] for row in one] == RIGHT["zho_Hans"]


def accuracy(encoder: str, cells: dict[str, list[str]]) -> float:
    """Return how often the nearest cell of another language, 0 to 1, is that of the English one's row."""
    from hexapla.encoder.encode import encode
    from hexapla.encoder.load import load_encoder

    model = load_encoder(encoder)
    vectors = {
        language: encode(model, texts, task="BitextMining") for language, texts in cells.items()
    }
    pivot = vectors.pop("eng_Latn")
    found = [
        (pivot @ other.T).argmax(axis=1) == np.arange(len(pivot)) for other in vectors.values()
    ]
    return float(np.mean(found))


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Go from English sentences to an aligned encoder."""
    from hexapla.alignment.config import AlignConfig
    from hexapla.alignment.stage import align

    folder = tmp_path_factory.mktemp("aligned")
    build(
        config_of(folder, toy(shared_toy("nllb"), cache, compute_type="int8"), filters="default"),
        quiet=True,
    )
    config = AlignConfig(
        corpus=str(folder / "corpus"),
        encoder="tiny",
        out=folder / "encoder",
        rows_per_step=20,
        cells_per_row=0,
        temperature=0.05,
        margin=0.0,  # so that translations have high cosines
        preserve=0.0,
        epochs=12,
        learning_rate=1e-3,
        report_to="none",
    )
    assert align(config, quiet=True)["n_rows_seen"] == 12 * len(ENGLISH)
    return folder


@pytest.mark.slow
def test_the_rows_that_were_built_align_an_encoder(aligned: Path) -> None:
    corpus = open_corpus(aligned / "corpus")
    assert columns(corpus) == RIGHT
    assert corpus.manifest["columns"]["deu_Latn"]["compute_type"] == "int8_float32"
    before, after = accuracy("tiny", RIGHT), accuracy(str(aligned / "encoder"), RIGHT)
    assert before < 0.4 and after > 0.9  # 0.14 and 1.00


@pytest.mark.slow
def test_with_an_encoder_a_fluent_translation_of_another_sentence_is_seen(
    tmp_path: Path, cache: Path, aligned: Path
) -> None:
    (tmp_path / "filters.toml").write_text(
        f'[cosine]\nencoder = "{aligned / "encoder"}"\nleast = 0.7\n'
    )  # right ones 0.76 or more, wrong ones 0.65 at most
    translator = toy(shared_toy("nllb", BAD_PAIRS), cache)
    build(config_of(tmp_path, translator, filters=str(tmp_path / "filters.toml")), quiet=True)
    unseen = {
        (language, english) for (language, english, _), reason in BAD.items() if reason is None
    }
    seen = {
        (language, entry["source"])
        for language in LANGUAGES
        for entry in rejected(tmp_path / "corpus", language).values()
        if entry["reason"] == "cosine"
    }
    assert seen >= unseen
    right = {(language, english) for language in LANGUAGES for english in ENGLISH} - {
        pair[:2] for pair in BAD
    }
    assert not seen & right
