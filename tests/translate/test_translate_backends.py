"""Both backends translate what the toys know by heart, in the same words, in any order and batch."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path
from typing import Any

import pytest

from hexapla.errors import InputError
from hexapla.translate import Translation, Translator, backends
from hexapla.translate.backends import open_translator
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.ctranslate2 import CTranslate2Translator
from hexapla.translate.transformers import TransformersTranslator
from tests.fixtures.nmt import (
    BAD_PAIRS,
    ENGLISH,
    KINDS,
    TRANSLATIONS,
    languages_of,
    random_nmt,
    shared_toy,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def opened(folder: Path, cache: Path, backend: Any = "ctranslate2", **settings: Any) -> Translator:
    settings = {"compute_type": "float32", "threads": 1, **settings}
    return open_translator(
        TranslatorConfig(translator=str(folder), backend=backend, cache=cache, **settings)
    )


def everything(kind: str) -> tuple[list[str], list[str], list[str]]:
    """Return all texts, targets and translations of a kind, sentence by sentence."""
    cells = [(i, code) for i in range(len(ENGLISH)) for code in languages_of(kind)]
    return (
        [ENGLISH[i] for i, _ in cells],
        [code for _, code in cells],
        [TRANSLATIONS[code][i] for i, code in cells],
    )


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_memorised_sentence_comes_out_in_its_language(
    kind: str, backend: str, cache: Path
) -> None:
    texts, targets, expected = everything(kind)
    found = opened(shared_toy(kind), cache, backend).translate(texts, targets)
    assert [translation.text for translation in found] == expected
    assert {translation.problem for translation in found} == {None}


@pytest.mark.parametrize("kind", KINDS)
def test_backends_agree_on_what_neither_has_learnt_and_on_its_probability(
    kind: str, cache: Path
) -> None:
    texts = [f"{a.split()[1]} {b}" for a, b in itertools.pairwise(ENGLISH)]
    targets = [languages_of(kind)[i % len(languages_of(kind))] for i in range(len(texts))]
    one, other = (
        opened(shared_toy(kind), cache, name).translate(texts, targets)
        for name in ("transformers", "auto")
    )
    assert [translation.text for translation in one] == [translation.text for translation in other]
    assert [t.log_prob for t in one] == pytest.approx([t.log_prob for t in other], abs=0.01)
    assert [translation.n_tokens for translation in one] == [
        translation.n_tokens for translation in other
    ]


def test_weights_in_eight_bits_translate_the_same(cache: Path) -> None:
    texts, targets, expected = everything("nllb")
    # Greedy, since on processors without 8-bit dot products the sums saturate, and four beams end
    # one sentence of 120 too early.
    translator = opened(shared_toy("nllb"), cache, compute_type="int8", beam_size=1)
    assert [translation.text for translation in translator.translate(texts, targets)] == expected
    assert translator.facts()["compute_type"] == "int8_float32"  # CTranslate2's type on a CPU


def test_log_prob_is_the_mean_over_what_the_model_wrote_and_its_end(cache: Path) -> None:
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    folder = shared_toy("nllb")
    found = opened(folder, cache).translate([ENGLISH[0]], ["deu_Latn"])[0]
    tokenizer = AutoTokenizer.from_pretrained(folder, src_lang="eng_Latn", tgt_lang="deu_Latn")
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    target = tokenizer(text_target=TRANSLATIONS["deu_Latn"][0]).input_ids  # language, pieces, end
    inputs = torch.tensor([[tokenizer.eos_token_id, *target[:-1]]])
    logits = model(**tokenizer([ENGLISH[0]], return_tensors="pt"), decoder_input_ids=inputs).logits[
        0
    ]
    scores = logits.log_softmax(-1)[range(len(target)), target][1:]
    assert found.log_prob == pytest.approx(scores.mean().item(), abs=1e-3)
    assert found.n_tokens == len(target) - 1


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2"])
def test_order_and_batches_change_nothing(backend: str, cache: Path) -> None:
    texts, targets, expected = everything("nllb")
    small = opened(shared_toy("nllb"), cache, backend, batch_tokens=40)
    found = small.translate(texts[:30][::-1], targets[:30][::-1])
    assert [translation.text for translation in found] == expected[:30][::-1]


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2"])
def test_empty_and_over_long_texts_never_reach_the_model(backend: str, cache: Path) -> None:
    translator = opened(shared_toy("nllb"), cache, backend, max_input_tokens=20)
    long = " ".join(ENGLISH)
    found = translator.translate(["", ENGLISH[1], " \n\t\u3000", long], ["fra_Latn"] * 4)
    assert found[0] == found[2] == Translation(text=None, problem="empty")
    assert found[1].text == TRANSLATIONS["fra_Latn"][1]
    assert found[3] == Translation(text=None, problem="source too long")
    assert translator.translate([], []) == []


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2"])
def test_the_positions_of_the_model_bound_input_and_output(backend: str, cache: Path) -> None:
    translator = opened(shared_toy("nllb"), cache, backend, max_input_tokens=4000)
    assert translator.facts()["max_input_tokens"] == 128
    found = translator.translate([" ".join(["The"] * n) for n in (126, 127)], ["deu_Latn"] * 2)
    is_too_long = [translation.problem == "source too long" for translation in found]
    assert is_too_long == [False, True]  # 126 + language + end
    assert found[0].text


@pytest.mark.parametrize("kind", ["nllb", "marian", "madlad"])
def test_an_output_that_does_not_end_is_kept_and_marked(kind: str, tmp_path: Path) -> None:
    folder = random_nmt(kind, tmp_path / kind, seed=2)
    found = [
        opened(folder, tmp_path, name).translate(["The cat"], ["deu_Latn"])[0]
        for name in ("transformers", "auto")
    ]
    for translation in found:
        assert translation.problem == "unfinished"
        assert translation.text
        # Three times the few tokens and 32, rounded up, is 64; the language is one of them.
        assert translation.n_tokens == 64 - (kind == "nllb")


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2"])
@pytest.mark.parametrize(
    ("kind", "pair"), [("nllb", None), ("marian-de", ("deu_Latn", ENGLISH[0], ""))]
)
def test_a_translator_that_writes_nothing_is_not_made_to_write(
    kind: str, pair: tuple[str, str, str] | None, backend: str, cache: Path
) -> None:
    code, english, _ = pair or next(found for found in BAD_PAIRS if not found[2])
    found = opened(shared_toy(kind, (pair,) if pair else BAD_PAIRS), cache, backend).translate(
        [english], [code]
    )[0]
    assert (found.text, found.problem, found.n_tokens) == (None, "empty translation", 1)


def test_a_retry_searches_with_other_settings(tmp_path: Path, cache: Path) -> None:
    folder = shared_toy("nllb", BAD_PAIRS)
    translator = opened(folder, cache)
    for code, english, target in BAD_PAIRS:
        assert translator.translate([english], [code])[0].text == (target or None)
    code, english, repeated = BAD_PAIRS[1]
    again = (translator.translate([english], [code], retry=True)[0].text or "").split()
    assert again and len(again) < len(repeated.split())
    four = [tuple(again[i : i + 4]) for i in range(len(again) - 3)]
    assert len(four) == len(set(four))


def test_a_missing_language_is_refused_when_translating_too(cache: Path) -> None:
    with pytest.raises(InputError, match="cannot translate into swh_Latn"):
        opened(shared_toy("marian"), cache).translate([ENGLISH[0]], ["swh_Latn"])
    with pytest.raises(ValueError, match="1 texts and 2 targets"):
        opened(shared_toy("marian"), cache).translate([ENGLISH[0]], ["deu_Latn", "fra_Latn"])


def test_auto_uses_ctranslate2_where_it_can_and_transformers_elsewhere(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    assert isinstance(opened(shared_toy("m2m100"), cache, "auto"), CTranslate2Translator)
    monkeypatch.setattr(backends, "_has", lambda library: library != "ctranslate2")
    assert isinstance(opened(shared_toy("m2m100"), cache, "auto"), TransformersTranslator)
    with pytest.raises(
        InputError, match=r"ctranslate2 is not installed: pip install 'hexapla\[translate\]'"
    ):
        opened(shared_toy("m2m100"), cache)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"backend": "ctranslate"},
            'backend is "ctranslate"; it must be auto, .*did you mean "ctranslate2"',
        ),
        ({"device": "gpu"}, 'device "gpu" is unknown; give auto, cpu, cuda or cuda:0'),
        ({"device": "cuda:1"}, "device cuda:1: this machine has 0 GPUs"),
        ({"device": "cuda", "backend": "transformers"}, "device cuda: this machine has 0 GPUs"),
        ({"compute_type": "int7"}, "compute_type int7 is not one .* give auto or one of .*int8"),
        (
            {"compute_type": "int8", "backend": "transformers"},
            "give auto or one of float32, bfloat16",
        ),
        ({"beam_size": 0}, "beam_size is 0; it must be a whole number from 1 to 256"),
        ({"threads": 0}, "threads is 0; it must be a whole number from 1 to"),
        ({"pivot": "englsh"}, 'language "englsh" is unknown'),
    ],
)
def test_a_setting_out_of_range_is_refused_before_weights_load(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        open_translator(TranslatorConfig(translator=str(shared_toy("madlad")), **settings))


def test_a_t5_is_never_run_in_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = {"float32", "float16", "bfloat16", "int8_float16", "int8_bfloat16"}
    monkeypatch.setattr("ctranslate2.get_supported_compute_types", lambda device: gpu)
    for backend in ("ctranslate2", "transformers"):
        config = TranslatorConfig(
            translator=str(shared_toy("madlad")), backend=backend, compute_type="float16"
        )
        with pytest.raises(
            InputError, match=r"compute_type float16 is not one that madlad.*float32"
        ):
            open_translator(config)
        open_translator(
            TranslatorConfig(
                translator=str(shared_toy("nllb")), backend=backend, compute_type="float16"
            )
        )


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2"])
def test_a_translator_travels_to_another_process_without_weights(
    backend: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = opened(shared_toy("nllb"), cache, backend)
    facts = translator.facts()
    translator.translate([ENGLISH[0]], ["deu_Latn"])
    sent = pickle.dumps(translator)
    assert len(sent) < 5000
    monkeypatch.setattr(
        CheckpointFiles, "fingerprint", lambda files: pytest.fail("the weights are hashed again")
    )
    copy = pickle.loads(sent)
    assert copy.translate([ENGLISH[0]], ["deu_Latn"])[0].text == TRANSLATIONS["deu_Latn"][0]
    assert copy.facts() == facts
    copy.close()
    assert copy.translate([ENGLISH[1]], ["deu_Latn"])[0].text == TRANSLATIONS["deu_Latn"][1]


def test_facts_hold_no_path_and_no_setting_without_effect(cache: Path) -> None:
    facts = opened(shared_toy("nllb"), cache).facts()
    assert "/" not in str(facts)
    assert facts == opened(shared_toy("nllb"), cache, threads=2, batch_tokens=77).facts()
    changed = opened(shared_toy("nllb"), cache, beam_size=2).facts()
    assert {key for key in facts if facts[key] != changed[key]} == {"search"}
