"""A training ends with what it gained, what it could not use, and what to type next."""

from __future__ import annotations

import json

import pytest
from sentence_transformers import SentenceTransformer

from hexapla.alignment.checkpoints import complete_checkpoint
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.result_lines import result_lines
from hexapla.alignment.stage import align
from hexapla.corpus.reader import open_corpus
from hexapla.encoder.held_out import HeldOutAccuracy
from tests.fixtures.toy import LANGUAGES


def accuracy_of(encoder: str, corpus: str) -> float:
    held_out = open_corpus(corpus).split(0.2)[1].dataset()
    model = SentenceTransformer(encoder, device="cpu")
    return HeldOutAccuracy(held_out, LANGUAGES, "")(model)["held_out_accuracy"]


@pytest.fixture(scope="module")
def aligned(corpus, encoder, tmp_path_factory) -> dict[str, object]:
    """What a short training records; its last step is no step of an evaluation by the trainer."""
    out = tmp_path_factory.mktemp("runs") / "out"
    config = AlignConfig(
        corpus=corpus,
        encoder=encoder,
        out=out,
        held_out=0.2,
        languages=LANGUAGES[:2],
        epochs=1.3,
        rows_per_step=32,
        learning_rate=2e-2,
        checkpoint_steps=4,
        report_to="none",
    )
    return {**align(config, quiet=True), "out": out}


def test_accuracy_is_that_of_the_encoder_before_and_of_the_one_that_is_saved(
    aligned, corpus, encoder
):
    languages = LANGUAGES[:2]
    held_out = open_corpus(corpus, languages=languages).split(0.2)[1].dataset()
    judge = HeldOutAccuracy(held_out, languages, "")
    for key, name in (("accuracy_before", encoder), ("accuracy_after", str(aligned["out"]))):
        found = judge(SentenceTransformer(name, device="cpu"))["held_out_accuracy"]
        assert aligned[key] == pytest.approx(found), key
    assert aligned["accuracy_after"] > aligned["accuracy_before"]
    assert aligned["held_out"][0] == {"step": 0, "accuracy": aligned["accuracy_before"]}


def test_rows_that_are_held_out_or_cannot_be_used_are_counted(aligned, corpus):
    rows = open_corpus(corpus, languages=LANGUAGES[:2])
    kept, held_out = rows.split(0.2)
    n_gaps = sum(cell is None for cell in kept.cells(LANGUAGES[1]))
    assert n_gaps and aligned["n_unusable"] == n_gaps
    assert aligned["n_held_out"] == len(held_out)
    assert aligned["n_rows"] + aligned["n_held_out"] + n_gaps == len(rows)
    assert aligned["held_out_share"] == 0.2


def test_a_resumed_run_keeps_the_accuracy_from_before_the_first_step(
    settings, tmp_path, monkeypatch
):
    run = {**settings, "held_out": 0.2, "checkpoint_steps": 2, "rows_per_step": 128}
    whole = align(AlignConfig(**run), quiet=True)

    def interrupted(*args, **kwargs):
        complete_checkpoint(*args, **kwargs)
        raise KeyboardInterrupt("at a checkpoint")

    part = {**run, "out": tmp_path / "part"}
    with monkeypatch.context() as patched:
        patched.setattr("hexapla.alignment.trainer.complete_checkpoint", interrupted)
        with pytest.raises(KeyboardInterrupt, match="at a checkpoint"):
            align(AlignConfig(**part), quiet=True)
    resumed = align(AlignConfig(**part, resume=True), quiet=True)
    for key in ("held_out", "accuracy_before", "accuracy_after", "losses"):
        assert resumed[key] == whole[key], key
    weights = [(out / "model.safetensors").read_bytes() for out in (run["out"], part["out"])]
    assert weights[0] == weights[1]


def test_whitening_is_part_of_what_changed_the_accuracy(settings, corpus, encoder):
    run = {**settings, "held_out": 0.2, "whiten": "end", "rows_per_step": 128}
    result = align(AlignConfig(**run), quiet=True)
    assert result["accuracy_before"] == pytest.approx(accuracy_of(encoder, corpus))
    assert result["accuracy_after"] == pytest.approx(accuracy_of(str(run["out"]), corpus))


RESULT = {
    "base": "small@4",
    "regime": "multiway",
    "languages": ["eng_Latn", "deu_Latn", "fra_Latn"],
    "pivot": "eng_Latn",
    "n_rows": 1888,
    "n_steps": 30,
    "n_encodings": 5664,
    "n_mined": 3776,
    "seconds": 125.0,
    "prompt": "query: ",
    "n_held_out": 100,
    "n_unusable": 12,
    "n_truncated": 3,
    "accuracy_before": 0.7134,
    "accuracy_after": 0.8412,
    "alpha": 0.5,
}


def test_the_lines_say_what_was_gained_left_out_and_what_to_type_next(tmp_path):
    out = tmp_path / "my encoder"
    assert result_lines(RESULT, out) == [
        f"{out}: small@4 aligned under multiway, 1,888 rows in 3 languages, 2 min 5 s",
        "30 steps, 5,664 sentences encoded and 3,776 to find hard negatives",
        "accuracy on 100 held-out rows: 71.3 % before the first step, 84.1 % as saved "
        "(translations found, eng_Latn with each other language, both directions)",
        "the saved weights are 0.5 of the way from those before the first step to the trained ones "
        "(--alpha)",
        "not trained on: 100 rows held out, 12 rows with fewer than two of the languages",
        "3 texts are longer than the encoder reads, and were truncated",
        'every text is read with prompt "query: ", which the encoder has saved',
        f"next: hexapla compare '{out}'",
        f'or in Python: SentenceTransformer("{out}").encode(["A sentence."])',
    ]


def test_a_run_without_held_out_rows_says_how_to_keep_some(tmp_path):
    result = {**RESULT, "n_held_out": 0, "n_unusable": 0, "n_truncated": 0, "prompt": ""}
    lines = result_lines({**result, "accuracy_before": None, "accuracy_after": None}, tmp_path)
    assert lines[2] == (
        "no row was held out, so no accuracy is known; --held-out 0.1 keeps a tenth of the rows to "
        "measure on"
    )
    assert not any(line.startswith(("not trained on", "every text")) for line in lines)
    assert f"next: hexapla evaluate {tmp_path} --suite bitext --data OTHER_ROWS" in lines[-2]
    older = {key: value for key, value in RESULT.items() if not key.startswith(("acc", "n_held"))}
    del older["n_unusable"], older["n_mined"], older["alpha"]
    assert result_lines(older, tmp_path)[1] == "30 steps, 5,664 sentences encoded"
    assert not any("alpha" in line for line in result_lines(older, tmp_path))
    assert result_lines(older, tmp_path)[2].startswith("no row was held out")


def test_the_folder_knows_where_its_corpus_is(aligned, corpus):
    run = json.loads((aligned["out"] / "run.json").read_text())
    assert run["corpus_path"] == corpus
