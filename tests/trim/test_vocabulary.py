"""A vocabulary with fewer pieces: texts whose pieces are kept are segmented as before, no special token is lost, and every number fits."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from tokenizers import Tokenizer

from hexapla.errors import InputError
from hexapla.trim.merges import possible_merges, with_parts
from hexapla.trim.script_pieces import script_pieces
from hexapla.trim.vocabulary import Vocabulary, refuse_kind
from tests.fixtures.vocabularies import ENGLISH, GERMAN, KINDS, RUSSIAN, make_tokenizer

TEXTS = [*ENGLISH, *GERMAN, *RUSSIAN]


def content_of(kind: str) -> dict:
    return json.loads(make_tokenizer(kind, TEXTS).to_str())


def from_content(content: dict) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(content))


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_is_segmented_otherwise_only_if_one_of_its_pieces_is_left_out(kind):
    content = content_of(kind)
    vocabulary, before = Vocabulary(content), from_content(content)
    draw = random.Random(1)
    texts = [*TEXTS, *(" ".join(draw.sample(" ".join(TEXTS).split(), 4)) for _ in range(60))]
    seen = {"same": 0, "other": 0}
    for _ in range(10):
        used = {number for text in draw.sample(texts, 9) for number in before.encode(text).ids}
        kept = vocabulary.closed(vocabulary.indispensable() | used)
        trimmed, order = vocabulary.cut(kept)
        after = from_content(trimmed)
        for text in texts:
            old, new = before.encode(text).ids, [order[i] for i in after.encode(text).ids]
            if set(old) <= kept:
                assert new == old, text
            else:
                assert new != old
            seen["same" if set(old) <= kept else "other"] += 1
    assert min(seen.values()) > 50


@pytest.mark.parametrize("kind", KINDS)
def test_the_library_numbers_pieces_and_special_tokens_as_the_order_says(kind):
    content = content_of(kind)
    vocabulary, before = Vocabulary(content), from_content(content)
    kept = vocabulary.closed({*vocabulary.indispensable(), *before.encode(ENGLISH[0]).ids})
    trimmed, order = vocabulary.cut(kept)
    after = from_content(trimmed)
    assert after.get_vocab_size() == len(order) == len(kept) < before.get_vocab_size()
    assert {token: order[number] for token, number in after.get_vocab().items()} == {
        token: number for token, number in before.get_vocab().items() if number in kept
    }
    # What is put around a text has its new number too.
    assert [order[i] for i in after.encode("").ids] == before.encode("").ids != []
    own = [order[number] for number in Vocabulary(trimmed).pieces.values()]
    assert own == sorted(own)


def test_merges_that_are_kept_have_their_parts_and_their_result():
    vocabulary = Vocabulary(content_of("BPE"))
    before = from_content(vocabulary.content)
    kept = vocabulary.closed({*vocabulary.indispensable(), *before.encode(GERMAN[1]).ids})
    trimmed, _ = vocabulary.cut(kept)
    pieces, merges = trimmed["model"]["vocab"], trimmed["model"]["merges"]
    assert 20 < len(merges) < len(vocabulary.model["merges"])
    assert all({first, second, first + second} <= pieces.keys() for first, second in merges)


def test_only_the_merges_that_are_applied_make_parts():
    # "then" is made of "th" and "en"; "he" is never made on the way, though it could be.
    merges = [("t", "h"), ("e", "n"), ("th", "en"), ("h", "e"), ("he", "n"), ("t", "hen")]
    assert with_parts(["then"], merges) == {*"then", "th", "en", "then"}
    assert possible_merges(merges, with_parts(["then"], merges)) == merges[:3]


def test_of_equal_merges_the_leftmost_is_applied_first():
    assert with_parts(["aaa"], [("a", "a"), ("aa", "a"), ("a", "aa")]) == {"a", "aa", "aaa"}


def test_merges_written_as_one_text_are_read():
    content = content_of("BPE")
    as_texts = {**content["model"], "merges": [" ".join(m) for m in content["model"]["merges"]]}
    kept = {"Ġ", "t", "h", "Ġt", "Ġth"}
    for model in (content["model"], as_texts):
        vocabulary = Vocabulary({**content, "model": model})
        numbers = {vocabulary.pieces[piece] for piece in kept if piece in vocabulary.pieces}
        trimmed, _ = vocabulary.cut(vocabulary.closed(numbers | vocabulary.indispensable()))
        assert ("Ġ", "t") in trimmed["model"]["merges"]


def test_the_least_probable_piece_stays_because_an_unknown_character_costs_more_than_it():
    # In all: "pqrs" and an unknown character cost 1 + 70; "p", "q", "r" and "s☃" 65. Without "z" an
    # unknown character would cost 30.
    scores = {"<unk>": 0, "pqrs": -1, "s☃": -5, "p": -20, "q": -20, "r": -20, "z": -60}
    content = {
        "version": "1.0",
        "added_tokens": [],
        "model": {"type": "Unigram", "unk_id": 0, "vocab": [*map(list, scores.items())]},
    }
    vocabulary = Vocabulary(content)
    kept = {vocabulary.pieces[piece] for piece in ("pqrs", "s☃", "p", "q", "r")}
    assert from_content(content).encode("pqrs☃").tokens == ["p", "q", "r", "s☃"]
    trimmed, _ = vocabulary.cut({*kept, *vocabulary.indispensable()})
    assert from_content(trimmed).encode("pqrs☃").tokens == ["p", "q", "r", "s☃"]
    without, _ = vocabulary.cut({0, *kept})
    assert from_content(without).encode("pqrs☃").tokens == ["pqrs", "☃"]


def test_bytes_of_characters_without_a_piece_are_indispensable():
    pieces = {"<unk>": 0, "<0x0A>": 1, "<0xFF>": 2, "a": 3, "<0xZZ>": 4}
    content = {"model": {"type": "BPE", "vocab": pieces, "merges": [], "unk_token": "<unk>"}}
    assert Vocabulary(content).indispensable() == {0, 1, 2}


def test_all_bytes_of_a_byte_level_vocabulary_are_indispensable():
    vocabulary = Vocabulary(content_of("BPE"))
    kept = vocabulary.indispensable()
    trimmed, _ = vocabulary.cut(kept)
    after = from_content(trimmed)
    assert len(kept) == 256 + 3
    assert after.decode(after.encode("Straße ☃").ids) == "Straße ☃"


@pytest.mark.parametrize("kind", KINDS)
def test_characters_of_the_scripts_and_marks_stay_and_other_letters_go(kind):
    vocabulary = Vocabulary(content_of(kind))
    before = from_content(vocabulary.content)
    kept = script_pieces(vocabulary, ["deu_Latn"])
    texts = {
        piece.replace("##", "").replace("▁", "")
        if kind != "BPE"
        else before.decode([number], skip_special_tokens=False).strip()
        for piece, number in vocabulary.pieces.items()
        if number in kept
    }
    assert {"ä", "e", "D", ".", ";"} <= texts
    assert all(len(text) <= 1 or not any(map(str.isalpha, text)) for text in texts)
    assert not any("а" <= character <= "я" for text in texts for character in text)


def test_pieces_of_several_letters_stay_in_scripts_without_spaces():
    scores = ["<unk>", "です。", "東京", "▁東京", "ま", "です", "de", "кот", "です1", "a東", "서울"]
    vocab = [[piece, -1.0] for piece in scores]
    vocabulary = Vocabulary({"model": {"type": "Unigram", "unk_id": 0, "vocab": vocab}})

    def kept(*languages: str) -> set[str]:
        return {scores[number] for number in script_pieces(vocabulary, languages)}

    japanese = {"です。", "東京", "▁東京", "ま", "です", "です1"}
    assert kept("jpn_Jpan") == kept("jpn_Jpan", "kor_Hang") == japanese
    assert kept("zho_Hans") == {"東京", "▁東京"}
    assert kept("eng_Latn") == set()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"type": "WordLevel", "vocab": {}}, "mine: its tokenizer is of the kind WordLevel"),
        ({}, "mine: its tokenizer is of the kind None; trim works for Unigram, WordPiece, BPE"),
        (None, "kind None"),
        ({"type": "BPE", "end_of_word_suffix": "</w>"}, "has the end_of_word_suffix '</w>'"),
        ({"type": "BPE", "continuing_subword_prefix": "##"}, "continuing_subword_prefix '##'"),
    ],
)
def test_a_tokenizer_of_another_kind_is_refused(model, told):
    with pytest.raises(InputError, match=told):
        refuse_kind("mine", {"model": model})


def test_roberta_and_bert_steps_and_sequences_get_new_numbers():
    pieces = {"a": 0, "b": 1, "<s>": 2, "</s>": 3}
    around = {"sep": ["</s>", 3], "cls": ["<s>", 2]}
    step = {"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "X", **around}]}
    content = {"model": {"type": "WordPiece", "vocab": pieces}, "post_processor": step}
    vocabulary = Vocabulary(content)
    assert vocabulary.indispensable() == {2, 3}
    trimmed, order = vocabulary.cut({1, 2, 3})
    assert order == [1, 2, 3]
    assert trimmed["post_processor"]["processors"][1]["sep"] == ["</s>", 2]
    assert trimmed["post_processor"]["processors"][1]["cls"] == ["<s>", 1]
    assert list(itertools.chain(*around.values())) == ["</s>", 3, "<s>", 2]  # not changed in place
