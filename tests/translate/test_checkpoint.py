"""The languages of a checkpoint; what would silently be translated wrongly is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config

from hexapla.errors import InputError
from hexapla.translate.backends import open_translator
from hexapla.translate.checkpoint import Checkpoint
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.language_tokens import LAYOUTS, find_tokens, pair_in_name, possible_codes
from tests.fixtures.nmt import ENGLISH, KINDS, languages_of, shared_toy, toy_nmt
from tests.fixtures.text_files import edit_json
from tests.fixtures.toy import toy_transformer


def opened(folder: Path | str, **settings: Any) -> Checkpoint:
    return Checkpoint(TranslatorConfig(translator=str(folder), **settings))


@pytest.mark.parametrize(
    ("kind", "family", "n_languages", "german"),
    [
        ("nllb", "nllb", 202, "deu_Latn"),
        ("m2m100", "m2m100", None, "__de__"),
        ("marian", "marian", 6, ">>de<<"),
        ("madlad", "madlad", 3, "<2de>"),
    ],
)
def test_each_family_names_its_languages_in_its_own_way(
    kind: str, family: str, n_languages: int | None, german: str
) -> None:
    checkpoint = opened(shared_toy(kind))
    assert checkpoint.family == family
    assert checkpoint.languages.tokens["deu_Latn"] == german
    assert len(checkpoint.languages.tokens) == n_languages or kind == "m2m100"
    assert set(languages_of(kind)) <= set(checkpoint.languages.tokens)
    checkpoint.check(languages_of(kind))


def test_the_source_holds_its_language_and_the_target_the_other_one() -> None:
    nllb, marian = opened(shared_toy("nllb")), opened(shared_toy("marian"))
    pieces = [nllb.pieces[i] for i in nllb.encode([ENGLISH[0]], "deu_Latn")[0]]
    assert (pieces[0], pieces[-1], nllb.prefix("deu_Latn")) == ("eng_Latn", "</s>", "deu_Latn")
    pieces = [marian.pieces[i] for i in marian.encode([ENGLISH[0]], "fra_Latn")[0]]
    assert (pieces[0], pieces[-1], marian.prefix("fra_Latn")) == (">>fr<<", "</s>", None)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "madlad"])
def test_a_special_token_inside_a_text_is_text(kind: str) -> None:
    checkpoint = opened(shared_toy(kind))
    ids = checkpoint.encode(["The cat </s> deu_Latn __de__ sleeps."], "deu_Latn")[0]
    assert ids.count(checkpoint.tokenizer.eos_token_id) == 1
    assert [checkpoint.pieces[i] for i in ids[1:]].count(
        checkpoint.languages.tokens.get("deu_Latn", "")
    ) == 0


def test_a_missing_language_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        InputError,
        match=r"cannot translate into zho_Hant .*nearest: zho_Hans = Chinese \(Simplified\)",
    ):
        opened(shared_toy("m2m100")).check(["deu_Latn", "zho_Hant"])
    with pytest.raises(InputError, match=r"into swh_Latn \(Swahili.*it has 6 languages"):
        opened(shared_toy("marian")).check(["swh_Latn"])
    with pytest.raises(InputError, match=r"cannot translate from arb_Latn; nearest: arb_Arab"):
        opened(shared_toy("nllb"), pivot="arb_Latn")
    with pytest.raises(InputError, match="target eng_Latn is also the source"):
        opened(shared_toy("nllb")).check(["eng_Latn"])


def test_a_checkpoint_of_one_pair_translates_that_pair_only() -> None:
    checkpoint = opened(shared_toy("marian-de"))
    assert checkpoint.languages.layout is None
    checkpoint.check(["deu_Latn"])
    with pytest.raises(InputError, match="translates into deu_Latn, not into fra_Latn"):
        checkpoint.check(["fra_Latn"])
    with pytest.raises(
        InputError,
        match="no language tokens, so it translates into one language; asked for deu_Latn, fra_Latn",
    ):
        checkpoint.check(["deu_Latn", "fra_Latn"])
    with pytest.raises(InputError, match="translates from eng_Latn, not from spa_Latn"):
        opened(shared_toy("marian-de"), pivot="spa_Latn")


def test_a_pair_is_read_from_the_name_when_the_tokenizer_does_not_say(tmp_path: Path) -> None:
    folder = toy_nmt("marian-de", tmp_path / "opus-mt-tc-big-en-fr")
    edit_json(folder / "tokenizer_config.json", source_lang=None, target_lang=None)
    with pytest.raises(InputError, match="translates into fra_Latn, not into deu_Latn"):
        opened(folder).check(["deu_Latn"])


def test_a_pair_that_is_not_stated_is_assumed_as_asked_and_recorded(tmp_path: Path) -> None:
    folder = toy_nmt("marian-de", tmp_path / "mine")
    edit_json(folder / "tokenizer_config.json", source_lang=None, target_lang=None)
    translator = open_translator(TranslatorConfig(translator=str(folder), backend="transformers"))
    translator.check(["deu_Latn"])
    assert translator.facts()["pair"] == "not stated by the checkpoint, taken as asked"
    with pytest.raises(InputError, match="into one language; asked for deu_Latn, fra_Latn"):
        translator.check(["fra_Latn"])  # after German


def test_tokens_of_opus_and_madlad_are_read_as_their_scripts() -> None:
    marian, madlad = LAYOUTS["marian"][0], LAYOUTS["t5"][0]
    opus = [
        ">>cmn_Hans<<",
        ">>cmn_Hant<<",
        ">>cmn<<",
        ">>srp_Latn<<",
        ">>fr_BE<<",
        ">>fra<<",
        ">>mul<<",
    ]
    assert find_tokens(marian, opus) == {
        "fra_Latn": [">>fra<<", ">>fr_BE<<"],
        "srp_Latn": [">>srp_Latn<<"],
        "zho_Hans": [">>cmn_Hans<<", ">>cmn<<"],
        "zho_Hant": [">>cmn_Hant<<"],
    }
    tokens = [
        "<2zh>",
        "<2zh_Hant>",
        "<2no>",
        "<2fil>",
        "<2ku>",
        "<2translate>",
        "<2hi>",
        "<2hi_Latn>",
    ]
    assert find_tokens(madlad, tokens) == {
        "hin_Deva": ["<2hi>"],
        "hin_Latn": ["<2hi_Latn>"],
        "kmr_Latn": ["<2ku>"],
        "nob_Latn": ["<2no>"],
        "tgl_Latn": ["<2fil>"],
        "zho_Hans": ["<2zh>"],
        "zho_Hant": ["<2zh_Hant>"],
    }
    assert pair_in_name("Helsinki-NLP/opus-mt-zh-en") == ("zh", "en")
    assert possible_codes("zh") == ("zho_Hans", "zho_Hant") and possible_codes("mul") == ()


def test_language_tokens_that_transformers_forgets_are_registered(tmp_path: Path) -> None:
    folder = toy_nmt("m2m100", tmp_path / "m2m100")
    (folder / "added_tokens.json").unlink()
    edit_json(
        folder / "tokenizer_config.json",
        additional_special_tokens=None,
        extra_special_tokens=None,
        added_tokens_decoder=None,
    )
    before, after = opened(shared_toy("m2m100")), opened(folder)
    assert {code: after.ids[token] for code, token in after.languages.tokens.items()} == {
        code: before.ids[token] for code, token in before.languages.tokens.items()
    }


def test_a_tokenizer_without_language_tokens_is_refused(tmp_path: Path) -> None:
    folder = toy_nmt("nllb", tmp_path / "nllb")
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["added_tokens"] = [
        token for token in content["added_tokens"] if len(token["content"]) != 8
    ]
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    edit_json(
        folder / "tokenizer_config.json",
        extra_special_tokens=[],
        tokenizer_class="PreTrainedTokenizerFast",
    )
    with pytest.raises(
        InputError,
        match=r"no language token \(deu_Latn or __de__\), so every language would be .*<unk>",
    ):
        opened(folder)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (None, "no language token"),
        (["deu_Latn", "eng_Latn"], r"has no tokenizer\.json, and rebuilt"),
    ],
)
def test_an_nllb_tokenizer_rebuilt_from_sentencepiece_is_refused(
    tmp_path: Path, codes: list[str] | None, message: str
) -> None:
    folder = toy_nmt("nllb", tmp_path / "nllb")
    (folder / "tokenizer.json").unlink()
    shutil.copy(shared_toy("m2m100") / "sentencepiece.bpe.model", folder)
    settings = {"tokenizer_class": "NllbTokenizer", "additional_special_tokens": codes}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    edit_json(folder / "config.json", vocab_size=3000)
    with pytest.raises(InputError, match=message):
        opened(folder)


@pytest.mark.slow
def test_language_tokens_beyond_the_embeddings_are_refused(tmp_path: Path) -> None:
    folder = toy_nmt("nllb", tmp_path / "nllb")
    first = min(opened(folder).ids[token] for token in opened(folder).languages.tokens.values())
    edit_json(folder / "config.json", vocab_size=first)
    with pytest.raises(InputError, match="no language token"):
        opened(folder)


def test_a_tokenizer_that_does_not_mark_the_source_is_refused(tmp_path: Path) -> None:
    folder = toy_nmt("nllb", tmp_path / "nllb")
    edit_json(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["post_processor"] = None
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(
        InputError,
        match="does not put eng_Latn beside a text; save it as the tokenizer of its family",
    ):
        opened(folder)


def test_a_tokenizer_without_a_special_token_is_refused(tmp_path: Path) -> None:
    folder = toy_nmt("marian-de", tmp_path / "toy")
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["pad_token"] = None
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(InputError, match=r"its tokenizer has no pad_token"):
        opened(folder)


def test_truncation_that_a_tokenizer_was_saved_with_is_off(tmp_path: Path) -> None:
    folder = toy_nmt("nllb", tmp_path / "nllb")
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["truncation"] = {
        "direction": "Right",
        "max_length": 5,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    assert opened(folder).encode(ENGLISH, "deu_Latn") == opened(shared_toy("nllb")).encode(
        ENGLISH, "deu_Latn"
    )


def test_what_is_no_translator_is_refused_by_its_architecture(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match="is a XLMRobertaModel, which is no translator that is known here; give an NLLB",
    ):
        opened(toy_transformer(tmp_path / "encoder"))
    GPT2Config(architectures=["GPT2LMHeadModel"]).save_pretrained(tmp_path / "gpt")
    with pytest.raises(InputError, match="is a GPT2LMHeadModel, which is no translator"):
        opened(tmp_path / "gpt")
    half = toy_nmt("madlad", tmp_path / "half")
    edit_json(half / "config.json", architectures=["T5EncoderModel"])
    with pytest.raises(InputError, match="is a T5EncoderModel, which is no translator"):
        opened(half)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder; give a folder, or a Hub name"):
        opened(tmp_path / "nowhere")
    with pytest.raises(
        InputError, match="neither a folder nor in the Hub's cache, and the Hub cannot be reached"
    ):
        opened("facebook/nllb-200-distilled-600M")
    with pytest.raises(InputError, match=r"has no config\.json"):
        opened(tmp_path)
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.json is damaged: it is not JSON"):
        opened(tmp_path)
    (tmp_path / "config.json").write_text('{"vocab_size": 3}', encoding="utf-8")
    with pytest.raises(InputError, match="names no model_type"):
        opened(tmp_path)
    broken = toy_nmt("nllb", tmp_path / "broken")
    (broken / "tokenizer.json").write_text('{"version": "1.0", "model": ', encoding="utf-8")
    with pytest.raises(InputError, match="its tokenizer cannot be read"):
        opened(broken)


def test_pickled_weights_load_only_on_request(tmp_path: Path) -> None:
    folder = toy_nmt("marian-de", tmp_path / "pickled")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(
        InputError, match=r"only pickled weights, which can run code .*--allow-pickle"
    ):
        open_translator(TranslatorConfig(translator=str(folder))).facts()
    config = TranslatorConfig(translator=str(folder), allow_pickle=True, backend="transformers")
    assert (
        open_translator(config).translate([ENGLISH[1]], ["deu_Latn"])[0].text
        == "Ich habe zwei Brüder."
    )


@pytest.mark.parametrize("fault", ["gone", "cut", "incomplete", "shard gone", "not numbers"])
def test_damaged_weights_are_refused_by_name(tmp_path: Path, fault: str) -> None:
    folder = toy_nmt("marian-de", tmp_path / "toy")
    file = folder / "model.safetensors"
    if fault == "gone":
        file.unlink()
        expected = r"has no weights \(model\.safetensors is missing\)"
    elif fault == "cut":
        file.write_bytes(file.read_bytes()[:-1000])
        expected = r"model\.safetensors is damaged: .*; fetch it again"
    elif fault == "not numbers":
        tensors = load_file(file)
        tensors["model.encoder.layers.0.fc1.bias"][0] = float("nan")
        save_file(tensors, file, metadata={"format": "pt"})
        expected = r"NaN or infinite \(model\.encoder\.layers\.0\.fc1\.bias\)"
    elif fault == "incomplete":
        kept = {
            name: value
            for name, value in load_file(file).items()
            if "decoder.layers.0.fc1" not in name
        }
        save_file(kept, file, metadata={"format": "pt"})
        expected = r"2 tensors .* not in the weights \(model\.decoder\.layers\.0\.fc1\.bias"
    else:
        file.rename(folder / "model-00001-of-00002.safetensors")
        shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"weight_map": shards}), encoding="utf-8"
        )
        expected = r"1 of 2 files of the weights are missing: model-00002-of-00002\.safetensors"
    with pytest.raises(InputError, match=expected):
        open_translator(TranslatorConfig(translator=str(folder), backend="transformers")).translate(
            ["a"], ["deu_Latn"]
        )


def test_the_hash_covers_weights_and_tokenizer_but_not_how_to_search(tmp_path: Path) -> None:
    folder = toy_nmt("marian-de", tmp_path / "toy")
    before = opened(folder).fingerprint
    assert before == opened(shared_toy("marian-de")).fingerprint
    edit_json(folder / "generation_config.json", num_beams=7)
    assert opened(folder).fingerprint == before
    shutil.copy(folder / "vocab.json", tmp_path / "vocab.json")
    edit_json(folder / "vocab.json", another=5000)
    assert opened(folder).fingerprint != before
    shutil.copy(tmp_path / "vocab.json", folder / "vocab.json")
    weights = load_file(folder / "model.safetensors")
    weights["model.encoder.layers.0.fc1.bias"][0] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert opened(folder).fingerprint != before
