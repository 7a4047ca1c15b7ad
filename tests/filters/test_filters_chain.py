"""Settings are read key by key, statistics are bounded, and the chain gives each cell a verdict."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from hexapla.errors import InputError
from hexapla.filters import (
    Chain,
    FilterSettings,
    Statistics,
    Verdict,
    read_filters,
    repeated_targets,
)
from hexapla.filters.filter_settings import filter_names
from hexapla.filters.form import LengthRatio
from hexapla.filters.histogram import Histogram
from hexapla.filters.repeated_targets import Repeats, target_key

POOL = ("eng_Latn", "deu_Latn", "rus_Cyrl")


def chain(
    settings: FilterSettings | None = None,
    statistics: Statistics | None = None,
    pool: tuple[str, ...] = POOL,
) -> Chain:
    return Chain(settings or FilterSettings(), "eng_Latn", pool, statistics or Statistics())


# Settings


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "filters.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_default_has_all_but_the_cosine_and_none_has_none() -> None:
    assert [name for name in filter_names() if getattr(read_filters("default"), name) is None] == [
        "cosine"
    ]
    assert list(read_filters("none").active()) == []
    assert set(read_filters("none").to_json().values()) == {False}


def test_a_file_changes_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "numbers = false\npunctuation = true\n[length_ratio]\ndeviations = 4\n[collapsed]\nmost = 2\n",
    )
    settings = read_filters(path)
    assert settings.numbers is None
    assert settings.length_ratio == LengthRatio(deviations=4)
    assert settings.collapsed is not None and settings.collapsed.most == 2
    assert settings.copy == FilterSettings().copy


def test_settings_are_recorded_as_they_were_given(tmp_path: Path) -> None:
    path = write(tmp_path, "[length_ratio]\ndeviations = 4\nleast_sigma = 0.5\n")
    recorded = json.dumps(read_filters(path).to_json()["length_ratio"])
    assert recorded == (
        '{"deviations": 4, "least_sigma": 0.5, "least_cells": 50, "default_sigma": 0.35}'
    )


def test_the_cosine_is_on_with_its_section(tmp_path: Path) -> None:
    settings = read_filters(write(tmp_path, '[cosine]\nencoder = "tiny"\nleast = 0.5\n'))
    cosine = settings.to_json()["cosine"]
    assert (cosine["encoder"], cosine["least"]) == ("tiny", 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[lenght_ratio]",
            'unknown filter "lenght_ratio"; there are marks, .*; did you mean "length_ratio"',
        ),
        (
            "[copy]\nmosst = 1",
            r'unknown key "mosst" in \[copy\]; did you mean "most"\?; it may have most, most_part, least_words',
        ),
        ("[problem]\nmost = 1", r'unknown key "most" in \[problem\]; it has none'),
        (
            "[copy]\nmost = '1'",
            r'filters\.toml: \[copy\] most is "1"; it must be a number of 0 or more',
        ),
        ("[copy]\nmost = true", r"\[copy\] most is True; it must be a number of 0 or more"),
        ("[copy]\nmost = nan", r"\[copy\] most is nan; it must be a number of 0 or more"),
        ("[copy]\nmost = -0.1", r"\[copy\] most is -0\.1; it must be a number of 0 or more"),
        (
            "[copy]\nleast_words = 2.5",
            r"\[copy\] least_words is 2\.5; it must be a whole number of 0 or more",
        ),
        ("copy = 3", r"copy is 3; write copy = false, or \[copy\] and its keys below it"),
        ("cosine = true", r"\[cosine\] has no encoder; it needs one"),
        ("[copy\n", "filters.toml: not a TOML file"),
    ],
)
def test_a_mistake_in_a_file_names_file_section_and_key(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_filters(write(tmp_path, text))


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(
        InputError, match=r'defualt: no such file of filters; .* did you mean "default"'
    ):
        read_filters("defualt")


# Statistics


def draw_cells(n: int, seed: int = 0) -> tuple[list[str], list[str | None], list[float | None]]:
    draw = random.Random(seed)
    sources = [
        f"source {seed} {i} {'x' * draw.randrange(80)}{'?' * (i % 3 == 0)}" for i in range(n)
    ]
    targets = [
        None if i % 7 == 0 else f"{'y' * draw.randrange(1, 60)}{'?' * (i % 6 == 0)}"
        for i in range(n)
    ]
    return sources, targets, [None if i % 5 == 0 else -draw.random() for i in range(n)]


def test_statistics_count_questions_and_survive_json() -> None:
    statistics = Statistics()
    statistics.add("deu_Latn", *draw_cells(600))
    column = statistics.column("deu_Latn")
    assert column.n_questions == sum(1 for i in range(600) if i % 3 == 0 and i % 7)
    assert column.n_asked == sum(1 for i in range(600) if i % 6 == 0 and i % 7)
    content = json.loads(json.dumps(statistics.to_json()))
    assert Statistics.from_json(content).to_json() == statistics.to_json()


def test_the_spread_agrees_with_numpy() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.2, 5001)
    histogram = Histogram()
    histogram.add(values)
    median = np.median(values)
    assert histogram.spread().median == pytest.approx(median, abs=0.006)
    assert histogram.spread().sigma == pytest.approx(
        1.4826 * np.median(abs(values - median)), abs=0.02
    )


def test_infinite_log_probabilities_are_left_out() -> None:
    histogram = Histogram()
    histogram.add(np.array([float("-inf"), float("nan"), -1.0]))
    assert histogram.n == 1


def test_repeated_targets_survive_when_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_targets, "_MAX_PAIRS", 100)
    monkeypatch.setattr(repeated_targets, "_MAX_PENDING", 64)
    repeats = Repeats()
    for i in range(2000):
        repeats.add(f"a source of its own, number {i}", f"target {i}")
        if i % 10 == 0:
            repeats.add(f"a source of its own, number {i}", "the one that collapsed")
    (found,) = repeats.collapsed(20).values()
    assert 20 <= found <= 200
    assert len(repeats.keys()) <= 200


def test_targets_with_few_sources_are_dropped_until_the_rest_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repeated_targets, "_MAX_PAIRS", 10)
    repeats = Repeats()
    for n_sources in (1, 2, 3, 4, 5):
        for i in range(n_sources):
            repeats.add(f"a source of its own, number {i}", f"the target of {n_sources}")
    assert sorted(repeats.collapsed(1).values()) == [4, 5]


def test_a_target_of_more_sources_than_memory_holds_is_still_collapsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repeated_targets, "_MAX_PAIRS", 200)
    monkeypatch.setattr(repeated_targets, "_MAX_PENDING", 50)
    repeats = Repeats()
    collapsed = target_key("the one that collapsed")
    for i in range(1000):
        repeats.add(f"a source of its own, number {i}", "the one that collapsed")
        repeats.add(f"a source of its own, number {i}", f"target {i % 500}")
        assert len(repeats.keys()) <= 200
        assert repeats.collapsed(10).get(collapsed, 0) >= (min(i + 1, 64) if i >= 9 else 0)
    assert repeats.collapsed(10).keys() == {collapsed}


def test_a_full_memory_is_cut_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    n_steps = 0

    def count(*arguments: object, **settings: object) -> object:
        nonlocal n_steps
        n_steps += 1
        return unique(*arguments, **settings)

    unique = np.unique
    keys = np.arange((1 << 20) + 5, dtype=np.uint64)  # a million sources of one target
    monkeypatch.setattr(np, "unique", count)
    assert len(Repeats(keys).keys()) == 64
    assert n_steps == 1


# The chain


def test_a_missing_cell_is_rejected_only_for_a_problem_and_a_blank_one_always() -> None:
    sources = ["The house is old."] * 5
    cells = [None, None, "", " \n", "Das Haus ist alt."]
    problems = [None, "source too long", None, None, "unfinished"]
    assert chain().judge("deu_Latn", sources, cells, None, problems) == [
        None,
        Verdict("source too long", 1.0),
        Verdict("empty", 1.0),
        Verdict("empty", 1.0),
        Verdict("unfinished", 1.0),
    ]


def test_the_first_filter_that_rejects_is_the_reason() -> None:
    source = "Can you see the old house on the hill with 25 windows?"
    cells = [
        source,
        f"{source} <unk>",
        "Das alte Haus auf dem Hügel hat 52 Fenster?",
        "Siehst du das Haus mit 25 Fenstern?",
    ]
    verdicts = chain().judge("deu_Latn", [source] * 4, cells)
    assert [verdict and verdict.reason for verdict in verdicts] == [
        "copy",
        "marks",
        "numbers",
        None,
    ]


def test_what_is_switched_off_does_not_reject(tmp_path: Path) -> None:
    settings = read_filters(write(tmp_path, "copy = false\nlanguage = false\n"))
    source = "Can you see the old house on the hill?"
    assert chain(settings).judge("deu_Latn", [source], [source]) == [None]
    assert chain(read_filters("none")).judge(
        "deu_Latn", [source], ["<unk>"], None, ["unfinished"]
    ) == [None]


def test_markup_that_a_translator_adds_is_not_judged() -> None:
    verdicts = chain(pool=("eng_Latn", "zho_Hans")).judge(
        "zho_Hans", ["Automate Where Possible"], ['<strong class="x">尽可能自动化</strong>']
    )
    assert verdicts == [None]


def test_a_verdict_depends_on_its_cell_alone() -> None:
    sources, cells, log_probs = draw_cells(300)
    statistics = Statistics()
    statistics.add("deu_Latn", sources, cells, log_probs)
    judge = chain(statistics=statistics).judge
    together = judge("deu_Latn", sources, cells, log_probs)
    alone = [
        judge("deu_Latn", [s], [c], [p])[0]
        for s, c, p in zip(sources, cells, log_probs, strict=True)
    ]
    assert together == alone
    assert 0 < sum(verdict is not None for verdict in together) < 300


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter than"):
        chain().judge("deu_Latn", ["one", "two"], ["eins"])


def test_a_language_that_the_chain_was_not_made_for_is_refused() -> None:
    with pytest.raises(
        InputError, match="fra_Latn is not among the languages to judge: deu_Latn, rus_Cyrl"
    ):
        chain().judge("fra_Latn", ["one"], ["un"])


def test_the_notes_say_what_the_identifier_lacks() -> None:
    assert chain(pool=(*POOL, "lus_Latn")).notes == (
        "lus_Latn: the identifier lacks it; only its script is checked",
    )


@pytest.mark.slow
def test_the_encoder_judges_what_the_other_filters_accept(tmp_path: Path) -> None:
    settings = read_filters(
        write(tmp_path, 'copy = false\n[cosine]\nencoder = "tiny"\nleast = 0.99\n')
    )
    source = "The house is old."
    cells = ["<unk>", source, None, "Ganz etwas anderes steht hier."]
    verdicts = chain(settings).judge("deu_Latn", [source] * 4, cells)
    assert [verdict and verdict.reason for verdict in verdicts] == ["marks", None, None, "cosine"]
