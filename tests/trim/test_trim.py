"""A trim: texts whose pieces are kept have the same vector to the last bit, and the report says what others lose."""

from __future__ import annotations

import errno
import json
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer

from hexapla.cli.app import main
from hexapla.corpus.reader import open_corpus
from hexapla.encoder.encoder_screen import inspect_encoder
from hexapla.encoder.kind import Kind, find_kind
from hexapla.encoder.load import load_encoder
from hexapla.encoder.locate import hash_encoder
from hexapla.encoder.whitening import append_dense
from hexapla.errors import InputError
from hexapla.evaluation.known_corpus import find_corpus
from hexapla.trim import TrimConfig, trim
from tests.fixtures.merging import write_records
from tests.fixtures.vocabularies import DIM, ENGLISH, GERMAN, KINDS, RUSSIAN, special_tokens

TABLES = {
    "Unigram": "embeddings.word_embeddings.weight",
    "WordPiece": "embeddings.word_embeddings.weight",
    "BPE": "embed_tokens.weight",
}


def run(encoder: Path, corpus: Path, out: Path, **settings) -> dict:
    given = {"languages": "en,de", "corpus": (str(corpus),), "words": 0, "held_out": 0.0}
    return trim(TrimConfig(encoder=str(encoder), out=out, **{**given, **settings}), quiet=True)


def bits(model: SentenceTransformer, texts: list[str]) -> list[list[int]]:
    """Return the vectors of texts, encoded one by one, as whole numbers."""
    return [model.encode(text).view(np.int32).tolist() for text in texts]


@pytest.mark.parametrize("kind", KINDS)
def test_texts_whose_pieces_are_kept_have_the_same_vector_to_the_last_bit(
    encoder_of, corpus, tmp_path, kind
):
    result = run(encoder_of(kind), corpus, tmp_path / "out")
    before, after = load_encoder(encoder_of(kind)), load_encoder(tmp_path / "out")
    assert result["pieces"]["after"] < 0.8 * result["pieces"]["before"]
    texts = [*ENGLISH, *GERMAN]
    assert bits(after, texts) == bits(before, texts)
    in_batches = [model.encode(texts, batch_size=4) for model in (before, after)]
    np.testing.assert_array_equal(*in_batches)
    assert [after.tokenizer.tokenize(text) for text in texts] == [
        before.tokenizer.tokenize(text) for text in texts
    ]
    assert bits(after, RUSSIAN[1:2]) != bits(before, RUSSIAN[1:2])


@pytest.mark.parametrize("kind", KINDS)
def test_every_piece_keeps_its_row_and_every_role_its_token(encoder_of, corpus, tmp_path, kind):
    run(encoder_of(kind), corpus, tmp_path / "out")
    before, after = (
        SentenceTransformer(str(path)) for path in (encoder_of(kind), tmp_path / "out")
    )
    rows = [
        load_file(path / "model.safetensors")[TABLES[kind]]
        for path in (encoder_of(kind), tmp_path / "out")
    ]
    pieces = after.tokenizer.get_vocab()
    assert sorted(pieces.values()) == list(range(len(rows[1])))
    for piece, number in pieces.items():
        assert torch.equal(rows[1][number], rows[0][before.tokenizer.get_vocab()[piece]]), piece
    config = after[0].auto_model.config
    assert config.vocab_size == len(pieces) == len(after.tokenizer)
    for role, token in special_tokens(kind).items():
        assert after.tokenizer.special_tokens_map[role] == token
        named = getattr(before[0].auto_model.config, f"{role}_id", None)
        if named is not None and before.tokenizer.convert_ids_to_tokens(named) == token:
            assert getattr(config, f"{role}_id") == pieces[token]
    assert after[0].auto_model.get_input_embeddings().padding_idx == after.tokenizer.pad_token_id
    assert after.max_seq_length == before.max_seq_length == 64
    left = {path.name for path in (tmp_path / "out").glob("*")}
    assert not left & {"vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model"}


