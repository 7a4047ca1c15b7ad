"""A missing cell in a plain trainer is as absent as in `hexapla align`: empty, blank or None.

Pinned here: loss and every gradient are those of the token cache and collator of `hexapla align` on
a corpus of the same rows, for every way to leave a cell out; a row without a pair takes no part.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

import hexapla
from hexapla import missing_as_empty
from hexapla.alignment.batches import CellCollator, RowBatchSampler
from hexapla.alignment.config import Regime
from hexapla.alignment.loss import MultiwayLoss
from hexapla.alignment.missing_cells import BlankCells
from hexapla.alignment.token_cache import open_token_cache
from hexapla.corpus.presence import present_cells, usable_rows
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.encoder.packing import Packing
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows
from tests.fixtures.weights import read_weights

PROMPT = "eng59 eng58 "
WAYS = {"empty": [""], "blank": ["  ", " \t", "\n"], "None": [None], "mixed": ["", None, "  "]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return str(toy_encoder(tmp_path_factory.mktemp("toy") / "encoder"))


@pytest.fixture
def encoder(folder) -> SentenceTransformer:
    return SentenceTransformer(folder, device="cpu").eval()


def rows_with_gaps(gaps: list[str | None], n_rows: int = 12) -> list[dict[str, str | None]]:
    """Return toy rows, with a share of the translations left out; of one row, all of them."""
    rows = toy_rows(n_rows, missing=0.3)
    rows[4] = {language: None for language in LANGUAGES} | {"eng_Latn": rows[4]["eng_Latn"]}
    gap = itertools.cycle(gaps)
    return [
        {language: next(gap) if text is None else text for language, text in row.items()}
        for row in rows
    ]


def of_align(encoder, rows, folder, monkeypatch, prompt: str) -> dict[str, Any]:
    """Return the step that `hexapla align` makes of a corpus of the rows."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "cache")
    write_corpus(rows, folder / "corpus", languages=LANGUAGES)
    data = open_corpus(folder / "corpus").dataset()
    cache = open_token_cache(data, LANGUAGES, encoder, prompt, ("corpus", "encoder"))
    usable = usable_rows(present_cells(data, LANGUAGES), Regime.MULTIWAY.min_cells).tolist()
    collator = CellCollator(
        cache=cache,
        regime=Regime.MULTIWAY,
        keys=np.arange(len(data), dtype=np.uint64),
        sampler=RowBatchSampler({}, len(usable), len(usable)),
    )
    return collator(usable)


def of_library(encoder, rows, prompt: str = "") -> dict[str, Any]:
    """Return the step that sentence-transformers' own collator makes of rows."""
    collator = SentenceTransformerDataCollator(encoder.preprocess, prompts=prompt)
    data = missing_as_empty(Dataset.from_list(rows))
    return collator([data[i] for i in range(len(data))])


def value_and_gradients(loss: MultiwayLoss, inputs: dict[str, Any]):
    loss.model.zero_grad()
    value = loss(*SentenceTransformerTrainer.collect_features(None, inputs))
    value.backward()
    return value.item(), {
        name: p.grad.clone() for name, p in loss.model.named_parameters() if p.grad is not None
    }


def assert_same(got, expected) -> None:
    assert got[0] == pytest.approx(expected[0], rel=1e-5)
    assert got[1].keys() == expected[1].keys() and len(got[1]) > 10
    for name, gradient in expected[1].items():
        torch.testing.assert_close(got[1][name], gradient, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("prompt", ["", PROMPT], ids=["no prompt", "prompt"])
@pytest.mark.parametrize("way", WAYS)
def test_loss_and_gradients_are_those_of_align(encoder, way, prompt, tmp_path, monkeypatch):
    rows = rows_with_gaps(WAYS[way])
    loss = MultiwayLoss(encoder)
    expected = value_and_gradients(loss, of_align(encoder, rows, tmp_path, monkeypatch, prompt))
    assert_same(value_and_gradients(loss, of_library(encoder, rows, prompt)), expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"chunk_tokens": 40},
        {"matryoshka": (32, 8)},
        {"negatives": "all", "margin": 0.3},
        {"pairs": "pivot"},
        {"packed": True},
        {"packed": True, "chunk_tokens": 40, "matryoshka": (32, 8), "pairs": "pivot"},
    ],
    ids=str,
)
def test_they_are_under_every_setting(encoder, settings, tmp_path, monkeypatch):
    rows = rows_with_gaps(WAYS["mixed"])
    settings = dict(settings)
    with Packing(encoder, wanted=settings.pop("packed", False)) as packing:
        loss = MultiwayLoss(encoder, packing=packing, **settings)
        expected = value_and_gradients(loss, of_align(encoder, rows, tmp_path, monkeypatch, PROMPT))
        assert_same(value_and_gradients(loss, of_library(encoder, rows, PROMPT)), expected)


