"""Mistakes about a teacher are refused before an encoder is loaded and before anything is written."""

from __future__ import annotations

import json

import pytest

from hexapla.alignment import stage
from hexapla.alignment.check_teacher import check_teacher
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.errors import InputError
from tests.fixtures.toy import toy_encoder


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"teacher": "./nowhere"}, "./nowhere: no such encoder folder"),
        ({"teacher": "someone/not-there"}, "someone/not-there: no such folder, and the Hub"),
        ({"teacher": "small@13"}, 'small@13: asks for "13" layers'),
        ({"teacher_weight": 2.0}, "teacher_weight is 2.0 and there is no teacher; name one"),
        ({"teacher_loss": "mse"}, "teacher_loss is 'mse' and there is no teacher"),
        ({"teacher_prompt": "query: "}, "teacher_prompt is 'query: ' and there is no teacher"),
        ({"contrastive_weight": 0.0}, "contrastive_weight is 0 and there is no teacher"),
        ({"teacher": "tiny", "teacher_weight": 0.0}, "teacher_weight is 0.0; it must be a number"),
        ({"teacher": "tiny", "teacher_loss": "l2"}, 'teacher_loss is "l2"; it must be cosine or'),
        ({"teacher": "tiny", "preserve": 3.0}, "preserve is 3 and teacher tiny; both would draw"),
        ({"teacher": "tiny", "whiten": "end"}, "vectors that the teacher has trained"),
    ],
)
def test_a_mistake_is_refused_before_a_model_loads(settings, monkeypatch, changed, message):
    monkeypatch.setattr(stage, "load_encoder", None)
    with pytest.raises(InputError, match=message):
        align(AlignConfig(**{**settings, **changed}), quiet=True)
    assert not settings["out"].exists()


def test_a_teacher_that_is_not_fetched_is_refused_with_the_command(settings, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="small: not fetched yet; run hexapla fetch-encoder small"):
        align(AlignConfig(**settings, teacher="small"), quiet=True)


def test_a_teacher_with_prompts_for_other_uses_needs_one_given(settings, tmp_path):
    folder = toy_encoder(tmp_path / "retriever")
    saved = folder / "config_sentence_transformers.json"
    facts = json.loads(saved.read_text())
    saved.write_text(json.dumps({**facts, "prompts": {"document": "passage: ", "other": "x: "}}))
    with pytest.raises(InputError, match=r"has prompts for document, other, .*--teacher-prompt"):
        check_teacher(AlignConfig(**settings, teacher=str(folder)))
    given = check_teacher(AlignConfig(**settings, teacher=str(folder), teacher_prompt=""))
    assert given is not None and given.name == "retriever"
    saved.write_text(json.dumps({**facts, "prompts": {"document": "passage: ", "query": "q: "}}))
    assert check_teacher(AlignConfig(**settings, teacher=str(folder))) is not None