def test_the_report_counts_what_is_segmented_otherwise_and_measures_its_vectors(
    encoder_of, tmp_path
):
    # Half of the rows are held out; "kettle" is in one of these alone.
    rows = [*ENGLISH, "A kettle is old.", *(f"The boats are {number}." for number in range(20, 60))]
    path = tmp_path / "corpus.parquet"
    pq.write_table(pa.table({"eng_Latn": rows, "deu_Latn": rows}), path)
    result = run(encoder_of("BPE"), path, tmp_path / "out", languages="en,de", held_out=0.5)
    (measured,) = result["held_out"]
    before, after = load_encoder(encoder_of("BPE")), load_encoder(tmp_path / "out")
    texts = open_corpus(path).split(0.5)[1].cells("deu_Latn")
    changed = [
        text for text in texts if before.tokenizer.tokenize(text) != after.tokenizer.tokenize(text)
    ]
    cosines = [float(before.encode(text) @ after.encode(text)) for text in changed]
    facts = measured["languages"]["deu_Latn"]
    assert (facts["n_cells"], facts["n_changed"]) == (len(texts), len(changed))
    assert 0 < len(changed) < len(texts) == measured["n_rows"]
    assert facts["mean_cosine"] == pytest.approx(np.mean(cosines), abs=1e-6)
    assert facts["lowest_cosine"] == pytest.approx(min(cosines), abs=1e-6)
    assert min(cosines) < 0.999
    # The columns are equal, so every cell finds its row, before and after.
    assert measured["accuracy_before"] == measured["accuracy_after"] == 1.0


def test_sizes_are_those_of_the_files_and_of_the_weights(encoder_of, corpus, tmp_path):
    encoder, out = encoder_of("WordPiece"), tmp_path / "out"
    result = run(encoder, corpus, out)
    for folder, side in ((encoder, "before"), (out, "after")):
        weights = load_file(folder / "model.safetensors")
        n_weights = sum(tensor.numel() for tensor in weights.values())
        assert result["weights"][side] == n_weights
        assert result["memory_mib"][side] == 4 * n_weights / 2**20
    assert result["pieces"]["before"] - result["pieces"]["after"] + 3 == (
        (result["weights"]["before"] - result["weights"]["after"]) / DIM
    )
    assert json.loads((out / "trim.json").read_text()) == result
    assert result["sha256"] == hash_encoder(out)


def test_a_min_count_drops_rare_pieces(encoder_of, corpus, tmp_path):
    kept = [
        run(encoder_of("BPE"), corpus, tmp_path / f"{n}", min_count=n)["pieces"]["after"]
        for n in (1, 3)
    ]
    assert kept[1] < kept[0]


