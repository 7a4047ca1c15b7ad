"""The inspect screen: its numbers, worked by hand, and that no text can break the terminal."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from hexapla.corpus.inspect import ColumnFacts, inspect_corpus
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.corpus.writer import write_corpus

ROWS: list[dict[str, str | None]] = [
    {"eng_Latn": "one", "deu_Latn": "eins", "zho_Hans": "一"},
    {"eng_Latn": "a one", "deu_Latn": "eins", "zho_Hans": None},
    {"eng_Latn": "three", "deu_Latn": "drei, vier", "zho_Hans": None},
    {"eng_Latn": "the one", "deu_Latn": "eins", "zho_Hans": "一一"},
    {"eng_Latn": "alone", "deu_Latn": None, "zho_Hans": None},
]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    columns = {"deu_Latn": {"translator": "opus-mt", "settings": {"beam": 4}}}
    languages = ("eng_Latn", "deu_Latn", "zho_Hans")
    return write_corpus(
        ROWS,
        tmp_path / "toy",
        languages=languages,
        columns=columns,
        rows_per_shard=3,
        license="mit",
    )


def screen(corpus: Corpus, width: int = 120) -> str:
    output = io.StringIO()
    inspect_corpus(corpus).render(Console(file=output, width=width))
    return output.getvalue()


def test_the_facts_are_those_counted_by_hand(corpus: Corpus) -> None:
    facts = inspect_corpus(corpus)
    assert facts.columns == (
        ColumnFacts(
            language="eng_Latn",
            n_cells=4,
            n_repeated=0,
            mean_characters=(3 + 5 + 5 + 7) / 4,
            longest=7,
            made_by="",
        ),
        ColumnFacts(
            language="deu_Latn",
            n_cells=4,
            n_repeated=2,
            mean_characters=(3 * 4 + 10) / 4,
            longest=10,
            made_by='translator opus-mt, settings {"beam": 4}',
        ),
        ColumnFacts(
            language="zho_Hans", n_cells=2, n_repeated=0, mean_characters=1.5, longest=2, made_by=""
        ),
    )
    assert (facts.n_rows, facts.n_shards, facts.pivot, facts.license) == (4, 2, "eng_Latn", "mit")
    assert facts.dropped == {"fewer_than_two_cells": 1, "repeated_row": 0}
    assert facts.examples == tuple(ROWS[:3])
    assert (
        facts.size_mib == sum(path.stat().st_size for path in corpus.path.glob("*.parquet")) / 2**20
    )
    assert facts.sha256 == corpus.sha256


def test_the_screen_shows_every_fact(corpus: Corpus) -> None:
    shown = screen(corpus)
    for part in (
        "toy: 4 rows in 3 languages, 2 files, 0.0 MiB",
        "pivot eng_Latn, license mit, filters 0",
        "left out when written: 1 fewer than two cells",
        corpus.sha256,
        "row 3",
        "  deu_Latn  drei, vier",
        "  zho_Hans  (none)",
    ):
        assert part in shown
    columns = {
        line.split()[0]: line.split()[1:]
        for line in shown.splitlines()
        if line[:8] in corpus.languages
    }
    assert columns["deu_Latn"][:6] == ["German", "100.0%", "2", "5.5", "10", "translator"]
    assert columns["zho_Hans"] == ["Chinese", "(Simplified)", "50.0%", "0", "1.5", "2"]


def test_a_split_is_inspected_by_its_own_rows(corpus: Corpus) -> None:
    kept, held_out = corpus.split(0.5)
    assert inspect_corpus(kept).n_rows + inspect_corpus(held_out).n_rows == 4
    empty = inspect_corpus(corpus.split(0.0)[1])
    assert [(column.n_cells, column.mean_characters) for column in empty.columns] == [(0, 0.0)] * 3
    assert "0 rows in 3 languages" in screen(corpus.split(0.0)[1])


def test_no_cell_can_colour_the_terminal_or_break_its_line(tmp_path: Path) -> None:
    nasty = {"eng_Latn": "[red]a\x1b[31m\nb\u2028c[/red]", "pes_Arab": "می\u200cروم"}
    shown = screen(write_corpus([nasty], tmp_path / "nasty", languages=list(nasty)))
    assert "  eng_Latn  [red]a\\x1b[31m b\\u2028c[/red]" in shown.splitlines()
    assert "  pes_Arab  می\u200cروم" in shown.splitlines()


def test_thirty_languages_stay_on_one_screen(tmp_path: Path) -> None:
    from hexapla.text.languages import LANGUAGES

    codes = ["eng_Latn", *(code for code in LANGUAGES if code != "eng_Latn")][:30]
    rows = [{code: f"{code} {i} " * 40 for code in codes} for i in range(5)]
    lines = screen(write_corpus(rows, tmp_path / "wide", languages=codes)).splitlines()
    assert len(lines) == 4 + 31 + 3 * 4 + 1
    assert max(map(len, lines)) <= 120
    assert lines[-1] == "  and 27 more languages in each row"


def test_rows_that_can_be_aligned_on_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    lines = ["en\tde\tfr", "one\teins\tun", "two\tzwei\t", "three\t\t", ""]
    path.write_text("\n".join(lines))
    facts = inspect_corpus(open_corpus(path))
    assert (facts.n_rows, facts.n_usable, facts.n_full) == (3, 2, 1)
    # The pivot of every row is there, selected or not.
    german = inspect_corpus(open_corpus(path, languages=["de"]))
    assert (german.n_usable, german.n_full) == (2, 2)
    assert "2 of 3 rows can be aligned on (two languages or more), 1 has all 3" in screen(
        open_corpus(path)
    )


def test_the_next_step_of_a_corpus_depends_on_its_rows(corpus: Corpus, tmp_path: Path) -> None:
    few = inspect_corpus(corpus)
    assert few.next_step("toy") == (
        "next: add rows (hexapla build or import); 4 can be aligned on, and hexapla align needs 8 "
        "or more"
    )
    path = tmp_path / "my rows.tsv"
    path.write_text("\n".join(["en\tde", *(f"a{n}\tb{n}" for n in range(500)), ""]))
    facts = inspect_corpus(open_corpus(path))
    assert facts.next_step("my rows.tsv") == (
        "next: hexapla align 'my rows.tsv' --encoder small --out aligned (hexapla filter 'my "
        "rows.tsv' --out filtered first rejects bad cells)"
    )
    filtered = dataclasses.replace(facts, n_filters=1)
    step = "next: hexapla align x --encoder small --out aligned"
    assert filtered.next_step("x") == step
    assert dataclasses.replace(filtered, n_usable=60).next_step("x") == (
        f"{step} (60 rows teach little; hexapla build and import make more)"
    )
