"""Columns added to a corpus, and cells filled in it: what was there stays, and each maker is named."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hexapla.build import build, estimate_build, preview_build
from hexapla.build.config import BuildConfig
from hexapla.cli.app import main
from hexapla.corpus.inspect import inspect_corpus
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.sources.config import SourceConfig
from hexapla.translate.translator import Translation
from tests.fixtures.builds import N_ROWS, toy_config, tree, write_text
from tests.fixtures.toy import toy_rows
from tests.fixtures.toy_translator import CountingTranslator, ToyTranslator

RIGHT = 10**9  # of `bad`: nothing is translated wrongly


def extension_of(folder: Path, **changes: Any) -> BuildConfig:
    """Return the settings that extend the corpus in `folder` into `new`, without slow filters."""
    filters = folder / "filters.toml"
    filters.write_text("language = false\n")
    source = SourceConfig(texts=(str(folder / "corpus"),))
    given = {"source": source, "to": (), "out": folder / "new", "filters": str(filters)}
    return toy_config(folder, **given | changes)


def origin_in(folder: Path, *, gaps: int = 10, **changes: Any) -> Corpus:
    """Write a corpus of toy rows in two languages, of which every so many lacks its German cell."""
    rows = [
        {
            "eng_Latn": f"{row['eng_Latn']}.",
            "deu_Latn": None if place % gaps == 3 else f"{row['deu_Latn']}.",
            "fra_Latn": f"{row['fra_Latn']}.",
            "meta.place": place,
        }
        for place, row in enumerate(toy_rows(N_ROWS))
    ]
    made = {"deu_Latn": {"translator": "old"}, "fra_Latn": {"file": "fra.tsv"}}
    given = {"languages": ("eng_Latn", "deu_Latn", "fra_Latn"), "columns": made, **changes}
    return write_corpus(rows, folder / "corpus", **given)


def rejected(folder: Path, name: str) -> list[dict[str, Any]]:
    path = folder / "rejected" / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_added_column_stands_beside_untouched_ones(tmp_path: Path) -> None:
    before = origin_in(tmp_path, license="cc0-1.0")
    counting = CountingTranslator(bad=RIGHT)
    build(extension_of(tmp_path, add=("es",), translator=counting), quiet=True)
    after = open_corpus(tmp_path / "new")
    assert after.languages == ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn")
    assert after.row_ids() == before.row_ids()
    for old, new, toy in zip(before.rows(), after.rows(), toy_rows(N_ROWS), strict=True):
        assert old.items() <= new.items()
        assert new["spa_Latn"] == f"{toy['spa_Latn']}."
    assert sum(n for n, _ in counting.calls) == N_ROWS
    columns = after.manifest["columns"]
    assert columns["spa_Latn"] == {"translator": "toy", "beam_size": 4}
    assert {code: columns[code] for code in before.languages} == before.manifest["columns"]
    assert after.manifest["license"] == "cc0-1.0"
    (extension,) = after.manifest["extensions"]
    origin = {"name": "corpus", "sha256": before.sha256}
    assert (extension["kind"], extension["languages"]) == ("add", ["spa_Latn"])
    assert extension["corpus"] == origin
    record = json.loads((tmp_path / "new" / "run.json").read_text())
    assert record["config"]["corpus.sha256"] == before.sha256


def test_languages_at_once_or_one_after_the_other_are_the_same_rows(tmp_path: Path) -> None:
    write_text(tmp_path)
    both = toy_config(tmp_path, filters="none", out=tmp_path / "both")
    build(both, quiet=True)
    build(replace(both, to=("deu_Latn",), out=tmp_path / "corpus"), quiet=True)
    build(extension_of(tmp_path, filters="none", add=("fra_Latn",)), quiet=True)
    assert list(open_corpus(tmp_path / "new").rows()) == list(open_corpus(both.out).rows())
    record = json.loads((tmp_path / "new" / "run.json").read_text())
    assert record["origin"] == json.loads((tmp_path / "corpus" / "run.json").read_text())


def test_what_an_added_column_lost_is_null_and_its_row_stays(tmp_path: Path) -> None:
    origin_in(tmp_path)
    build(extension_of(tmp_path, add=("spa_Latn",)), quiet=True)
    build(extension_of(tmp_path, add=("spa_Latn",), policy="drop-row", out=tmp_path / "less"))
    after = open_corpus(tmp_path / "new")
    lost = [entry for entry in rejected(after.path, "spa_Latn") if entry["replaced_by"] is None]
    assert 0 < len(lost) == after.cells("spa_Latn").count(None)
    assert len(after) == N_ROWS
    assert len(open_corpus(tmp_path / "less")) == N_ROWS - len(lost)


def test_a_group_adds_those_that_the_corpus_lacks(tmp_path: Path) -> None:
    origin_in(tmp_path)
    config = extension_of(tmp_path, add=("paper",))
    assert config.to == config.add == ("spa_Latn",)
    assert extension_of(tmp_path, top_up=True, to=("paper",)).to == ("deu_Latn", "fra_Latn")
    build(config, quiet=True)
    with pytest.raises(InputError, match="new has all languages of paper that the translator has"):
        extension_of(tmp_path, add=("paper",), source=SourceConfig(texts=(str(tmp_path / "new"),)))


def test_the_pivot_of_the_corpus_is_translated_whatever_it_is(tmp_path: Path) -> None:
    rows = [{"deu_Latn": f"deu0{n} deu0{n}", "fra_Latn": "fra01"} for n in range(9)]
    write_corpus(rows, tmp_path / "corpus", languages=("deu_Latn", "fra_Latn"), pivot="deu_Latn")
    build(extension_of(tmp_path, add=("eng_Latn",), filters="none"), quiet=True)
    after = open_corpus(tmp_path / "new")
    assert (after.pivot, after.cells("eng_Latn")) == ("deu_Latn", after.cells("deu_Latn"))


def test_only_missing_cells_are_filled_and_their_translator_is_named(tmp_path: Path) -> None:
    before = origin_in(tmp_path)
    translator = CountingTranslator(bad=RIGHT)
    build(extension_of(tmp_path, top_up=True, translator=translator), quiet=True)
    after = open_corpus(tmp_path / "new")
    assert sum(n for n, _ in translator.calls) == 6
    places = []
    for old, new, toy in zip(before.rows(), after.rows(), toy_rows(N_ROWS), strict=True):
        kept = {key: value for key, value in old.items() if value is not None}
        assert kept.items() <= new.items()
        assert new["deu_Latn"] == f"{toy['deu_Latn']}."
        places.append(new["meta.translator.deu_Latn"])
    assert places == ["1" if place % 10 == 3 else None for place in range(N_ROWS)]
    new_facts = {"translator": "toy", "beam_size": 4, "n_cells": 6}
    made = {"translators": [{"translator": "old", "n_cells": N_ROWS - 6}, new_facts]}
    assert after.manifest["columns"]["deu_Latn"] == made
    shown = ["54 cells: translator old", "6 cells: translator toy, beam_size 4"]
    assert "; ".join(shown) in (after.path / "README.md").read_text()
    file = io.StringIO()
    inspect_corpus(after).render(Console(file=file, width=120))
    assert all(line in file.getvalue() for line in shown)


def test_a_cell_that_fails_again_stays_missing_and_the_next_translator_gets_it(
    tmp_path: Path,
) -> None:
    origin_in(tmp_path, gaps=4)
    build(extension_of(tmp_path, top_up=True, translator=ToyTranslator(bad=3)), quiet=True)
    first = open_corpus(tmp_path / "new")
    n_left = first.cells("deu_Latn").count(None)
    lost = rejected(first.path, "deu_Latn")
    assert 0 < n_left == len([entry for entry in lost if entry["replaced_by"] is None]) < 15
    again = {"source": SourceConfig(texts=(str(first.path),)), "out": tmp_path / "third"}
    third = ToyTranslator(bad=RIGHT, beam_size=1)
    build(extension_of(tmp_path, top_up=True, translator=third, **again), quiet=True)
    after = open_corpus(tmp_path / "third")
    makers = after.manifest["columns"]["deu_Latn"]["translators"]
    assert [maker["n_cells"] for maker in makers] == [45, 15 - n_left, n_left]
    assert [entry["kind"] for entry in after.manifest["extensions"]] == ["top_up", "top_up"]
    assert rejected(after.path, "deu_Latn") == lost


def test_the_same_translator_is_named_once(tmp_path: Path) -> None:
    write_text(tmp_path)
    (tmp_path / "filters.toml").write_text("language = false\n")
    build(toy_config(tmp_path, filters=str(tmp_path / "filters.toml")), quiet=True)
    n_lost = open_corpus(tmp_path / "corpus").cells("deu_Latn").count(None)
    assert n_lost > 0
    build(extension_of(tmp_path, top_up=True, max_loss=1.0), quiet=True)
    after = open_corpus(tmp_path / "new")
    assert after.cells("deu_Latn").count(None) == n_lost
    assert after.manifest["columns"]["deu_Latn"] == {"translator": "toy", "beam_size": 4}
    assert not [name for name in after.manifest["meta"] if "translator" in name]
    old, new = (rejected(tmp_path / name, "deu_Latn") for name in ("corpus", "new"))
    assert new[: len(old)] == old and len(new) > len(old)


@pytest.mark.parametrize("policy", ["null-cell", "drop-row"])
def test_a_row_that_was_left_out_for_its_cells_comes_back_when_they_are_filled(
    tmp_path: Path, policy: str
) -> None:
    write_text(tmp_path)
    filters = tmp_path / "filters.toml"
    filters.write_text("language = false\n")
    to = ("deu_Latn",) if policy == "null-cell" else ("deu_Latn", "fra_Latn")
    build(toy_config(tmp_path, to=to, policy=policy, filters=str(filters)), quiet=True)
    before = open_corpus(tmp_path / "corpus")
    lost = rejected(before.path, "rows")
    assert len(before) + len(lost) == N_ROWS > len(before)
    half = {"top_up": True, "policy": policy, "max_loss": 1.0, "translator": ToyTranslator(bad=4)}
    build(extension_of(tmp_path, **half), quiet=True)
    after = open_corpus(tmp_path / "new")
    still = rejected(after.path, "rows")
    assert 0 < len(still) < len(lost) and all(entry in lost for entry in still)
    assert len(after) + len(still) == N_ROWS
    assert after.row_ids()[: len(before)] == before.row_ids()
    returned = [row["eng_Latn"] for row in after.rows()][len(before) :]
    assert returned == [entry["row"]["eng_Latn"] for entry in lost if entry not in still]


class Verbose(ToyTranslator):
    """Says everything three times in other words."""

    def translate(
        self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False
    ) -> list[Translation]:
        return [
            Translation(" ".join(f"{word}{part}" for part in "abc" for word in text.split()))
            for text in texts
        ]


def test_new_cells_are_judged_by_what_is_normal_in_the_whole_column(tmp_path: Path) -> None:
    origin_in(tmp_path)
    config = extension_of(tmp_path, top_up=True, translator=Verbose())
    report = build(config, quiet=True)
    # Six cells alone would be compared with fixed values, which allow such lengths.
    assert report.columns["deu_Latn"].reasons == {"length_ratio": 6}
    assert report.columns["deu_Latn"].n_cells == N_ROWS
    assert open_corpus(tmp_path / "new").cells("deu_Latn").count(None) == 6
    preview = preview_build(replace(config, to=("deu_Latn",)), 6, quiet=True)
    assert [cell.is_kept for cell in preview.cells["deu_Latn"]] == [False] * 6


def test_only_the_columns_named_are_filled(tmp_path: Path) -> None:
    rows = [{"eng_Latn": f"eng{n:02d} eng01 eng02.", "deu_Latn": "deu01"} for n in range(9)]
    origin = {"languages": ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn")}
    write_corpus(rows, tmp_path / "corpus", **origin)
    build(extension_of(tmp_path, top_up=True, to=("fr",), filters="none"), quiet=True)
    after = open_corpus(tmp_path / "new")
    assert after.cells("fra_Latn").count(None) == 0
    assert after.cells("spa_Latn").count(None) == 9


def test_rows_of_an_evaluation_set_leave_the_extended_corpus(tmp_path: Path) -> None:
    origin_in(tmp_path)
    old, new = toy_rows(N_ROWS)[7], toy_rows(N_ROWS)[9]
    (tmp_path / "test.txt").write_text(f"{old['fra_Latn']}\n{new['spa_Latn']}\n")
    counting = CountingTranslator(bad=RIGHT)
    config = extension_of(
        tmp_path, add=("spa_Latn",), against=(str(tmp_path / "test.txt"),), translator=counting
    )
    report = build(config, quiet=True)
    sentences = open_corpus(tmp_path / "new").cells("eng_Latn")
    assert len(sentences) == N_ROWS - 2
    assert not {f"{row['eng_Latn']}." for row in (old, new)} & set(sentences)
    assert sum(n for n, _ in counting.calls) == N_ROWS - 1
    assert report.rows == {f"in {tmp_path / 'test.txt'}": 2}
    assert len(rejected(tmp_path / "new", "rows")) == 2


def test_estimates_count_what_is_to_be_translated(tmp_path: Path) -> None:
    origin_in(tmp_path)
    added = estimate_build(extension_of(tmp_path, add=("spa_Latn",)))
    assert (added.n_sentences, added.n_translations) == (N_ROWS, N_ROWS)
    filled = estimate_build(extension_of(tmp_path, top_up=True))
    assert (filled.n_sentences, filled.n_translations, filled.n_languages) == (6, 6, 2)
    preview = preview_build(extension_of(tmp_path, top_up=True), 2, quiet=True)
    assert preview.sentences == [f"{toy_rows(N_ROWS)[place]['eng_Latn']}." for place in (13, 43)]
    # Two languages of two sentences were translated, and one of six is missing.
    words = [len(text.split()) for text in preview.sentences]
    n_characters = sum(len(f"{toy_rows(N_ROWS)[n]['eng_Latn']}.") for n in range(3, N_ROWS, 10))
    n_tokens = 2 * sum(words) * n_characters / (2 * sum(map(len, preview.sentences)))
    assert preview.n_tokens == round(n_tokens)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "filters.toml"]


def test_scores_against_references_are_of_the_whole_column(tmp_path: Path) -> None:
    pytest.importorskip("sacrebleu")
    origin_in(tmp_path)
    human = tmp_path / "human.tsv"
    rows = [
        f"{row['eng_Latn']}.\t{row['deu_Latn']}.\t{row['spa_Latn']}." for row in toy_rows(N_ROWS)
    ]
    human.write_text("\n".join(["eng_Latn\tdeu_Latn\tspa_Latn", *rows]))
    given = {"reference": str(human), "translator": ToyTranslator(bad=RIGHT)}
    build(extension_of(tmp_path, top_up=True, to=("deu_Latn",), **given), quiet=True)
    source = SourceConfig(texts=(str(tmp_path / "new"),))
    more = {"source": source, "out": tmp_path / "more"}
    build(extension_of(tmp_path, add=("spa_Latn",), **given, **more), quiet=True)
    scores = open_corpus(tmp_path / "more").manifest["references"]["languages"]
    assert {code: each["n"] for code, each in scores.items()} == {
        "deu_Latn": N_ROWS,
        "spa_Latn": N_ROWS,
    }
    del more["out"]
    build(extension_of(tmp_path, add=("spa_Latn",), out=tmp_path / "plain", **more), quiet=True)
    kept = open_corpus(tmp_path / "plain").manifest["references"]["languages"]
    assert kept == {"deu_Latn": scores["deu_Latn"]}


@pytest.mark.slow
@pytest.mark.parametrize("mode", [{"add": ("spa_Latn",)}, {"top_up": True}])
def test_workers_change_nothing_in_an_extension(tmp_path: Path, mode: dict[str, Any]) -> None:
    origin_in(tmp_path, gaps=4)
    build(extension_of(tmp_path, **mode), quiet=True)
    whole = tree(tmp_path / "new")
    build(extension_of(tmp_path, workers=2, overwrite=True, **mode), quiet=True)
    record = json.loads((tmp_path / "new" / "run.json").read_text())
    assert record.pop("replaces") is True
    assert {**tree(tmp_path / "new"), "run.json": ""} == {**whole, "run.json": ""}


def test_a_corpus_is_extended_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = "texts, source, target: [text.replace('eng', target[:2]) for text in texts]"
    (tmp_path / "toy_words.py").write_text(f"translate = lambda {words}\n")
    with_words = ["--backend", "python", "--translator", "toy_words:translate", "--filters", "none"]
    assert main(["build", "corpus", "--add", "es", *with_words, "--out", "added", "--quiet"]) == 0
    assert open_corpus("added").cells("spa_Latn").count(None) == 0
    assert main(["build", "added", "--top-up", *with_words, "--out", "added", "--overwrite"]) == 0
    after = open_corpus("added")
    assert after.cells("deu_Latn").count(None) == 0
    assert [each["kind"] for each in after.manifest["extensions"]] == ["add", "top_up"]