def test_weights_stored_in_half_precision_stay_so(encoder_of, corpus, tmp_path):
    model = SentenceTransformer(str(encoder_of("Unigram")), device="cpu")
    model[0].auto_model.to(torch.bfloat16)
    model.save(str(tmp_path / "half"))
    run(tmp_path / "half", corpus, tmp_path / "out")
    saved = load_file(tmp_path / "out" / "model.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {torch.bfloat16}
    before, after = load_encoder(tmp_path / "half"), load_encoder(tmp_path / "out")
    assert bits(after, ENGLISH) == bits(before, ENGLISH)


def test_a_bare_transformer_becomes_a_folder_with_pooling(encoder_of, corpus, tmp_path):
    bare = tmp_path / "bare"
    model = SentenceTransformer(str(encoder_of("WordPiece")), device="cpu")
    model[0].auto_model.save_pretrained(bare)
    model.tokenizer.save_pretrained(bare)
    run(bare, corpus, tmp_path / "out")
    after = load_encoder(tmp_path / "out")
    assert [type(module).__name__ for module in after] == ["Transformer", "Pooling", "Normalize"]
    assert bits(after, GERMAN) == bits(load_encoder(bare), GERMAN)
    # Training it has the defaults of a bare transformer still, also when it is trimmed once more.
    run(tmp_path / "out", corpus, tmp_path / "again", languages="de")
    kinds = [find_kind(folder) for folder in (bare, tmp_path / "out", tmp_path / "again")]
    assert kinds == [Kind.MASKED] * 3


def test_an_aligned_and_whitened_encoder_stays_one(encoder_of, corpus, tmp_path, caplog):
    aligned, out = tmp_path / "aligned", tmp_path / "out"
    model = SentenceTransformer(str(encoder_of("Unigram")), device="cpu")
    append_dense(model)
    model.prompts = {"BitextMining": "query: ", "STS": "query: ", "Classification": "query: "}
    model.save(str(aligned))
    trained_on = open_corpus(corpus, languages=("eng_Latn", "deu_Latn"))
    facts = {"corpus_sha256": trained_on.sha256, "languages": list(trained_on.languages)}
    write_records(aligned, encoder_of("Unigram"), **facts)
    (aligned / "run.json").write_text(
        json.dumps({"command": "align", "config": {"corpus": str(corpus), "held_out": 0.0}})
    )
    run(aligned, corpus, out)
    caplog.clear()
    after = load_encoder(out)
    assert "have changed" not in caplog.text
    assert after.prompts["STS"] == "query: "
    assert after.tokenizer.tokenize("query: ") == model.tokenizer.tokenize("query: ")
    assert bits(after, ENGLISH) == bits(load_encoder(aligned), ENGLISH)
    screen = inspect_encoder(str(out))
    assert screen.result["regime"] == "multiway" and screen.modules[-2:] == ("Dense", "Normalize")
    # Contamination is still checked against the corpus of the alignment.
    assert find_corpus(out, screen.facts).sha256 == trained_on.sha256
    card = (out / "README.md").read_text()
    assert "## Multi-way alignment" in card and "## Trimmed vocabulary" in card


def test_a_second_run_is_refused_and_overwrite_replaces_it(encoder_of, corpus, tmp_path, caplog):
    out = tmp_path / "out"
    run(encoder_of("WordPiece"), corpus, out)
    with pytest.raises(InputError, match=r"out: holds a finished run; --overwrite replaces it"):
        run(encoder_of("WordPiece"), corpus, out)
    (out / "notes.txt").write_text("mine")
    run(encoder_of("WordPiece"), corpus, out, languages="ru", overwrite=True)
    assert json.loads((out / "trim.json").read_text())["languages"] == ["rus_Cyrl"]
    assert "kept what no hexapla command wrote: notes.txt" in caplog.text


def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(
    encoder_of, corpus, tmp_path, monkeypatch
):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hexapla.encoder.save.move_into", full)
    with pytest.raises(InputError, match=r"out: No space left on device; make room, then run the"):
        run(encoder_of("WordPiece"), corpus, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_prints_what_has_become_of_the_encoder(encoder_of, corpus, tmp_path, capsys):
    arguments = ["trim", encoder_of("BPE"), "--languages", "en,de", "--corpus", corpus]
    arguments += ["--words", "0", "--held-out", "0.5", "--out", tmp_path / "out"]
    assert main([str(argument) for argument in arguments]) == 0
    printed = capsys.readouterr().out
    result = json.loads((tmp_path / "out" / "trim.json").read_text())
    assert f"{result['pieces']['after']:,} (" in printed
    assert "deu_Latn, harbour.parquet" in printed and "Translations found among" in printed
    assert f"{tmp_path / 'out'}: {result['pieces']['after']} pieces" in printed
    card = (tmp_path / "out" / "README.md").read_text()
    assert "German (`deu_Latn`)" in card and "| pieces | " in card


def test_a_language_without_a_list_is_named(encoder_of, corpus, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("hexapla.trim.word_lists.find_spec", lambda _: None)
    with caplog.at_level(logging.WARNING):
        run(encoder_of("WordPiece"), corpus, tmp_path / "out", words=100)
    assert (
        "eng_Latn, deu_Latn: no word list, so only what the corpora have is kept; install word "
        "lists with: pip install 'hexapla[trim]'"
    ) in caplog.text
