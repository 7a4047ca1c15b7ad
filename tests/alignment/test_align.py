"""Alignment: a run improves retrieval on rows it never saw, spends its budget, records what it took.

Mistakes are refused before an encoder is loaded and before anything is written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)

from hexapla.alignment import stage
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.loss import MultiwayLoss
from hexapla.alignment.stage import align
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.encoder.held_out import HeldOutAccuracy
from hexapla.errors import InputError
from tests.fixtures.toy import LANGUAGES, toy_decoder, toy_encoder, toy_rows, toy_transformer
from tests.fixtures.weights import read_weights


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("corpora") / "toy"
    write_corpus(toy_rows(300, missing=0.1), folder, languages=LANGUAGES)
    return str(folder)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    return str(toy_encoder(tmp_path_factory.mktemp("encoders") / "toy"))


@pytest.fixture
def settings(corpus, encoder, tmp_path) -> dict[str, object]:
    return {
        "corpus": corpus,
        "encoder": encoder,
        "out": tmp_path / "out",
        "rows_per_step": 16,
        "learning_rate": 2e-2,
        "report_to": "none",
    }


@pytest.mark.slow
def test_alignment_finds_rows_that_it_never_saw(settings):
    result = align(AlignConfig(**settings, held_out=0.2, epochs=6), quiet=True)
    curve = [point["accuracy"] for point in result["held_out"]]
    assert curve[-1] > 0.7 > 0.35 > curve[0]
    assert result["n_rows"] == pytest.approx(240, abs=25)
    assert result["n_rows_seen"] == 6 * result["n_rows"]
    assert result["regime"] == "multiway" and result["languages"] == list(LANGUAGES)


def test_the_folder_is_an_encoder_with_its_records_and_nothing_else(settings):
    out = settings["out"]
    result = align(AlignConfig(**{**settings, "report_to": "tensorboard"}), quiet=True)
    model = SentenceTransformer(str(out), device="cpu")
    assert model.encode(["eng01 eng02"]).shape == (1, 32)
    names = {path.name for path in out.iterdir()}
    records = {"run.json", "align.json", "logs", "README.md"}
    tokenizer = {"tokenizer.json", "tokenizer_config.json"}
    modules = {
        "modules.json",
        "config.json",
        "config_sentence_transformers.json",
        "sentence_bert_config.json",
    }
    assert names == records | tokenizer | modules | {
        "model.safetensors",
        "1_Pooling",
        "2_Normalize",
    }
    assert (out / "model.safetensors").stat().st_mode & 0o777 == 0o644
    assert json.loads((out / "align.json").read_text()) == result
    run = json.loads((out / "run.json").read_text())
    assert run["config"]["rows_per_step"] == 16 and run["versions"]["torch"] == torch.__version__
    card = (out / "README.md").read_text()
    for expected in ("German (`deu_Latn`)", "Regime: `multiway`", "pivot `eng_Latn`"):
        assert expected in card
    assert list((out / "logs").glob("events*"))


@pytest.mark.slow
def test_a_finished_run_is_neither_overwritten_nor_trained_again(settings):
    first = align(AlignConfig(**settings), quiet=True)
    before = (settings["out"] / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(InputError, match="holds a finished run; --overwrite replaces it"):
        align(AlignConfig(**settings), quiet=True)
    assert align(AlignConfig(**settings, resume=True), quiet=True) == first
    assert (settings["out"] / "model.safetensors").stat().st_mtime_ns == before
    again = align(AlignConfig(**settings, overwrite=True), quiet=True)
    assert again["loss"] == first["loss"]
    assert (settings["out"] / "model.safetensors").stat().st_mtime_ns != before


@pytest.mark.slow
def test_a_log_has_lines_with_steps_rate_time_left_loss_and_accuracy(
    settings, monkeypatch, caplog, capfd
):
    monkeypatch.setattr("hexapla.runs.progress.LOG_EVERY_S", 0.0)
    with caplog.at_level("INFO", logger="hexapla"):
        result = align(AlignConfig(**settings, held_out=0.2, epochs=3, checkpoint_steps=7))
    lines = [line for line in caplog.messages if line.startswith("training: ")]
    n_steps = result["n_steps"]
    assert lines[0].startswith(f"training: 0 of {n_steps} steps (0 %)")
    assert any(" left" in line for line in lines)
    accuracy = result["held_out"][-1]["accuracy"]
    (last,) = [line for line in lines if f" {n_steps} of {n_steps} steps (100 %)" in line]
    assert last == lines[-1] and f"held-out accuracy {accuracy:.4f}" in last
    assert f"loss {result['losses'][-1]['loss']:.4f}" in last
    shown = capfd.readouterr()
    assert f"/{n_steps} [" not in shown.err + shown.out  # no bar of the trainer


def test_a_quiet_run_shows_no_progress(settings, monkeypatch, caplog, capfd):
    monkeypatch.setattr("hexapla.runs.progress.LOG_EVERY_S", 0.0)
    with caplog.at_level("INFO", logger="hexapla"):
        result = align(AlignConfig(**settings), quiet=True)
    assert not [line for line in caplog.messages if "training: " in line]
    shown = capfd.readouterr()
    assert shown.out == "" and f"/{result['n_steps']} [" not in shown.err


@pytest.mark.slow
def test_budgets_of_rows_and_of_encodings_are_kept_by_every_regime(settings, tmp_path, monkeypatch):
    took, n_texts = {}, {}
    settings = {**settings, "encoder": str(toy_encoder(tmp_path / "dropout", dropout=0.1))}
    counted = [0]

    class Counted(MultiwayLoss):
        def forward(self, features, labels=None):
            counted[0] += len(labels)
            return super().forward(features, labels)

    monkeypatch.setattr("hexapla.alignment.trainer_setup.MultiwayLoss", Counted)
    for regime in ("multiway", "star", "en-x", "sampled-pair", "pivot-only"):
        for budget in ("rows", "encodings"):
            config = AlignConfig(
                **{**settings, "out": tmp_path / f"{regime}-{budget}"}, regime=regime, budget=budget
            )
            counted[0] = 0
            took[regime, budget] = align(config, quiet=True)
            n_texts[regime, budget] = counted[0]
    cells = took["multiway", "rows"]["n_encodings"]
    for (regime, budget), result in took.items():
        # Batches differ by a row.
        assert n_texts[regime, budget] == pytest.approx(result["n_encodings"], rel=0.01)
        if budget == "rows":
            n_rows = 299  # one of the 300 lost all its translations, and is not in the corpus
            assert result["n_rows_seen"] == result["n_rows"] == n_rows
            assert result["n_encodings"] == (
                cells if regime in ("multiway", "star") else 2 * n_rows
            )
        else:
            # To within a step.
            assert result["n_encodings"] == pytest.approx(cells, rel=2 * 16 / 300)


@pytest.mark.slow
def test_the_converged_budget_stops_when_held_out_rows_stop_improving(settings):
    result = align(
        AlignConfig(**settings, budget="converged", held_out=0.2, patience=2, epochs=40), quiet=True
    )
    curve = [point["accuracy"] for point in result["held_out"]]
    assert result["epochs"] < 40
    assert max(curve[-6:]) <= max(curve[:-6])
    best = next(point["step"] for point in result["held_out"] if point["accuracy"] == max(curve))
    assert result["best_step"] == best
    held_out = open_corpus(settings["corpus"]).split(0.2)[1].dataset()
    judge = HeldOutAccuracy(held_out, LANGUAGES, "")
    saved = SentenceTransformer(str(settings["out"]), device="cpu")
    # The weights of the best step, not of the last.
    assert judge(saved)["held_out_accuracy"] == pytest.approx(max(curve))


@pytest.mark.slow
def test_cached_and_accumulated_steps_train(settings):
    result = align(
        AlignConfig(**settings, chunk_tokens=100, gradient_accumulation=2, held_out=0.2, epochs=4),
        quiet=True,
    )
    assert result["held_out"][-1]["accuracy"] > result["held_out"][0]["accuracy"]
    assert result["n_steps"] == pytest.approx(4 * result["n_rows"] / 32, abs=5)


def test_long_texts_are_truncated_counted_and_named(settings, tmp_path, caplog):
    rows = toy_rows(40)
    rows[3]["deu_Latn"] = " ".join(["deu01"] * 30)
    rows[4]["eng_Latn"] = " ".join(["eng02"] * 15)  # 15 words and two special tokens: one too many
    rows[5]["eng_Latn"] = " ".join(["eng03"] * 14)
    write_corpus(rows, tmp_path / "long", languages=LANGUAGES)
    result = align(AlignConfig(**{**settings, "corpus": str(tmp_path / "long")}), quiet=True)
    assert result["n_truncated"] == 2
    assert "2 texts are longer than 16 tokens and are truncated" in caplog.text


def test_a_bare_transformer_becomes_an_encoder_and_its_prompt_is_saved(settings, tmp_path, caplog):
    bare = toy_transformer(tmp_path / "multilingual-e5-toy")
    with caplog.at_level("INFO", logger="hexapla"):
        align(AlignConfig(**{**settings, "encoder": str(bare)}), quiet=True)
    assert "bare transformer: mean pooling and normalisation added" in caplog.text
    model = SentenceTransformer(str(settings["out"]), device="cpu")
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Normalize"]
    assert {model.prompts[task] for task in ("BitextMining", "STS", "Classification")} == {
        "query: "
    }


def test_the_loss_trains_in_a_plain_trainer_script(encoder, tmp_path):
    model = SentenceTransformer(encoder, device="cpu")
    args = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=2,
        per_device_train_batch_size=16,
        learning_rate=3e-3,
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        use_cpu=True,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(toy_rows(160)),
        loss=MultiwayLoss(model),
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"regime": "multi-way"},
            'regime is "multi-way"; it must be multiway, .*did you mean "multiway"',
        ),
        ({"budget": "steps"}, 'budget is "steps"; it must be rows, encodings or converged'),
        ({"negatives": "hard"}, 'negatives is "hard"; it must be target or all'),
        ({"temperature": 0.0}, "temperature is 0.0; it must be a number above 0"),
        ({"learning_rate": "fast"}, 'learning_rate is "fast"; it must be a number above 0'),
        ({"epochs": -1}, "epochs is -1; it must be a number above 0"),
        ({"rows_per_step": 1}, "rows_per_step is 1; it must be a whole number of 2 or more"),
        ({"rows_per_step": 16.0}, "rows_per_step is 16.0; it must be a whole number"),
        ({"seed": True}, "seed is True; it must be a whole number"),
        ({"temperature": True}, "temperature is True; it must be a number"),
        ({"prompt": 5}, "prompt is 5; it must be a text"),
        ({"report_to": "tensorbord"}, 'report_to is "tensorbord"; .*did you mean "tensorboard"'),
        ({"report_to": "wandb"}, 'report_to is "wandb", whose package is not installed'),
        (
            {"encoder": "someone/not-there"},
            "someone/not-there: no such folder, and the Hub does not have it",
        ),
        (
            {"languages": "eng_Latn", "regime": "pivot-only", "budget": "converged"},
            "budget is converged and languages is eng_Latn alone",
        ),
        ({"margin": -0.3}, "margin is -0.3; it must be a number of 0 or more"),
        ({"margin": 2.5}, "margin is 2.5; it must be a number of 0 or more and below 2"),
        (
            {"temperature": 5e-5},
            r"temperature 5e-05 with margin 0.0 makes logits of 2e.04; at most 10000 keep",
        ),
        ({"chunk_tokens": 0}, "chunk_tokens is 0; it must be a whole number of 1 or more"),
        ({"lora": -1}, "lora is -1; it must be a whole number of 0 or more"),
        ({"preserve": -1.0}, "preserve is -1.0; it must be a number of 0 or more"),
        ({"matryoshka": "64,many"}, "matryoshka is '64,many'; it must be numbers of dimensions"),
        (
            {"pooling": "lastoken"},
            'pooling is "lastoken"; it must be mean, cls or lasttoken; did you mean "lasttoken"',
        ),
        ({"warmup": 1.0}, "warmup is 1.0; it must be a number of 0 or more and below 1"),
        ({"budget": "converged", "held_out": 0.0}, "budget is converged and held_out is 0"),
        ({"languages": "eng_Latn,xxx_Latn"}, "xxx_Latn"),
        ({"languages": "eng_Latn,zh"}, "zho_Hans"),
        (
            {"languages": "eng_Latn,pol_Latn"},
            "no column pol_Latn; it has eng_Latn, deu_Latn, fra_Latn, spa_Latn",
        ),
        (
            {"languages": "eng_Latn"},
            "languages is eng_Latn alone, the pivot; regime multiway needs two columns or more",
        ),
        ({"rows_per_step": 512}, r"299 rows to train on, fewer than the 512 of a step"),
        ({"encoder": "./nowhere"}, "nowhere: no such encoder folder"),
        ({"corpus": "./nowhere"}, "nowhere"),
        ({"resume": True}, "no run to resume here"),
        ({"resume": True, "overwrite": True}, "--resume and --overwrite exclude each other"),
    ],
)
def test_mistakes_are_refused_before_a_model_loads_and_nothing_is_written(
    settings, monkeypatch, changed, message
):
    monkeypatch.setattr(
        stage, "load_encoder", lambda *args, **kwargs: pytest.fail("a model was loaded")
    )
    with pytest.raises(InputError, match=message):
        align(AlignConfig(**{**settings, **changed}), quiet=True)
    assert not settings["out"].exists()


def test_a_folder_that_holds_something_else_is_left_alone(settings):
    out = settings["out"]
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    for flags in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(
            InputError, match="not empty, and what it holds is no run of hexapla align"
        ):
            align(AlignConfig(**settings, **flags), quiet=True)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_a_run_never_replaces_what_it_is_made_of(settings, tmp_path):
    align(AlignConfig(**settings), quiet=True)
    before = (settings["out"] / "model.safetensors").read_bytes()
    again = {**settings, "encoder": str(settings["out"])}
    with pytest.raises(InputError, match=r"holds the encoder, .*; give another folder to write"):
        align(AlignConfig(**again, overwrite=True), quiet=True)
    assert (settings["out"] / "model.safetensors").read_bytes() == before


def test_pivot_only_needs_dropout_and_sees_only_the_pivot(settings, tmp_path):
    with pytest.raises(InputError, match="has no dropout"):
        align(AlignConfig(**settings, regime="pivot-only"), quiet=True)
    assert not settings["out"].exists()
    dropout = str(toy_encoder(tmp_path / "dropout", dropout=0.1))
    result = align(AlignConfig(**{**settings, "encoder": dropout}, regime="pivot-only"), quiet=True)
    assert result["languages"] == ["eng_Latn"]


def test_a_language_without_a_single_cell_is_refused(settings, tmp_path):
    rows = toy_rows(40)
    for row in rows[:-1]:
        row["fra_Latn"] = None
    write_corpus(rows, tmp_path / "hollow", languages=LANGUAGES)
    held_out = {row["eng_Latn"] for row in open_corpus(tmp_path / "hollow").split(0.6)[1].rows()}
    assert rows[-1]["eng_Latn"] in held_out  # the only cell is not among the rows to train on
    with pytest.raises(
        InputError,
        match="fra_Latn has no cell in the rows to train on; leave it out of the languages",
    ):
        align(
            AlignConfig(
                **{**settings, "corpus": str(tmp_path / "hollow"), "rows_per_step": 4}, held_out=0.6
            ),
            quiet=True,
        )
    assert not settings["out"].exists()


@pytest.mark.slow
def test_lora_trains_the_adapters_alone_and_leaves_an_ordinary_encoder(settings, encoder):
    result = align(AlignConfig(**settings, lora=8, held_out=0.2, epochs=8), quiet=True)
    assert result["lora"] == 8
    assert "LoRA of rank 8" in (settings["out"] / "README.md").read_text()
    assert result["held_out"][-1]["accuracy"] > result["held_out"][0]["accuracy"] + 0.03
    before, after = read_weights(Path(encoder)), read_weights(settings["out"])
    assert before.keys() == after.keys()  # no adapter is left in it
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("dense" in name or "attention" in name for name in changed)
    assert "embeddings.word_embeddings.weight" not in changed
    change = (
        after["encoder.layer.0.attention.self.query.weight"]
        - before["encoder.layer.0.attention.self.query.weight"]
    )
    assert torch.linalg.matrix_rank(change, rtol=1e-4) == 8


def test_lora_without_its_package_is_refused_before_anything_is_written(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(
        stage, "load_encoder", lambda *args, **kwargs: pytest.fail("a model was loaded")
    )
    with pytest.raises(
        InputError, match=r"needs the library peft; install it with: pip install 'hexapla\[lora\]'"
    ):
        align(AlignConfig(**settings, lora=8), quiet=True)
    assert not settings["out"].exists()


@pytest.mark.slow
def test_gradient_checkpointing_changes_nothing_but_the_memory(settings, tmp_path):
    align(AlignConfig(**settings), quiet=True)
    align(
        AlignConfig(**{**settings, "out": tmp_path / "other"}, gradient_checkpointing=True),
        quiet=True,
    )
    first, second = read_weights(settings["out"]), read_weights(tmp_path / "other")
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=0, atol=1e-6, msg=name)


def test_what_is_compiled_is_what_encodes(settings, monkeypatch):
    calls = []

    def compiled(function, dynamic):  # the real one takes half a minute
        def called(*args, **kwargs):
            calls.append(dynamic)
            return function(*args, **kwargs)

        return called

    monkeypatch.setattr(torch, "compile", compiled)
    result = align(AlignConfig(**settings, compile=True), quiet=True)
    assert len(calls) >= result["n_steps"] and all(calls)


@pytest.mark.slow
def test_matryoshka_makes_the_leading_dimensions_useful_alone(settings, tmp_path):
    held_out = open_corpus(settings["corpus"]).split(0.2)[1].dataset()

    def accuracy(folder: Path) -> float:
        model = SentenceTransformer(str(folder), device="cpu", truncate_dim=4)
        return HeldOutAccuracy(held_out, LANGUAGES, "")(model)["held_out_accuracy"]

    plain = {**settings, "held_out": 0.2, "epochs": 5}
    align(AlignConfig(**plain), quiet=True)
    align(AlignConfig(**{**plain, "out": tmp_path / "nested"}, matryoshka="32,4"), quiet=True)
    assert accuracy(tmp_path / "nested") > accuracy(settings["out"]) + 0.05
    with pytest.raises(InputError, match=r"matryoshka asks for 33 dimensions; .* has 32"):
        align(AlignConfig(**{**plain, "out": tmp_path / "large"}, matryoshka=(33, 4)), quiet=True)
    assert not (tmp_path / "large").exists()


@pytest.mark.slow
def test_preserve_keeps_the_pivots_structure_and_alignment_still_rises(settings, encoder, tmp_path):
    held_out = open_corpus(settings["corpus"]).split(0.2)[1].dataset()
    pivots = list(held_out["eng_Latn"])

    def structure(folder: str | Path) -> torch.Tensor:
        vectors = torch.tensor(SentenceTransformer(str(folder), device="cpu").encode(pivots))
        return vectors @ vectors.T

    moved, accuracy = {}, {}
    for name, weight in (("free", 0.0), ("kept", 10.0)):
        config = AlignConfig(
            **{**settings, "out": tmp_path / name}, preserve=weight, held_out=0.2, epochs=5
        )
        curve = align(config, quiet=True)["held_out"]
        accuracy[name] = [point["accuracy"] for point in curve]
        moved[name] = (structure(tmp_path / name) - structure(encoder)).square().mean().item()
    assert moved["kept"] < 0.5 * moved["free"]
    assert accuracy["kept"][-1] > accuracy["kept"][0] + 0.05


@pytest.mark.slow
def test_a_bare_decoder_is_pooled_at_its_last_token_and_trains_with_an_instruction(
    settings, tmp_path, caplog
):
    bare = toy_decoder(tmp_path / "qwen")
    config = AlignConfig(
        **{**settings, "encoder": str(bare), "learning_rate": 5e-3},
        prompt="eng59 eng58 ",
        held_out=0.2,
        epochs=5,
    )
    with caplog.at_level("INFO", logger="hexapla"):
        result = align(config, quiet=True)
    assert "bare transformer: lasttoken pooling and normalisation added" in caplog.text
    assert "padded" not in caplog.text
    assert result["held_out"][-1]["accuracy"] > result["held_out"][0]["accuracy"] + 0.1
    model = SentenceTransformer(str(settings["out"]), device="cpu")
    assert model[1].pooling_mode == "lasttoken"
    assert model.prompts["STS"] == "eng59 eng58 "
    one, several = (
        model.encode(["eng01 eng02"]),
        model.encode(["eng01 eng02", "eng01 eng02 eng03 eng04 eng05"]),
    )
    torch.testing.assert_close(torch.tensor(several[0]), torch.tensor(one[0]), rtol=1e-4, atol=1e-5)


def test_pooling_is_for_bare_transformers(settings, tmp_path):
    with pytest.raises(InputError, match="has its own pooling; leave --pooling out"):
        align(AlignConfig(**settings, pooling="cls"), quiet=True)
    bare = str(toy_transformer(tmp_path / "bare"))
    align(AlignConfig(**{**settings, "encoder": bare}, pooling="cls"), quiet=True)
    assert SentenceTransformer(str(settings["out"]), device="cpu")[1].pooling_mode == "cls"
