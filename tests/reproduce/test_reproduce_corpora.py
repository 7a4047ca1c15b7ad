"""The corpora of a recipe: what is taken from others, harmed and filtered, is what was asked for, and its key knows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.reproduce.content_keys import build_key, corpus_key
from hexapla.reproduce.corpora import damage_cells, make_corpus
from hexapla.reproduce.corpus_recipe import CorpusRecipe
from hexapla.reproduce.experiment_reader import read_experiments
from tests.fixtures.matrix import toy_recipe
from tests.fixtures.toy import LANGUAGES, toy_rows


def test_a_sweep_makes_a_corpus_of_each_value_and_the_fewer_rows_are_among_the_more(
    tmp_path: Path,
) -> None:
    corpus = write_corpus(toy_rows(50), tmp_path / "corpus", languages=LANGUAGES)
    recipe = toy_recipe(tmp_path / "toy.toml")
    recipe.write_text(recipe.read_text().replace("n_rows = 32", "n_rows = [10, 20]"))
    found = read_experiments(recipe, tmp_path)
    assert tuple(found.corpora) == found.experiments[0].corpora == ("toy-10", "toy-20")
    few, more = (make_corpus(found.corpora[f"toy-{n}"], tmp_path / str(n)) for n in (10, 20))
    assert (len(few), len(more)) == (10, 20) and set(few.row_ids()) < set(more.row_ids()) < set(
        corpus.row_ids()
    )


def test_pools_of_equal_cells_have_fewer_rows_the_more_languages(tmp_path: Path) -> None:
    write_corpus(toy_rows(50), tmp_path / "corpus", languages=LANGUAGES)
    for n, rows in ((2, 40), (3, 27), (4, 20)):
        made = make_corpus(
            CorpusRecipe(path=(str(tmp_path / "corpus"),), n_languages=n, n_cells=80),
            tmp_path / f"pool-{n}",
        )
        assert (len(made), made.languages) == (rows, LANGUAGES[:n])


def test_missing_cells_are_as_many_as_asked_for_and_never_the_pivot(tmp_path: Path) -> None:
    write_corpus(toy_rows(400), tmp_path / "corpus", languages=LANGUAGES)
    made = make_corpus(
        CorpusRecipe(path=(str(tmp_path / "corpus"),), missing=0.3), tmp_path / "holes"
    )
    lost = [np.mean([cell is None for cell in made.cells(code)]) for code in LANGUAGES]
    assert lost[0] == 0 and all(0.2 < share < 0.4 for share in lost[1:])


def test_swapped_cells_stand_in_another_row_and_none_is_lost() -> None:
    cells = [f"cell {number}" for number in range(200)]
    found = damage_cells([*cells, None], "swapped", 0.3, np.random.default_rng(0))
    moved = sum(one != other for one, other in zip(found[:-1], cells, strict=True))
    assert sorted(map(str, found[:-1])) == sorted(cells) and found[-1] is None and 40 < moved < 80


def test_truncated_cells_keep_their_first_half() -> None:
    found = damage_cells(
        ["ein zwei drei vier", "你好世界吗", None], "truncated", 0.9999, np.random.default_rng(0)
    )
    assert found == ["ein zwei", "你好世", None]


def test_filters_see_the_damage(tmp_path: Path) -> None:
    sample = open_corpus("sample")
    languages = ("eng_Latn", "deu_Latn", "zho_Hans")
    rough = CorpusRecipe(path=("sample",), languages=languages, noise="truncated", noise_share=0.3)
    clean = CorpusRecipe(
        path=("sample",), languages=languages, noise="truncated", noise_share=0.3, filters="default"
    )
    kept = [make_corpus(recipe, tmp_path / str(n)) for n, recipe in enumerate((rough, clean))]
    n_cells = [
        sum(cell is not None for code in languages[1:] for cell in made.cells(code))
        for made in kept
    ]
    assert n_cells[1] < n_cells[0] == 2 * len(sample)
    assert corpus_key(rough) != corpus_key(clean)


def test_a_key_is_of_content_and_not_of_paths_or_workers(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "text.txt").write_text("It is raining today.\n")
        (tmp_path / folder / "filters.toml").write_text("copy = false\n")

    def key(folder: str, **more: object) -> str:
        where = tmp_path / folder
        table = {"texts": str(where / "text.txt"), "to": ["deu_Latn"], "translator": "org/nmt"}
        return build_key({**table, "filters": str(where / "filters.toml"), **more})

    assert key("a") == key("b") == key("a", threads=3, batch_tokens=7) == key("a", max_loss=0.5)
    assert key("a") != key("a", beam_size=1)
    (tmp_path / "b" / "filters.toml").write_text("numbers = false\n")
    assert key("a") != key("b")
    (tmp_path / "b" / "filters.toml").write_text("copy = false\n")
    (tmp_path / "b" / "text.txt").write_text("It is raining again.\n")
    assert key("a") != key("b")


def test_a_key_knows_the_encoder_that_filters_judge_by(tmp_path: Path) -> None:
    filters, judge = tmp_path / "filters.toml", tmp_path / "judge"
    filters.write_text(f'[cosine]\nencoder = "{judge}"\n')
    judge.mkdir()

    def key() -> str:
        return corpus_key(CorpusRecipe(path=("sample",), filters=str(filters)))

    (judge / "weights").write_text("of yesterday")
    before = key()
    assert key() == before
    (judge / "weights").write_text("of today")
    assert key() != before


def test_a_corpus_says_where_its_cells_are_from(tmp_path: Path) -> None:
    write_corpus(
        toy_rows(20),
        tmp_path / "corpus",
        languages=LANGUAGES,
        license="mit",
        columns={"deu_Latn": {"translator": "org/nmt"}},
    )
    made = make_corpus(CorpusRecipe(path=(str(tmp_path / "corpus"),), n_rows=10), tmp_path / "part")
    assert made.manifest["columns"]["deu_Latn"] == {
        "translator": "org/nmt",
        "taken_from": ["corpus"],
        "n_rows": 10,
    }
    assert (
        made.manifest["license"] == "mit"
        and str(tmp_path) not in (tmp_path / "part" / "corpus.json").read_text()
    )


def test_rows_of_two_corpora_stand_one_after_another_and_a_repeated_pivot_counts_once(
    tmp_path: Path,
) -> None:
    rows = toy_rows(30)
    for name, some, languages in (
        ("a", rows[:20], LANGUAGES[:3]),
        ("b", rows[15:], (LANGUAGES[0], LANGUAGES[3])),
    ):
        write_corpus(
            [{code: row[code] for code in languages} for row in some],
            tmp_path / name,
            languages=languages,
        )
    made = make_corpus(
        CorpusRecipe(path=(str(tmp_path / "a"), str(tmp_path / "b"))), tmp_path / "both"
    )
    assert (len(made), made.languages) == (30, LANGUAGES)
    assert made.cells(LANGUAGES[0]) == [row[LANGUAGES[0]] for row in rows]
    assert made.cells(LANGUAGES[3])[:20] == [None] * 20
