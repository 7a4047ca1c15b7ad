"""A build: every sentence becomes a row, and every rejected cell has its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.build import build, estimate_build
from hexapla.corpus.reader import open_corpus
from hexapla.errors import InputError
from hexapla.sources.config import SourceConfig
from hexapla.translate.translator import Translation
from tests.fixtures.builds import N_ROWS, toy_config, write_text
from tests.fixtures.toy import toy_rows
from tests.fixtures.toy_translator import CountingTranslator, ToyTranslator


def rejected(folder: Path, name: str) -> list[dict[str, str]]:
    return [
        json.loads(line)
        for line in (folder / "rejected" / f"{name}.jsonl").read_text().splitlines()
    ]


def test_every_sentence_becomes_a_row_in_order_with_its_right_translations(tmp_path: Path) -> None:
    write_text(tmp_path)
    build(toy_config(tmp_path), quiet=True)
    corpus = open_corpus(tmp_path / "corpus")
    rows = list(corpus.rows())
    assert [row["eng_Latn"] for row in rows] == [f"{row['eng_Latn']}." for row in toy_rows(N_ROWS)]
    for built, toy in zip(rows, toy_rows(N_ROWS), strict=True):
        for language in ("deu_Latn", "fra_Latn"):
            assert built[language] in (f"{toy[language]}.", None)
    assert corpus.manifest["counts"]["sources"]["left_out"] == {"duplicate": 6, "too short": 1}
    assert corpus.manifest["columns"]["deu_Latn"] == {"translator": "toy", "beam_size": 4}
    assert rows[0]["meta.source"] == "text.txt:1"
    assert not (tmp_path / "corpus.building").exists()


def test_a_broken_cell_is_retranslated_then_nulled_and_kept_with_its_reason(tmp_path: Path) -> None:
    write_text(tmp_path)
    report = build(toy_config(tmp_path), quiet=True)
    corpus = open_corpus(tmp_path / "corpus")
    translator = ToyTranslator()
    wrong = again = 0
    for language in ("deu_Latn", "fra_Latn"):
        entries = {entry["source"]: entry for entry in rejected(tmp_path / "corpus", language)}
        for row in corpus.rows():
            source = str(row["eng_Latn"])
            first, second = (
                translator.translate([source], [language], retry=retry)[0].text
                for retry in (False, True)
            )
            if "\ufffd" in str(first):
                is_wrong_again = "\ufffd" in str(second)
                assert (entries[source]["cell"], entries[source]["reason"]) == (first, "marks")
                assert row[language] == (None if is_wrong_again else second)
                wrong += is_wrong_again
                again += not is_wrong_again
            else:
                assert source not in entries
                assert row[language] == first
    assert wrong and again
    assert corpus.manifest["counts"]["cells"]["retranslated"] == again
    assert sum(column.reasons["marks"] for column in report.columns.values()) == wrong


def test_a_row_with_a_rejected_cell_is_dropped_when_the_policy_says_so(tmp_path: Path) -> None:
    write_text(tmp_path)
    build(toy_config(tmp_path, policy="drop-row"), quiet=True)
    corpus = open_corpus(tmp_path / "corpus")
    dropped = rejected(tmp_path / "corpus", "rows")
    assert all(None not in row.values() for row in corpus.rows())
    assert dropped and len(corpus) + len(dropped) == N_ROWS


def test_without_filters_every_translation_stays(tmp_path: Path) -> None:
    write_text(tmp_path)
    build(toy_config(tmp_path, filters="none"), quiet=True)
    assert open_corpus(tmp_path / "corpus").cells("deu_Latn").count(None) == 0


class UnusableTranslator(ToyTranslator):
    """A translator whose answers cannot be used."""

    def translate(
        self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False
    ) -> list[Translation]:
        return [
            Translation(None, problem="unreadable answer" if target == "deu_Latn" else None)
            for target in targets
        ]


def test_a_build_without_filters_whose_answers_are_all_unusable_says_why(tmp_path: Path) -> None:
    write_text(tmp_path)
    with pytest.raises(
        InputError,
        match=rf"^no row is left of {N_ROWS} sentences: {N_ROWS} no translation left \("
        rf"deu_Latn {N_ROWS} unreadable answer, fra_Latn {N_ROWS} no answer\); "
        r"translate a few sentences with --sample, or use another translator",
    ):
        build(toy_config(tmp_path, filters="none", translator=UnusableTranslator()), quiet=True)
    assert not (tmp_path / "corpus").exists()


def test_a_language_that_loses_too_much_stops_the_build_and_shows_why(tmp_path: Path) -> None:
    write_text(tmp_path)
    with pytest.raises(InputError, match=r"(deu|fra)_Latn.*--max-loss"):
        build(toy_config(tmp_path, max_loss=0.01), quiet=True)
    assert not (tmp_path / "corpus").exists()
    assert rejected(tmp_path / "corpus.building", "deu_Latn")
    counting = CountingTranslator()
    build(toy_config(tmp_path, max_loss=0.5, resume=True, translator=counting), quiet=True)
    assert counting.calls == ()
    assert len(open_corpus(tmp_path / "corpus")) == N_ROWS


def test_the_shards_and_workers_change_nothing_in_the_rows(tmp_path: Path) -> None:
    write_text(tmp_path)
    build(toy_config(tmp_path), quiet=True)
    rows = list(open_corpus(tmp_path / "corpus").rows())
    for changes in ({"rows_per_shard": 7}, {"translator": ToyTranslator(multilingual=False)}):
        build(toy_config(tmp_path, out=tmp_path / "other", overwrite=True, **changes), quiet=True)
        assert list(open_corpus(tmp_path / "other").rows()) == rows


def test_a_multilingual_translator_gets_full_batches_and_another_one_language_at_a_time(
    tmp_path: Path,
) -> None:
    write_text(tmp_path)
    for multilingual, first_call in ((True, 64), (False, 32)):
        counting = CountingTranslator(multilingual=multilingual)
        build(toy_config(tmp_path, translator=counting, overwrite=True), quiet=True)
        assert counting.calls[0] == (first_call, False)


def test_cheap_mistakes_are_told_before_a_translator_is_asked_anything(tmp_path: Path) -> None:
    class Untouchable(ToyTranslator):
        def check(self, targets: Sequence[str]) -> None:
            raise AssertionError("the translator was asked")

    write_text(tmp_path)
    filters = tmp_path / "filters.toml"
    filters.write_text('cosine = { encoder = "./nowhere" }\n')
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").write_text("")
    for changes, told in (
        ({"source": SourceConfig(texts=(str(tmp_path / "empty.txt"),))}, "empty"),
        ({"out": tmp_path / "used"}, "not empty"),
        ({"filters": str(filters)}, "no such encoder folder"),
    ):
        with pytest.raises(InputError, match=told):
            build(toy_config(tmp_path, translator=Untouchable(), **changes), quiet=True)


def test_a_sentence_without_any_translation_left_is_counted_and_kept_beside(tmp_path: Path) -> None:
    write_text(tmp_path)
    report = build(toy_config(tmp_path, to=("deu_Latn",)), quiet=True)
    without = [
        entry
        for entry in rejected(tmp_path / "corpus", "rows")
        if entry["reason"] == "no translation left"
    ]
    assert (
        0
        < report.rows["no translation left"]
        == len(without)
        == N_ROWS - len(open_corpus(tmp_path / "corpus"))
    )


def test_evaluation_sentences_and_near_repetitions_never_become_rows(tmp_path: Path) -> None:
    lines = [
        "A man is playing the guitar on a stage.",
        "A man is playing the guitar on the stage!",
        "The cat sleeps on the old wooden chair.",
        "Two dogs run along the river in the rain.",
    ]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    (tmp_path / "test.txt").write_text("the cat sleeps on the old wooden chair\n")
    config = toy_config(
        tmp_path,
        near_duplicates=0.8,
        against=(str(tmp_path / "test.txt"),),
        filters="none",
        translator=ToyTranslator(),
    )
    build(config, quiet=True)
    corpus = open_corpus(tmp_path / "corpus")
    assert corpus.cells("eng_Latn") == [lines[0], lines[3]]
    left_out = {
        entry["text"]: entry["reason"] for entry in rejected(tmp_path / "corpus", "sentences")
    }
    assert left_out == {lines[1]: "near-duplicate", lines[2]: f"in {tmp_path / 'test.txt'}"}
    assert corpus.manifest["filters"][0]["against"][0]["n_sentences"] == 1


def test_a_translated_evaluation_sentence_takes_its_row_away(tmp_path: Path) -> None:
    write_text(tmp_path)
    first = toy_rows(N_ROWS)[0]
    (tmp_path / "test.txt").write_text(f"{first['deu_Latn']}\n")
    build(
        toy_config(
            tmp_path,
            against=(str(tmp_path / "test.txt"),),
            filters="none",
            translator=ToyTranslator(bad=10**9),
        )
    )
    corpus = open_corpus(tmp_path / "corpus")
    assert len(corpus) == N_ROWS - 1
    assert f"{first['eng_Latn']}." not in corpus.cells("eng_Latn")
    (filters,) = corpus.manifest["filters"]
    assert filters["rows"][f"in {tmp_path / 'test.txt'}"] == 1
    assert (
        "Kept apart from test.txt (1 sentences): 1 rows left out."
        in (corpus.path / "README.md").read_text()
    )


def test_an_estimate_counts_and_writes_nothing(tmp_path: Path) -> None:
    write_text(tmp_path)
    estimate = estimate_build(toy_config(tmp_path))
    assert (estimate.n_sentences, estimate.n_languages) == (N_ROWS, 2)
    assert estimate.left_out == {"duplicate": 6, "too short": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"to": ("eng_Latn", "deu_Latn")}, "eng_Latn is the pivot"),
        ({"policy": "drop-rows"}, 'did you mean "drop-row"'),
        ({"workers": 0}, "workers is 0"),
        ({"max_loss": 20}, "max_loss is 20; it must be a number from 0 to 1"),
        ({"address": "auto"}, "--executor ray"),
        ({"near_duplicates": -0.5}, "above 0 and at most 1"),
    ],
)
def test_wrong_settings_are_refused_by_name(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        toy_config(tmp_path, **changes)


def test_a_language_that_the_translator_lacks_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    write_text(tmp_path)
    with pytest.raises(InputError, match="has no jpn_Jpan"):
        build(toy_config(tmp_path, to=("jpn_Jpan",)), quiet=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt"]


def test_a_missing_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.txt"):
        build(
            toy_config(tmp_path, source=SourceConfig(texts=(str(tmp_path / "nowhere.txt"),))),
            quiet=True,
        )


def test_a_built_corpus_aligns(tmp_path: Path) -> None:
    from tests.fixtures.toy import toy_encoder

    write_text(tmp_path)
    build(toy_config(tmp_path), quiet=True)
    config = AlignConfig(
        corpus=str(tmp_path / "corpus"),
        encoder=str(toy_encoder(tmp_path / "encoder")),
        out=tmp_path / "aligned",
        rows_per_step=16,
        report_to="none",
    )
    assert align(config, quiet=True)["n_rows_seen"] == N_ROWS
