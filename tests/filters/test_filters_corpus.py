"""`filter_corpus` keeps what it rejects with its reason, and writes all of a corpus or nothing."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import pytest
from rich.console import Console

from hexapla.corpus.reader import open_corpus
from hexapla.corpus.rows import row_id
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.filters import FilterReport, Verdict, filter_corpus, rejected_files
from hexapla.filters.config import FilterConfig

LANGUAGES = ("eng_Latn", "deu_Latn", "rus_Cyrl")
Row = dict[str, str | None]


def sound_rows(n: int = 40) -> list[Row]:
    things = (
        ("house", "Haus", "дом"),
        ("tree", "Baum", "лес"),
        ("car", "Auto", "воз"),
        ("book", "Buch", "том"),
    )
    rows: list[Row] = []
    for i in range(n):
        thing = things[i % len(things)]
        rows.append(
            {
                "eng_Latn": f"The {thing[0]} with number {i + 100} is quite old.",
                "deu_Latn": f"Das {thing[1]} mit der Nummer {i + 100} ist recht alt.",
                "rus_Cyrl": f"Этот {thing[2]} под номером {i + 100} довольно стар.",
                "meta.page": str(i),
            }
        )
    return rows


BAD: list[Row] = [
    {
        "eng_Latn": "Can you see the old man over there?",
        "deu_Latn": "Can you see the old man over there?",
        "rus_Cyrl": "Ты видишь там старика?",
        "meta.page": "a",
    },
    {
        "eng_Latn": "There are 17 people in the room.",
        "deu_Latn": "Im Zimmer sind 71 Leute.",
        "rus_Cyrl": "There are Personen im Zimmer, viele Leute",
        "meta.page": "b",
    },
]


def make(tmp_path: Path, rows: list[Row], **facts: Any) -> str:
    return str(write_corpus(rows, tmp_path / "in", languages=LANGUAGES, **facts).path)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_rejected_cells_become_null_and_are_kept_with_their_reason(tmp_path: Path) -> None:
    source = make(
        tmp_path, sound_rows() + BAD, license="mit", columns={"de": {"translator": "toy"}}
    )
    report = filter_corpus(FilterConfig(corpus=source, out=tmp_path / "out"), quiet=True)
    corpus = open_corpus(tmp_path / "out")
    rows = list(corpus.rows())
    assert rows[:40] == sound_rows()
    assert rows[40:] == [
        BAD[0] | {"deu_Latn": None}
    ]  # of the second bad row nothing but the pivot was left
    assert corpus.manifest["dropped"]["fewer_than_two_cells"] == 1
    rejected = lines(corpus.path / "rejected" / "deu_Latn.jsonl")
    assert [(entry["reason"], entry["score"]) for entry in rejected] == [
        ("copy", 1.0),
        ("numbers", 1.0),
    ]
    assert rejected[1]["row_id"] == row_id(str(BAD[1]["eng_Latn"]))
    assert (rejected[1]["source"], rejected[1]["cell"]) == (BAD[1]["eng_Latn"], BAD[1]["deu_Latn"])
    assert [entry["reason"] for entry in lines(corpus.path / "rejected" / "rus_Cyrl.jsonl")] == [
        "script"
    ]
    assert lines(corpus.path / "rejected" / "rows.jsonl") == []
    assert dict(report.columns["deu_Latn"].reasons) == {"copy": 1, "numbers": 1}
    assert (corpus.manifest["license"], corpus.manifest["columns"]["deu_Latn"]) == (
        "mit",
        {"translator": "toy"},
    )


def test_the_manifest_has_settings_and_counts_after_those_of_earlier_filters(
    tmp_path: Path,
) -> None:
    source = make(tmp_path, sound_rows() + BAD, finish=lambda _: {"filters": [{"name": "earlier"}]})
    report = filter_corpus(FilterConfig(corpus=source, out=tmp_path / "out"), quiet=True)
    earlier, ours = open_corpus(tmp_path / "out").manifest["filters"]
    assert earlier == {"name": "earlier"}
    assert ours["settings"]["length_ratio"]["deviations"] == 6.0
    assert ours["policy"] == "null-cell"
    assert FilterReport.from_json(ours).to_json() == report.to_json()
    assert ours["languages"]["deu_Latn"]["rejected"] == {"copy": 1, "numbers": 1}


def test_a_rejected_cell_takes_its_row_with_it_under_drop_row(tmp_path: Path) -> None:
    source = make(tmp_path, sound_rows() + BAD)
    config = FilterConfig(corpus=source, out=tmp_path / "out", policy="drop-row")
    report = filter_corpus(config, quiet=True)
    assert list(open_corpus(tmp_path / "out").rows()) == sound_rows()
    assert report.rows == {"rejected cell": 2}
    noted = lines(tmp_path / "out" / "rejected" / "rows.jsonl")
    assert [entry["reason"] for entry in noted] == [
        "rejected: deu_Latn",
        "rejected: deu_Latn, rus_Cyrl",
    ]
    assert noted[0]["row"] == {code: BAD[0][code] for code in LANGUAGES}


def test_near_duplicates_and_evaluation_sentences_are_dropped_before_cells_are_judged(
    tmp_path: Path,
) -> None:
    held = "A sentence that the evaluation has, word for word."
    rows: list[Row] = [
        {
            "eng_Latn": "The wind blows hard over the wide fields tonight.",
            "deu_Latn": "Der Wind weht heute Nacht.",
        },
        {"eng_Latn": "The wind blows hard over the wide fields, tonight!", "deu_Latn": "<unk>"},
        {"eng_Latn": "Something different altogether.", "deu_Latn": held},
    ]
    (tmp_path / "test.txt").write_text(held.upper() + "\n", encoding="utf-8")
    source = make(tmp_path, [row | {"meta.page": None} for row in rows] + sound_rows(10))
    config = FilterConfig(
        corpus=source,
        out=tmp_path / "out",
        near_duplicates=0.8,
        against=(str(tmp_path / "test.txt"),),
    )
    report = filter_corpus(config, quiet=True)
    assert report.rows["near-duplicate"] == 1
    assert report.rows[f"in {tmp_path / 'test.txt'}"] == 1
    assert report.columns["deu_Latn"].reasons.total() == 0
    assert open_corpus(tmp_path / "out").cells("eng_Latn")[:1] == [rows[0]["eng_Latn"]]
    (ours,) = open_corpus(tmp_path / "out").manifest["filters"]
    assert ours["against"][0]["n_sentences"] == 1
    reasons = [entry["reason"] for entry in lines(tmp_path / "out" / "rejected" / "rows.jsonl")]
    assert reasons[0] == f"near-duplicate of {row_id(str(rows[0]['eng_Latn']))}"


def test_noted_log_probabilities_are_judged(tmp_path: Path) -> None:
    rows = [
        row | {"meta.log_prob.deu_Latn": f"{-0.5 - i % 5 / 10}"}
        for i, row in enumerate(sound_rows(60))
    ]
    rows[7]["meta.log_prob.deu_Latn"] = "-6.2"
    rows[8]["meta.log_prob.deu_Latn"] = None
    report = filter_corpus(
        FilterConfig(corpus=make(tmp_path, rows), out=tmp_path / "out"), quiet=True
    )
    assert dict(report.columns["deu_Latn"].reasons) == {"log_prob": 1}
    assert open_corpus(tmp_path / "out").cells("deu_Latn")[7] is None


def test_a_log_probability_that_is_no_number_is_refused(tmp_path: Path) -> None:
    rows = [row | {"meta.log_prob.deu_Latn": "high"} for row in sound_rows(3)]
    with pytest.raises(
        InputError, match=r'meta\.log_prob\.deu_Latn is "high" in a row; it must be a number'
    ):
        filter_corpus(FilterConfig(corpus=make(tmp_path, rows), out=tmp_path / "out"), quiet=True)


def test_nothing_is_written_if_a_language_loses_too_much(tmp_path: Path, capsys: Any) -> None:
    rows = sound_rows(10)
    for row in rows[:4]:
        row["rus_Cyrl"] = str(row["rus_Cyrl"]) + " <unk>"
    config = FilterConfig(corpus=make(tmp_path, rows), out=tmp_path / "out", max_loss=0.3)
    message = r"rus_Cyrl loses 40\.0% of its 10 cells, 4 of them for marks, as .* <unk>.* at most 30% may go: .*--max-loss"
    with pytest.raises(InputError, match=message):
        filter_corpus(config, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert capsys.readouterr().err == ""
    with pytest.raises(InputError, match="rus_Cyrl loses"):
        filter_corpus(config)
    assert "worst for marks" in capsys.readouterr().err
    filter_corpus(
        FilterConfig(corpus=config.corpus, out=tmp_path / "out", max_loss=0.4), quiet=True
    )


def test_a_corpus_without_a_row_left_names_the_language(tmp_path: Path) -> None:
    rows = [row | {"deu_Latn": "<unk>", "rus_Cyrl": "<unk>"} for row in sound_rows(5)]
    with pytest.raises(
        InputError, match=r"deu_Latn loses 100\.0% of its 5 cells \(and 1 more languages too much\)"
    ):
        filter_corpus(FilterConfig(corpus=make(tmp_path, rows), out=tmp_path / "out"), quiet=True)


def test_only_the_languages_asked_for_and_the_pivot_are_kept(tmp_path: Path) -> None:
    source = make(tmp_path, sound_rows(5))
    filter_corpus(FilterConfig(corpus=source, out=tmp_path / "out", languages=("ru",)), quiet=True)
    assert open_corpus(tmp_path / "out").languages == ("eng_Latn", "rus_Cyrl")


def test_equal_corpora_give_equal_bytes_and_a_corpus_never_replaces_itself(tmp_path: Path) -> None:
    def tree(folder: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    source = make(tmp_path, sound_rows() + BAD)
    for name in ("a", "b"):
        filter_corpus(FilterConfig(corpus=source, out=tmp_path / name / "out"), quiet=True)
    assert tree(tmp_path / "a" / "out") == tree(tmp_path / "b" / "out")
    before = tree(Path(source))
    with pytest.raises(InputError, match=r"in: holds the corpus, .*; give another folder"):
        filter_corpus(FilterConfig(corpus=source, out=Path(source), overwrite=True), quiet=True)
    assert tree(Path(source)) == before


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not empty; choose another folder"):
        filter_corpus(
            FilterConfig(corpus=(source := make(tmp_path, sound_rows(3))), out=Path(source)),
            quiet=True,
        )


def test_a_folder_in_use_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").touch()
    for overwrite, message in (
        (False, "out is not empty; choose another folder"),
        (True, "not empty and no corpus"),
    ):
        with pytest.raises(InputError, match=message):
            filter_corpus(
                FilterConfig(corpus="/nowhere", out=tmp_path / "out", overwrite=overwrite),
                quiet=True,
            )


def test_rejected_cells_are_written_into_the_work_folder_beside_the_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "out")
    written = rejected_files.write_line
    beside: list[str] = []

    def look(file: IO[str], entry: Mapping[str, object]) -> None:
        beside.extend(
            str(path.relative_to(tmp_path / "disk"))
            for path in (tmp_path / "disk").rglob("deu_Latn.jsonl")
        )
        written(file, entry)

    monkeypatch.setattr(rejected_files, "write_line", look)
    filter_corpus(
        FilterConfig(corpus=make(tmp_path, sound_rows() + BAD), out=tmp_path / "out"), quiet=True
    )
    assert set(beside) == {"out.building/rejected/deu_Latn.jsonl"}
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["out"]
    assert len(lines(tmp_path / "out" / "rejected" / "deu_Latn.jsonl")) == 2


def test_an_impossible_folder_is_refused_before_the_corpus_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    rows = [row | {"meta.log_prob.deu_Latn": "high"} for row in sound_rows(3)]
    with pytest.raises(InputError, match=r"file is a file; no folder can lie in it"):
        filter_corpus(
            FilterConfig(corpus=make(tmp_path, rows), out=tmp_path / "file" / "out"), quiet=True
        )
    with pytest.raises(InputError, match="File name too long; give a shorter name"):
        filter_corpus(
            FilterConfig(corpus=make(tmp_path, rows, overwrite=True), out=tmp_path / ("x" * 250)),
            quiet=True,
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "in"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"policy": "null_cell"},
            'policy is "null_cell"; it must be null-cell or drop-row; did you mean "null-cell"',
        ),
        ({"max_loss": 1.5}, r"max_loss is 1\.5; it must be a number from 0 to 1"),
        ({"filters": "nope"}, "nope: no such file of filters"),
        (
            {"near_duplicates": 1.5},
            r"near_duplicates is 1\.5; it must be a number above 0 and at most 1",
        ),
        ({"languages": ("fra_Latn",)}, "has no column fra_Latn"),
        ({"against": ("/nowhere",)}, "/nowhere"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    source = make(tmp_path, sound_rows(3))
    with pytest.raises(InputError, match=message):
        filter_corpus(FilterConfig(corpus=source, out=tmp_path / "out", **settings), quiet=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["library", "encoder"])
def test_what_a_filter_lacks_is_told_before_the_corpus_is_read(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filters = tmp_path / "filters.toml"
    filters.write_text(f'[cosine]\nencoder = "{tmp_path}/none"\n', encoding="utf-8")
    message = "none: no such encoder folder"
    if missing == "library":
        monkeypatch.setitem(sys.modules, "rapidfuzz", None)
        message = "the filter copy needs the library rapidfuzz; .*, or .* copy = false"
    config = FilterConfig(corpus="/nowhere", out=tmp_path / "out", filters=str(filters))
    with pytest.raises(InputError, match=message):
        filter_corpus(config, quiet=True)


# The report


def filled(n: int = 10) -> FilterReport:
    report = FilterReport()
    verdicts = [Verdict("copy", i / 10) if i % 2 else None for i in range(n)]
    report.add(
        "deu_Latn", [f"source {i}" for i in range(n)], [f"cell {i}" for i in range(n)], verdicts
    )
    report.add(
        "rus_Cyrl", ["a", "b", "c"], ["a", None, None], [None, Verdict("unfinished", 1.0), None]
    )
    report.add_row_losses("near-duplicate", 3)
    return report


def test_the_worst_examples_are_kept_worst_first() -> None:
    assert [example.cell for example in filled().columns["deu_Latn"].examples["copy"]] == [
        "cell 9",
        "cell 7",
        "cell 5",
    ]


def test_a_missing_cell_counts_only_with_a_reason() -> None:
    assert filled().columns["rus_Cyrl"].n_cells == 2
    assert filled().columns["rus_Cyrl"].loss == 0.5


def test_a_loss_at_the_bound_is_allowed() -> None:
    filled().check(0.5)
    with pytest.raises(
        InputError,
        match=r"deu_Latn loses 50\.0% .* \(and 1 more languages too much\), 5 of them for copy",
    ):
        filled().check(0.49)


def render(report: FilterReport) -> str:
    console = Console(width=100, file=io.StringIO(), record=True)
    report.render(console)
    return console.export_text()


def test_the_table_has_a_column_per_reason_and_the_examples_cannot_move_the_cursor() -> None:
    report = filled()
    report.notes = ("lus_Latn: the identifier lacks it",)
    report.add("deu_Latn", ["evil \x1b[2J\nsource"], ["[red]markup[/red]"], [Verdict("copy", 2.0)])
    shown = render(report)
    assert [line.split() for line in shown.splitlines()[:3]] == [
        ["rejected", "cells", "copy", "unfinished", "lost"],
        ["deu_Latn", "11", "6", "·", "54.55%"],
        ["rus_Cyrl", "2", "·", "1", "50.00%"],
    ]
    assert "rows left out: 3 near-duplicate" in shown
    assert "evil \\x1b[2J source  →  [red]markup[/red]" in shown
    assert "note: lus_Latn: the identifier lacks it" in shown
    assert "\x1b" not in shown


def test_an_empty_report_renders_and_passes() -> None:
    FilterReport().check(0.0)
    assert render(FilterReport()).split() == ["rejected", "cells", "lost"]
