"""What cannot be trimmed is refused in one line, and nothing is left behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tokenizers import pre_tokenizers
from torch import nn
from transformers import BertConfig, BertForMaskedLM, T5Config, T5EncoderModel

from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from hexapla.trim import TrimConfig, trim
from hexapla.trim.check_trim import check_trim
from hexapla.trim.embedding_rows import keep_rows, named_numbers
from hexapla.trim.tokenizer_content import read_tokenizer, replace_tokenizer
from hexapla.trim.word_lists import _NAMES, has_words, word_texts
from tests.fixtures.extras import needs
from tests.fixtures.toy import toy_encoder


def settings(encoder: object, corpus: Path, out: Path, /, **changed: object) -> TrimConfig:
    given = {"languages": "en,de", "corpus": (str(corpus),), "words": 0}
    return TrimConfig(encoder=str(encoder), out=out, **{**given, **changed})


def test_another_kind_of_tokenizer_is_refused_before_the_encoder_is_loaded(
    corpus, tmp_path, monkeypatch
):
    monkeypatch.setattr("hexapla.encoder.load.load_encoder", None)
    encoder = toy_encoder(tmp_path / "words")
    told = r"words: its tokenizer is of the kind WordLevel; trim works for Unigram, WordPiece, BPE"
    with pytest.raises(InputError, match=told):
        trim(settings(encoder, corpus, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_adapters_that_are_not_merged_are_refused(encoder_of, corpus, tmp_path):
    shutil.copytree(encoder_of("BPE"), tmp_path / "lora")
    (tmp_path / "lora" / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(InputError, match=r"lora: has LoRA adapters beside its weights .*merge"):
        check_trim(settings(tmp_path / "lora", corpus, tmp_path / "out"))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"languages": "fi"},
            r"harbour.parquet: has none of fin_Latn, but eng_Latn, deu_Latn, rus",
        ),
        ({"languages": "en,xx"}, r'language "xx" is unknown'),
        ({"languages": ()}, r'languages "": 0 given; name at least 1'),
        ({"corpus": ()}, r"words is 0 and no corpus is given, so there is no text to take pieces"),
        ({"corpus": ("nowhere",)}, r"there is no corpus at nowhere"),
        (
            {"languages": "en,fi"},
            r"no text in fin_Latn \(Finnish\); give a corpus with such a column, or words",
        ),
    ],
)
def test_settings_without_text_are_refused(encoder_of, corpus, tmp_path, changed, told):
    with pytest.raises(InputError, match=told):
        check_trim(settings(encoder_of("BPE"), corpus, tmp_path / "out", **changed))


def test_without_word_lists_the_extra_is_named(encoder_of, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("hexapla.trim.word_lists.find_spec", lambda _: None)
    told = (
        r"no text in fin_Latn \(Finnish\); install word lists with: pip install 'hexapla\[trim\]'"
    )
    with pytest.raises(InputError, match=told):
        check_trim(settings(encoder_of("BPE"), corpus, tmp_path, languages="en,fi", words=9))


@needs("wordfreq", "trim")
def test_a_language_that_wordfreq_lacks_is_named(encoder_of, corpus, tmp_path):
    told = r"no text in swh_Latn \(Swahili\); wordfreq has no list of its words, so give a corpus"
    with pytest.raises(InputError, match=told):
        check_trim(settings(encoder_of("BPE"), corpus, tmp_path, languages="en,sw", words=9))


def test_an_output_that_is_in_use_or_holds_an_input_is_refused(encoder_of, corpus, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    told = r"not empty, and what it holds is no run of hexapla trim; give another folder"
    with pytest.raises(InputError, match=told):
        check_trim(settings(encoder_of("BPE"), corpus, tmp_path, overwrite=True))
    encoder = encoder_of("BPE")
    with pytest.raises(InputError, match=r"holds the encoder, .*; give another folder to write"):
        check_trim(settings(encoder, corpus, encoder.parent))
    with pytest.raises(InputError, match=rf"holds the corpus .*{corpus.name}; give another"):
        check_trim(settings(encoder, corpus, corpus.parent))


def test_a_tokenizer_with_a_part_in_python_is_refused(encoder_of):
    class Words:
        def pre_tokenize(self, text: object) -> None: ...

    model = load_encoder(encoder_of("WordPiece"))
    model.tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(Words())
    with pytest.raises(InputError, match=r"mine: its tokenizer has a part in Python, which cannot"):
        read_tokenizer("mine", model)


def test_a_tokenizer_that_is_all_python_is_refused(encoder_of):
    model = load_encoder(encoder_of("WordPiece"))
    model[0].processor = SimpleNamespace()
    with pytest.raises(InputError, match=r"mine: has no tokenizer.json, nor a tokenizer that can"):
        read_tokenizer("mine", model)


@pytest.mark.parametrize("token", ["</s>", "<mask>"])
def test_a_vocabulary_that_would_lose_a_special_token_is_refused(encoder_of, token):
    model = load_encoder(encoder_of("Unigram"))
    content = read_tokenizer("mine", model)
    for pair in content["model"]["vocab"]:
        pair[0] = "lost" if pair[0] == token else pair[0]
    for added in content["added_tokens"]:
        added["content"] = "lost" if added["content"] == token else added["content"]
    content["post_processor"] = None
    with pytest.raises(
        InputError, match=rf'mine: its special token "{token}" would be lost or get'
    ):
        replace_tokenizer("mine", model, content)


def loaded(transformer: nn.Module) -> list[SimpleNamespace]:
    """Return what `keep_rows` reads of an encoder."""
    return [SimpleNamespace(auto_model=transformer)]


def bert(**changed: int) -> BertConfig:
    sizes = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    return BertConfig(**{**sizes, "intermediate_size": 9, "max_position_embeddings": 20, **changed})


def test_a_tied_output_layer_is_cut_with_the_table():
    model = BertForMaskedLM(bert(pad_token_id=3))
    old = model.get_input_embeddings().weight.detach().clone()
    keep_rows("mine", loaded(model), [3, 5, 29])
    table, output = model.get_input_embeddings(), model.get_output_embeddings()
    assert output.weight is table.weight and output.out_features == table.num_embeddings == 3
    assert torch.equal(table.weight, old[[3, 5, 29]])
    assert table.padding_idx == model.config.pad_token_id == 0
    assert model.config.vocab_size == 3


def test_a_shared_table_is_cut_once():
    model = T5EncoderModel(
        T5Config(vocab_size=30, d_model=8, d_kv=4, d_ff=9, num_layers=1, num_heads=2)
    )
    keep_rows("mine", loaded(model), [0, 1, 7])
    assert model.encoder.embed_tokens.weight is model.shared.weight
    assert model(input_ids=torch.tensor([[2, 1]])).last_hidden_state.shape == (1, 2, 8)


def test_a_second_table_with_a_row_for_each_piece_is_refused():
    model = BertForMaskedLM(bert())
    model.bert.per_layer = nn.Embedding(30, 4)
    with pytest.raises(InputError, match=r"mine: bert.per_layer is another table with a row for"):
        keep_rows("mine", loaded(model), [0, 1])


def test_a_special_token_without_a_row_stays_without_one():
    model = BertForMaskedLM(bert())
    keep_rows("mine", loaded(model), [0, 4, 31])  # as Gemma 3 has one for images
    assert model.config.vocab_size == 2
    with pytest.raises(InputError, match=r"mine: its special tokens cannot be renumbered with the"):
        keep_rows("mine", loaded(BertForMaskedLM(bert())), [0, 31, 4])


def test_positions_that_are_counted_from_the_padding_token_keep_its_number(encoder_of):
    model = load_encoder(encoder_of("Unigram"))
    assert {0, 1} <= named_numbers(model)
    with pytest.raises(InputError, match=r"mine: its special tokens cannot be renumbered with the"):
        keep_rows("mine", model, [1, 2, 3])


@needs("wordfreq", "trim")
def test_words_stand_in_all_their_forms_after_a_space_and_after_a_hyphen():
    words = " ".join(word_texts("eng_Latn", 3)).split()
    forms = [f"{mark}{word}" for mark in ("", "-") for word in ("the", "to", "and")]
    capitals = ["The", "To", "And", "-The", "-To", "-And"]
    assert sorted(words) == sorted([*forms, *capitals, *map(str.upper, forms)])
    assert "große" in " ".join(word_texts("deu_Latn", 2000)).split()
    assert set(" ".join(word_texts("jpn_Jpan", 2)).split()) == {"の", "に", "-の", "-に"}


@needs("wordfreq", "trim")
def test_every_list_belongs_to_a_language():
    import wordfreq

    from hexapla.text.languages import LANGUAGES
    from hexapla.trim.word_lists import _name_of

    names = {_name_of(language) for language in LANGUAGES if has_words(language)}
    assert names == set(wordfreq.available_languages("best"))
    assert all(map(has_words, _NAMES))
    # Lists in another script than the language's.
    assert not any(map(has_words, ["zho_Hant", "srp_Cyrl", "jpn_Latn", "bos_Cyrl"]))


def test_the_record_says_nothing_where_an_alignment_is_read(encoder_of, corpus, tmp_path):
    checked = check_trim(settings(encoder_of("BPE"), corpus, tmp_path / "out", held_out=0.25))
    assert not {"corpus", "languages", "held_out"} & checked.record.keys()
    assert json.loads(json.dumps(checked.record))["trim"]["held_out"] == 0.25
