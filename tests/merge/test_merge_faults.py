"""What a merge refuses, with which message, before it loads or writes; and how alphas are read."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sentence_transformers.sentence_transformer.modules import Dense

import hexapla.merge.sweep as sweep
from hexapla.corpus.writer import write_corpus
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from hexapla.merge.config import MergeConfig, parse_alphas
from hexapla.merge.encoder_difference import loaded_difference
from hexapla.merge.stage import merge
from tests.fixtures.merging import WORDS, make_aligned, write_records
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows


@pytest.mark.parametrize(
    ("text", "alphas"),
    [
        # To the digit: 3 * 0.1 would not be 0.3.
        ("0:1:0.1", (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)),
        ("0:1:0.3", (0, 0.3, 0.6, 0.9)),
        ("0.2:0.2:1", (0.2,)),
        ("1", (1,)),
        ("0.5, 0.25,0.5", (0.25, 0.5)),
    ],
)
def test_alphas_are_read_in_three_forms(text, alphas):
    assert parse_alphas(text) == alphas


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"alpha": "half"},
            'alpha is "half"; it must be START:STOP:STEP such as "0:1:0.1", a number',
        ),
        ({"alpha": ""}, 'alpha is ""; it must be START:STOP:STEP'),
        ({"alpha": "0:1"}, 'alpha is "0:1"; it must be START:STOP:STEP'),
        ({"alpha": "nan"}, 'alpha is "nan"; it must be START:STOP:STEP'),
        ({"alpha": "0.5,1.5"}, 'alpha is "0.5,1.5", and 1.5 is outside 0 to 1'),
        ({"alpha": "-0.5:1:0.5"}, "-0.5 is outside 0 to 1"),
        ({"alpha": "0:1:0"}, "a step of 0; the step must be above 0"),
        ({"alpha": "0:1:-0.1"}, "a step of -0.1; the step must be above 0"),
        ({"alpha": "1:0:0.1"}, "from 1 down to 0; give the smaller end first"),
        ({"alpha": "0:1:1e-9"}, "more than 1001 alphas; give a larger step"),
        ({"alpha": "0:1:1e-99999999999"}, "more than 1001 alphas; give a larger step"),
        ({"alpha": ",".join(["0.5"] * 2000)}, "alpha has 2,000 values; at most 1001 are allowed"),
        ({"alpha": "0_1"}, 'alpha is "0_1"; it must be START:STOP:STEP'),
        ({"tolerance": -0.1}, "tolerance is -0.1; it must be a number from 0 to 2"),
        ({"tolerance": float("nan")}, "tolerance is nan; it must be a number from 0 to 2"),
        ({"held_out": 1}, "held_out is 1; it must be a number of 0 or more and below 1"),
        ({"base": "./nowhere"}, "nowhere: no such encoder folder"),
        ({"aligned": "./nowhere"}, "nowhere: no such encoder folder"),
        (
            {"aligned": "tiny"},
            "tiny: has no align.json; give the folder of an encoder that hexapla align made",
        ),
        ({"aligned": "someone/not-there"}, "someone/not-there: has no align.json"),
        ({"corpus": "./nowhere"}, "there is no corpus at nowhere"),
        ({"languages": "eng,pol"}, "has no column pol_Latn"),
        (
            {"languages": "eng"},
            "only eng_Latn is asked for; a search needs two columns or more",
        ),
        ({"held_out": 0.0001}, "held_out 0.0001 leaves 0 rows to judge by; 3 or more are needed"),
        ({"sts": "nowhere.parquet"}, "nowhere.parquet does not exist"),
        (
            {"base": "tiny"},
            "cannot be merged: vocab_size is 16000 and 245; give an encoder and the one",
        ),
    ],
)
def test_mistakes_are_refused_before_a_model_loads_and_nothing_is_written(
    settings, monkeypatch, changed, message
):
    monkeypatch.setattr(
        sweep, "load_encoder", lambda *args, **kwargs: pytest.fail("a model was loaded")
    )
    with pytest.raises(InputError, match=message):
        merge(MergeConfig(**{**settings, **changed}), quiet=True)
    assert not settings["out"].exists()


def test_folders_that_do_not_belong_together_are_refused_before_a_model_loads(
    settings, base, aligned, corpus, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        sweep, "load_encoder", lambda *args, **kwargs: pytest.fail("a model was loaded")
    )

    def refused(message: str, **changed: Any) -> None:
        with pytest.raises(InputError, match=message):
            merge(MergeConfig(**{**settings, **changed}), quiet=True)
        assert not settings["out"].exists()

    twin = toy_encoder(tmp_path / "twin")
    write_records(twin, base)
    refused("are the same encoder", base=str(twin), aligned=str(twin))
    tokenizer = json.loads((twin / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["eng00"], vocabulary["eng01"] = vocabulary["eng01"], vocabulary["eng00"]
    (twin / "tokenizer.json").write_text(json.dumps(tokenizer))
    refused('the piece "eng00" has the number 5 and 6', aligned=str(twin))
    merged = {"base": "b", "alpha": 0.5, "accuracy": 0.5, "qualified": True, "n_rows": 3}
    write_records(twin, base, merged=merged)
    refused("is merged already", aligned=str(twin))
    write_records(twin, base, whiten="start")
    refused(
        "was whitened in alignment, which added a layer that its base lacks",
        aligned=str(twin),
    )
    (twin / "align.json").write_text('{"regime"')
    refused("align.json is damaged: it is not JSON", aligned=str(twin))
    (twin / "align.json").write_text('{"regime": "multiway"}')
    refused(
        "align.json: has no base, base_sha256, corpus, corpus_sha256, pivot, languages, columns, neg",
        aligned=str(twin),
    )

    one = {"sentence1": ["a", None], "sentence2": ["b", "c"], "score": [1.0, 2.0]}
    pq.write_table(pa.table({"sentence1": ["a"], "score": [1.0]}), tmp_path / "short.parquet")
    refused("short.parquet has no column sentence2", sts=tmp_path / "short.parquet")
    pq.write_table(pa.table(one), tmp_path / "one.parquet")
    refused("has 1 filled rows and no two different scores", sts=tmp_path / "one.parquet")

    rows: list[dict[str, str | None]] = [{**row, "spa_Latn": None} for row in toy_rows(9)]
    rows[0]["spa_Latn"] = "spa01"
    write_corpus(rows, tmp_path / "sparse", languages=LANGUAGES)
    sparse = {"corpus": str(tmp_path / "sparse"), "held_out": 0}
    refused("spa_Latn has 1 cells in the 9 rows to judge by; 2 or more are needed", **sparse)

    before = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    for name, folder in (("base", base), ("aligned", aligned)):
        with pytest.raises(InputError, match=f"holds the {name} encoder"):
            merge(MergeConfig(**{**settings, "out": folder}, overwrite=True), quiet=True)
    assert before == {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="holds the base encoder"):  # in a folder below
        merge(MergeConfig(**{**settings, "out": base.parent}, overwrite=True), quiet=True)
    with pytest.raises(InputError, match="holds the corpus"):
        merge(MergeConfig(**{**settings, "out": corpus}, overwrite=True), quiet=True)


def test_damaged_weights_are_refused_and_nothing_is_written(settings, base, tmp_path):
    broken = make_aligned(base, tmp_path / "broken", pivot_moves=False)
    model = load_encoder(broken)
    model.state_dict()[WORDS][7, 3] = float("nan")
    model.save(str(broken))
    with pytest.raises(
        InputError,
        match=r"values that are NaN or infinite \(0\.model\.embeddings\.word_embeddings\.weight\)",
    ):
        merge(MergeConfig(**{**settings, "aligned": str(broken)}), quiet=True)
    assert not settings["out"].exists()


def test_differences_that_only_loading_shows_are_named(settings, base, aligned):
    texts = ["eng01 eng02"]

    def differ(**changed: bool) -> str | None:
        return loaded_difference(load_encoder(base), model, texts, **{"bare": False, **changed})

    model = load_encoder(aligned)
    assert differ() is None
    model[1].pooling_mode = "cls"
    assert differ() == "pooling_mode of Pooling is mean and cls"
    assert differ(bare=True) is None
    model = load_encoder(aligned)
    model.append(Dense(32, 16))
    assert (
        differ()
        == "the modules are Transformer -> Pooling -> Normalize and Transformer -> Pooling -> Normalize -> Dense"
    )
    assert differ(bare=True) == "only the aligned encoder has 3.linear.weight"
    model = load_encoder(aligned)
    model[0].auto_model.embeddings.position_embeddings.weight = torch.nn.Parameter(
        torch.zeros(20, 32)
    )
    assert (
        differ()
        == "0.model.embeddings.position_embeddings.weight has the shape (18, 32) and (20, 32)"
    )
    model = load_encoder(aligned)
    model.tokenizer.backend_tokenizer.post_processor = None
    assert differ() == 'the tokens of "eng01 eng02" are 4 and 2, not the same'
    one, model = load_encoder(base), load_encoder(aligned)
    for number, encoder in enumerate((one, model)):
        encoder[0].register_buffer("n_seen", torch.tensor([number]))
    assert (
        loaded_difference(one, model, texts, bare=False)
        == "0.n_seen holds different whole numbers, which cannot be interpolated"
    )


def test_a_finished_merge_is_replaced_only_when_that_was_asked_for(settings):
    merge(MergeConfig(**settings, alpha="1"), quiet=True)
    with pytest.raises(InputError, match="holds a finished run; --overwrite replaces it"):
        merge(MergeConfig(**settings, alpha="0"), quiet=True)
    (settings["out"] / "1_Old").mkdir()
    (settings["out"] / "1_Old" / "config.json").touch()
    (settings["out"] / "notes.txt").touch()
    assert merge(MergeConfig(**settings, alpha="0", overwrite=True), quiet=True)["alpha"] == 0
    assert not (settings["out"] / "1_Old").exists()
    assert (settings["out"] / "notes.txt").exists()


def test_an_interrupted_merge_is_resumed_and_measures_nothing_twice(settings, monkeypatch):
    whole = merge(MergeConfig(**{**settings, "out": settings["out"].parent / "whole"}), quiet=True)
    plain, n_done = sweep.HeldOutAccuracy.__call__, [0]

    def counted(self, *args, **kwargs):
        if n_done[0] == 4:
            raise KeyboardInterrupt("killed")
        n_done[0] += 1
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(sweep.HeldOutAccuracy, "__call__", counted)
    with pytest.raises(KeyboardInterrupt, match="killed"):
        merge(MergeConfig(**settings), quiet=True)
    n_done[0] = -100
    with pytest.raises(InputError, match=r'holds another run \(alpha was "0:1:0.1" and is "1"\)'):
        merge(MergeConfig(**settings, alpha="1", resume=True), quiet=True)
    resumed = merge(MergeConfig(**settings, resume=True), quiet=True)
    assert n_done[0] == -100 + 11 - 4
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    assert not (settings["out"] / "sweep.json").exists()
    assert merge(MergeConfig(**settings, resume=True), quiet=True) == resumed