def test_a_mask_and_empty_cells_are_missing_together(encoder):
    rows = toy_rows(6)
    rows[2]["deu_Latn"] = ""
    by_both = [dict(row) for row in rows]
    mask = [[1, 1, 1, 1] for _ in rows]
    mask[3][2] = 0  # the mask alone
    by_both[3]["fra_Latn"] = ""
    masked = of_library(encoder, [{**row, "label": of} for row, of in zip(rows, mask, strict=True)])
    loss = MultiwayLoss(encoder)
    assert_same(
        value_and_gradients(loss, masked), value_and_gradients(loss, of_library(encoder, by_both))
    )


def test_equal_empty_cells_do_not_join_rows(encoder):
    rows = toy_rows(3)
    for row in rows:
        row["spa_Latn"] = ""
    three = [{language: row[language] for language in LANGUAGES[:3]} for row in rows]
    loss = MultiwayLoss(encoder)
    assert_same(
        value_and_gradients(loss, of_library(encoder, rows)),
        value_and_gradients(loss, of_library(encoder, three)),
    )


def test_a_row_without_a_pair_takes_no_part(encoder):
    rows = toy_rows(5)
    only = {language: "" for language in LANGUAGES}
    alone = [{**only, "deu_Latn": "deu40 deu41"}, dict(only)]
    for pairs in ("all", "pivot"):
        loss = MultiwayLoss(encoder, pairs=pairs, negatives="all")
        expected = value_and_gradients(loss, of_library(encoder, rows))
        assert_same(value_and_gradients(loss, of_library(encoder, rows + alone)), expected)


def test_without_its_pivot_a_row_has_pairs_unless_they_are_all_with_the_pivot(encoder):
    rows = toy_rows(5)
    without = [*toy_rows(5)[:4], {**rows[4], "eng_Latn": ""}]
    losses = {pairs: MultiwayLoss(encoder, pairs=pairs) for pairs in ("all", "pivot")}
    values = {
        (pairs, name): value_and_gradients(loss, of_library(encoder, data))
        for pairs, loss in losses.items()
        for name, data in (("without", without), ("left out", rows[:4]))
    }
    assert_same(values["pivot", "without"], values["pivot", "left out"])
    assert values["all", "without"][0] != pytest.approx(values["all", "left out"][0], rel=1e-3)


@pytest.mark.parametrize("chunk_tokens", [None, 1])
@pytest.mark.parametrize("text", ["", "eng01 eng02"])
def test_a_batch_without_a_pair_has_a_loss_and_gradients_of_zero(encoder, text, chunk_tokens):
    rows = [{language: "" for language in LANGUAGES} | {"eng_Latn": text} for _ in range(3)]
    loss = MultiwayLoss(encoder, chunk_tokens=chunk_tokens)
    value, gradients = value_and_gradients(loss, of_library(encoder, rows))
    assert value == 0.0 and len(gradients) > 10
    assert all(not gradient.any() for gradient in gradients.values())


@pytest.mark.parametrize("workers", [0, 1])
def test_a_trainer_takes_rows_with_none_and_writes_their_card(folder, tmp_path, workers):
    weights = {}
    for way in ("None", "empty"):
        model = SentenceTransformer(folder, device="cpu")
        rows = Dataset.from_list(rows_with_gaps(WAYS[way]))
        args = SentenceTransformerTrainingArguments(
            output_dir=str(tmp_path / f"trainer-{way}"),
            max_steps=2,
            per_device_train_batch_size=6,
            prompts=PROMPT,
            report_to="none",
            disable_tqdm=True,
            save_strategy="no",
            use_cpu=True,
            dataloader_num_workers=workers,
        )
        data = missing_as_empty(rows) if way == "None" else rows
        trainer = SentenceTransformerTrainer(
            model=model, args=args, train_dataset=data, loss=MultiwayLoss(model)
        )
        trainer.train()
        model.save_pretrained(str(tmp_path / way))
        weights[way] = read_weights(tmp_path / way)
        assert "<code>deu_Latn</code>" in (tmp_path / way / "README.md").read_text()
    before = read_weights(Path(folder))
    assert any(not torch.equal(weights["None"][name], value) for name, value in before.items())
    for name, value in weights["empty"].items():
        assert torch.equal(weights["None"][name], value), name


