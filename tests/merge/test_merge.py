"""A merge: alpha 0 and 1 are the two encoders bit for bit; the best that spares the pivot is kept.

The aligned encoders here are made by hand. Their other languages have the word vectors of English,
so that they find every row. With `pivot_moves` English has new vectors, so that they lose what the
base made of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer

import hexapla.merge.stage as stage
from hexapla.cli.app import main
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.encoder.encode import encode
from hexapla.encoder.encoder_screen import inspect_encoder
from hexapla.encoder.interpolation import Interpolation
from hexapla.encoder.load import load_encoder
from hexapla.encoder.locate import describe
from hexapla.errors import InputError
from hexapla.evaluation.tasks.sts import cosines
from hexapla.merge import pivot_quality
from hexapla.merge.check_merge import check_merge
from hexapla.merge.config import MergeConfig
from hexapla.merge.pivot_quality import agreement_with_base, all_cosines
from hexapla.merge.stage import merge
from hexapla.merge.sweep import best_point
from tests.fixtures.merging import HELD_OUT, WORDS, make_aligned, write_records
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows, toy_transformer


@pytest.fixture(scope="module")
def moved(base) -> Path:
    return make_aligned(base, base.parent / "moved", pivot_moves=True)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(torch.int32)


def held_out_pivots(corpus: Path) -> list[str]:
    return [
        text
        for text in open_corpus(corpus).split(HELD_OUT)[1].cells("eng_Latn")
        if text is not None
    ]


@pytest.mark.parametrize("alpha", ["0", "1"])
def test_at_the_ends_every_bit_is_that_of_the_base_or_of_the_aligned_encoder(
    settings, base, moved, alpha
):
    merge(MergeConfig(**{**settings, "aligned": str(moved)}, alpha=alpha, tolerance=2), quiet=True)
    expected, got = weights(moved if alpha == "1" else base), weights(settings["out"])
    assert expected.keys() == got.keys()
    for name, tensor in expected.items():
        assert torch.equal(bits(got[name]), bits(tensor)), name


def test_weights_in_between_are_the_mean_and_unchanged_ones_stay(base):
    model = load_encoder(base)
    ends = [
        {name: torch.randn_like(place) for name, place in model.state_dict().items()}
        for _ in range(2)
    ]
    unchanged = list(ends[0])[-1]
    ends[1][unchanged] = ends[0][unchanged].clone()
    ends[0][WORDS][0, 0], ends[1][WORDS][0, 1] = -0.0, -0.0
    model.load_state_dict(ends[1])
    interpolation = Interpolation(ends[0], model)
    for alpha in (0.5, 0.25, 1.0, 0.3, 0.0, 0.5):  # in any order: each starts from the ends
        interpolation.set(alpha)
        for name, place in model.state_dict().items():
            torch.testing.assert_close(
                place, (1 - alpha) * ends[0][name] + alpha * ends[1][name], rtol=0, atol=1e-6
            )
            if alpha in (0.0, 1.0):
                assert torch.equal(bits(place), bits(ends[int(alpha)][name]))
        assert torch.equal(bits(model.state_dict()[unchanged]), bits(ends[0][unchanged]))


def test_the_best_retrieval_is_not_kept_when_it_loses_the_pivot(settings, moved):
    result = merge(MergeConfig(**{**settings, "aligned": str(moved)}, tolerance=0.2), quiet=True)
    sweep = result["sweep"]
    assert [point["alpha"] for point in sweep] == [tenth / 10 for tenth in range(11)]
    assert sweep[0]["pivot"] == pytest.approx(1) and sweep[0]["accuracy"] < 0.2
    assert sweep[-1]["accuracy"] == 1  # the same word vectors in every language
    assert sweep[-1]["pivot"] < 0.5 and not sweep[-1]["loses_nothing"]
    qualified = [point for point in sweep if point["pivot"] >= sweep[0]["pivot"] - 0.2]
    assert 1 < len(qualified) < len(sweep)
    assert [point["loses_nothing"] for point in sweep] == [point in qualified for point in sweep]
    best = max(qualified, key=lambda point: point["accuracy"])
    assert (result["alpha"], result["accuracy"]) == (best["alpha"], best["accuracy"])
    assert 0 < result["alpha"] < 1 and result["accuracy"] > sweep[0]["accuracy"]


def test_all_of_the_alignment_is_kept_when_it_spares_the_pivot(settings):
    result = merge(MergeConfig(**settings, alpha="0,1"), quiet=True)
    (first, last) = result["sweep"]
    assert last["accuracy"] == 1 > first["accuracy"] and last["pivot"] == pytest.approx(1)
    assert result["alpha"] == 1 and result["tolerance"] == 0.05


def test_of_equally_accurate_alphas_the_pivot_decides_and_then_the_nearness_to_the_base():
    def point(
        alpha: float, accuracy: float, pivot: float, *, able: bool = True, asked: bool = True
    ) -> dict[str, Any]:
        return {
            "alpha": alpha,
            "accuracy": accuracy,
            "pivot": pivot,
            "loses_nothing": able,
            "asked": asked,
        }

    points = [point(0, 0.1, 1), point(0.1, 0.8, 0.97), point(0.2, 0.8, 0.98), point(0.3, 0.8, 0.98)]
    assert best_point([*points, point(0.4, 0.9, 0.5, able=False)])["alpha"] == 0.2
    unasked = point(0, 0.95, 1, asked=False)
    assert best_point([unasked, *points[1:]])["alpha"] == 0.2
    assert best_point([unasked, point(0.5, 0.9, 0.5, able=False)]) == unasked


def write_sts(path: Path, gold: np.ndarray, pivots: list[str]) -> Path:
    half = len(gold)
    pairs = {
        "sentence1": pivots[:half],
        "sentence2": pivots[half : 2 * half],
        "score": gold.tolist(),
    }
    pq.write_table(pa.table(pairs), path)
    return path


@pytest.mark.parametrize(("judge", "kept"), [("base", 0.0), ("moved", 1.0)])
def test_judged_pairs_decide_what_the_pivot_loses(
    settings, base, moved, corpus, tmp_path, judge, kept
):
    pivots = held_out_pivots(corpus)
    half = len(pivots) // 2
    vectors = encode(load_encoder({"base": base, "moved": moved}[judge]), pivots, task="STS")
    sts = write_sts(
        tmp_path / "pairs.parquet", cosines(vectors[:half], vectors[half : 2 * half]), pivots
    )
    config = MergeConfig(**{**settings, "aligned": str(moved)}, sts=sts, alpha="0:1:0.5")
    result = merge(config, quiet=True)
    assert config.tolerance == 0
    # That encoder ranks the pairs as the scores do.
    assert result["sweep"][int(2 * kept)]["pivot"] == pytest.approx(1)
    assert result["alpha"] == kept
    assert (result["measure"], result["sts"]) == ("sts", "pairs.parquet")
    lenient = MergeConfig(
        **{**settings, "aligned": str(moved)}, sts=sts, alpha="0:1:0.5", tolerance=2, overwrite=True
    )
    assert merge(lenient, quiet=True)["alpha"] == 1


def test_the_base_is_kept_with_a_warning_when_nothing_that_was_asked_for_qualifies(
    settings, base, moved, caplog
):
    result = merge(MergeConfig(**{**settings, "aligned": str(moved)}, alpha="0.9,1"), quiet=True)
    assert "no alpha of 0.9,1 keeps the pivot within 0.05, so nothing of the" in caplog.text
    assert result["alpha"] == 0 and not result["qualified"]
    assert [point["asked"] for point in result["sweep"]] == [False, True, True]
    for name, tensor in weights(base).items():
        assert torch.equal(weights(settings["out"])[name], tensor), name
    card = " ".join((settings["out"] / "README.md").read_text().split())
    assert (
        "the weights are those of `base`, without alignment; none of the alphas asked for qualified"
        in card
    )


class _Vectors(dict[str, tuple[float, float]]):
    """An encoder of known vectors."""


def test_the_structure_of_the_pivot_is_the_order_of_its_cosines(monkeypatch):
    def known(model: _Vectors, texts: list[str], **_: Any) -> np.ndarray:
        return np.array([model[text] for text in texts])

    monkeypatch.setattr(pivot_quality, "encode", known)
    base = _Vectors(a=(1, 0), b=(0.6, 0.8), c=(0, 1))
    assert all_cosines(base, ["a", "b", "c"]) == pytest.approx([0.6, 0, 0.8])
    measure = agreement_with_base(base, ["a", "b", "c"])
    assert measure(base) == pytest.approx(1)
    # Turned by a right angle, which keeps every cosine.
    turned = _Vectors(a=(0, -1), b=(0.8, -0.6), c=(1, 0))
    assert measure(turned) == pytest.approx(1)
    # The cosines are 0, 0.6, 0.8 against 0.6, 0, 0.8: 1 - 6 * 2 / (3 * 8).
    swapped = _Vectors(a=(1, 0), b=(0, 1), c=(0.6, 0.8))
    assert measure(swapped) == pytest.approx(0.5)
    with pytest.raises(
        InputError, match="gives all pairs of 3 pivot texts the same cosine, which ranks nothing"
    ):
        agreement_with_base(_Vectors(a=(1, 0), b=(1, 0), c=(1, 0)), ["a", "b", "c"])


def test_the_folder_is_an_encoder_that_embeds_as_the_mixture_does(
    settings, base, aligned, monkeypatch
):
    kept: list[SentenceTransformer] = []
    plain = stage._save
    monkeypatch.setattr(
        stage, "_save", lambda model, *rest: (kept.append(model), plain(model, *rest))
    )
    out = settings["out"]
    result = merge(MergeConfig(**settings, alpha="0.5"), quiet=True)
    saved = SentenceTransformer(str(out), device="cpu")
    texts = ["eng01 eng02", "deu03 fra04 spa05"]
    np.testing.assert_array_equal(saved.encode(texts), kept[0].encode(texts))
    assert not np.allclose(saved.encode(texts), load_encoder(aligned).encode(texts), atol=1e-3)
    for name, tensor in weights(out).items():
        torch.testing.assert_close(
            tensor, (weights(base)[name] + weights(aligned)[name]) / 2, rtol=0, atol=1e-7
        )
    assert saved.prompts["query"] == "kept: "
    assert {path.name for path in out.iterdir()} == {path.name for path in aligned.iterdir()} | {
        "merge.json"
    }
    assert (out / "model.safetensors").stat().st_mode & 0o777 == 0o644
    assert json.loads((out / "merge.json").read_text()) == result
    run = json.loads((out / "run.json").read_text())
    assert (
        run["command"] == "merge"
        and run["config"]["alpha"] == "0.5"
        and run["config"]["held_out"] == HELD_OUT
    )


def test_alpha_0_among_those_asked_for_is_kept_with_a_warning(settings, moved, caplog):
    config = MergeConfig(**{**settings, "aligned": str(moved)}, alpha="0,1", tolerance=0.0)
    assert merge(config, quiet=True)["alpha"] == 0
    assert "none that keeps the pivot within 0 is more accurate, so nothing of the" in caplog.text


def test_the_merged_encoder_says_what_it_was_made_of(settings, base, aligned):
    out = settings["out"]
    result = merge(MergeConfig(**settings, alpha="0.5", tolerance=1), quiet=True)
    facts = describe(out)
    assert (facts.regime, facts.corpus, facts.seed, facts.languages) == (
        "multiway",
        "toy",
        7,
        LANGUAGES,
    )
    alignment = json.loads((out / "align.json").read_text())
    assert alignment.pop("merged") == result
    assert alignment.pop("sha256") == facts.sha256 != describe(aligned).sha256
    assert alignment == json.loads((aligned / "align.json").read_text())
    assert (result["base_sha256"], result["aligned_sha256"]) == (
        describe(base).sha256,
        describe(aligned).sha256,
    )
    (out / "merge.json").write_text("{}")
    assert describe(out) == facts  # a record is not part of the encoder
    card = (out / "README.md").read_text()
    assert card.count("## Multi-way alignment") == card.count("## Merged with the base") == 1
    point = result["sweep"][1]
    assert f"| 0.5 | {point['accuracy']:.4f} | {point['pivot']:.4f} | kept |\n" in card
    assert "| 0 | " in card and "| reference |" in card
    assert f"{result['n_rows']} rows held out of alignment: `toy`" in card
    assert "0.1230" not in card  # the accuracy of the aligned encoder, not of this one
    assert str(base.parent) not in card
    shown = inspect_encoder(str(out))
    assert shown.result["merged"]["alpha"] == 0.5


def test_rows_are_those_that_alignment_held_out_unless_others_are_asked_for(
    settings, corpus, aligned, caplog
):
    checked = check_merge(MergeConfig(**settings))
    assert checked.pivots == held_out_pivots(corpus) and checked.origin == "held out of alignment"
    assert not caplog.records
    checked = check_merge(MergeConfig(**settings, held_out=0.5))
    assert checked.n_rows > len(held_out_pivots(corpus)) and checked.origin == "perhaps trained on"
    assert "may have been trained on the rows that judge it" in caplog.text
    caplog.clear()
    (aligned / "run.json").rename(aligned / "gone")
    try:
        checked = check_merge(MergeConfig(**settings))
    finally:
        (aligned / "gone").rename(aligned / "run.json")
    assert checked.n_rows == len(open_corpus(corpus)) and checked.origin == "perhaps trained on"
    assert (
        "may have been trained on the rows that judge it, which are all rows of the corpus"
        in caplog.text
    )


def test_rows_of_another_corpus_are_used_without_a_warning(settings, tmp_path, caplog):
    write_corpus(toy_rows(20, seed=9), tmp_path / "other", languages=LANGUAGES)
    config = MergeConfig(
        **{**settings, "corpus": str(tmp_path / "other")}, held_out=0, languages="deu,fra"
    )
    checked = check_merge(config)
    assert checked.n_rows == 20 and checked.corpus.languages == (
        "eng_Latn",
        "deu_Latn",
        "fra_Latn",
    )
    assert checked.origin == "of another corpus than alignment's" and not caplog.records


def test_a_base_other_than_that_of_the_alignment_is_reported(settings, tmp_path, caplog):
    other = toy_encoder(tmp_path / "other", seed=1)
    check_merge(MergeConfig(**{**settings, "base": str(other)}))
    assert (
        "was aligned from base (SHA-256 " in caplog.text
        and "and the base given is other" in caplog.text
    )


def test_a_bare_base_takes_the_pooling_of_its_child_and_merges_the_same_twice(settings, tmp_path):
    bare = toy_transformer(tmp_path / "bare")
    child = load_encoder(bare, pooling="cls")
    child.state_dict()[WORDS].mul_(1.5)
    child.save(str(tmp_path / "child"))
    write_records(tmp_path / "child", bare)
    for seed, name in enumerate(("one", "two")):
        torch.manual_seed(seed)  # a bare transformer has no pooler in its file; one is drawn
        given = {
            **settings,
            "base": str(bare),
            "aligned": str(tmp_path / "child"),
            "out": tmp_path / name,
        }
        merge(MergeConfig(**given, alpha="0.5", tolerance=1), quiet=True)
    assert describe(tmp_path / "one").sha256 == describe(tmp_path / "two").sha256
    assert load_encoder(tmp_path / "one")[1].pooling_mode == "cls"


def test_the_command_prints_the_sweep_and_writes_the_encoder(capsys, settings, tmp_path):
    command = [
        "merge",
        settings["base"],
        settings["aligned"],
        "--corpus",
        settings["corpus"],
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(["--quiet", *command, "--alpha", "0:1:0.5", "--languages", "en,de"]) == 0
    header, _, *lines, last = capsys.readouterr().out.strip().splitlines()
    assert header.split() == ["alpha", "accuracy", "%", "eng_Latn", "(structure)"]
    assert [line.split()[0] for line in lines] == ["0", "0.5", "1"]
    assert lines[-1].split() == ["1", "100.0", "1.0000", "kept"]
    assert "alpha 1, " in last
    assert load_encoder(tmp_path / "out").encode(["eng01"]).shape == (1, 32)
    assert main([*command, "--alpha", "0:1:0", "--overwrite"]) == 2
    assert "the step must be above 0" in capsys.readouterr().err


@pytest.mark.slow
def test_an_encoder_that_was_really_aligned_merges_with_its_base(settings, tmp_path):
    from hexapla.alignment.config import AlignConfig
    from hexapla.alignment.stage import align

    trained = tmp_path / "trained"
    align(
        AlignConfig(
            corpus=settings["corpus"],
            encoder=settings["base"],
            out=trained,
            rows_per_step=16,
            learning_rate=2e-2,
            preserve=3.0,
            held_out=HELD_OUT,
            epochs=4,
            report_to="none",
        ),
        quiet=True,
    )
    result = merge(
        MergeConfig(**{**settings, "aligned": str(trained)}, alpha="0:1:0.25", tolerance=2),
        quiet=True,
    )
    first, *_, last = result["sweep"]
    assert result["origin"] == "held out of alignment"
    assert result["accuracy"] >= last["accuracy"] > 0.4 > 0.1 > first["accuracy"]