def test_missing_cells_become_empty_where_they_are_texts():
    rows = Dataset.from_list([{"a": "x", "b": None, "n": 1}, {"a": None, "b": None, "n": None}])
    assert missing_as_empty(rows)[:] == {"a": ["x", ""], "b": ["", ""], "n": [1, None]}
    assert rows[1] == {"a": None, "b": None, "n": None}


class Pieces:
    """A tokenizer of one token a piece, for what the toy words cannot show."""

    all_special_ids = (0, 1, 2)
    unk_token_id = 2

    def __init__(self, pieces: list[str]) -> None:
        self._pieces = ["<s>", "</s>", "<unk>", *pieces]

    def decode(self, ids: list[int]) -> str:
        return "".join(self._pieces[token] for token in ids)

    def cell(self, *pieces: str) -> list[int]:
        return [0, *(self._pieces.index(piece) for piece in pieces), 1]


def blank(pieces: Any, cells: list[list[int]], prompt_length: int = 0) -> list[bool]:
    flat = torch.tensor([token for cell in cells for token in cell])
    return BlankCells(pieces).find(flat, [len(cell) for cell in cells], prompt_length)


def test_special_tokens_and_white_space_are_blank_and_unknown_tokens_are_not():
    pieces = Pieces([" ", "\u3000", "x"])
    cells = [pieces.cell(), pieces.cell(" ", "\u3000"), pieces.cell("<unk>"), pieces.cell(" ", "x")]
    assert blank(pieces, [*cells, []]) == [True, True, False, False, True]


def test_a_text_that_merges_with_the_prompt_is_not_blank():
    pieces = Pieces(["query:", " ", " Yes", "s"])
    cells = [pieces.cell("query:", piece) for piece in (" ", " Yes", " Yes")]
    cells[2][-1:] = pieces.cell("s")[1:]
    assert blank(pieces, cells, prompt_length=3) == [True, False, False]


def test_a_prompt_that_ends_in_a_letter_is_blank_alone():
    pieces = Pieces(["query:", "Yes"])
    cells = [pieces.cell("query:"), pieces.cell("query:", "Yes")]
    assert blank(pieces, cells, prompt_length=2) == [True, False]


def word_pieces() -> Tokenizer:
    """Return a tokenizer as BERT's: white space and control characters leave no token."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", ":", "a", "##b"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def byte_level() -> Tokenizer:
    """Return a tokenizer as RoBERTa's and Qwen's: white space is a token, a word has its own."""
    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "\u0120a", "[PAD]", "[UNK]"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("\u0120", "a")], unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


@pytest.mark.parametrize("prompt", ["", "query: "])
@pytest.mark.parametrize("kind", ["word pieces", "byte level", "unigram"])
def test_every_kind_of_tokenizer_shows_which_cells_are_blank(kind, prompt):
    if kind == "unigram":
        tokenizer = AutoTokenizer.from_pretrained(Path(hexapla.__file__).parent / "data" / "tiny")
    else:
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=word_pieces() if kind == "word pieces" else byte_level(),
            pad_token="[PAD]",
            unk_token="[UNK]",
            **({"cls_token": "[CLS]", "sep_token": "[SEP]"} if kind == "word pieces" else {}),
        )
    texts = ["", " ", "\t\n", "\u3000 ", "a", "ab", "\U00010380", " a"]
    cells = [tokenizer(prompt + text)["input_ids"] for text in texts]
    alone = tokenizer(prompt)["input_ids"] if prompt else []
    n_prompt = len(alone) - (bool(alone) and alone[-1] in tokenizer.all_special_ids)
    assert blank(tokenizer, cells, n_prompt) == [True] * 4 + [False] * 4


def test_a_character_that_leaves_no_token_is_blank():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=word_pieces(), unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    assert blank(tokenizer, [tokenizer(text)["input_ids"] for text in ("\x01", "a")]) == [
        True,
        False,
    ]
