"""The model card: what it shows is of the corpus and the run, and its front matter is valid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from hexapla.alignment.card_example import card_example
from hexapla.encoder.load import load_encoder
from hexapla.encoder.save import save_encoder
from tests.fixtures.merging import write_records
from tests.fixtures.toy import toy_encoder


def saved_card(tmp_path: Path, **changed: Any) -> str:
    """Save an encoder with the record of an alignment, and return its card."""
    base = toy_encoder(tmp_path / "base")
    write_records(base, base, **changed)
    result = json.loads((base / "align.json").read_text())
    (base / "README.md").unlink()  # the library would save it again
    save_encoder(load_encoder(base), tmp_path / "support", result)
    return (tmp_path / "support" / "README.md").read_text()


def test_a_card_shows_the_corpus_the_prompt_the_base_and_the_score_before(tmp_path):
    card = saved_card(
        tmp_path,
        prompt='say "it": ',
        example=["Where is my parcel?", 'Wo ist mein "Paket"?', "I lost the key."],
        base_model="intfloat/multilingual-e5-base",
        accuracy_before=0.05,
        accuracy_after=0.5,
        n_held_out=61,
    )
    assert "weather" not in card and "stadium" not in card
    for expected in (
        'model = SentenceTransformer("support")',
        "    'Where is my parcel?',\n    'Wo ist mein \"Paket\"?',\n    'I lost the key.',\n",
        "# [3, 32]",
        '- Prompt: `"say \\"it\\": "`, before every text',
        "finetuned from [intfloat/multilingual-e5-base]",
        "retrieval accuracy 0.5000 at step 14; of the base 0.0500. On\n  61 held-out rows of the",
    ):
        assert expected in card
    assert str(tmp_path) not in card
    front = ModelCard(card).data.to_dict()
    assert front["base_model"] == "intfloat/multilingual-e5-base"
    assert front["pipeline_tag"] == "sentence-similarity"


def test_the_languages_of_a_card_are_codes_that_the_hub_takes(tmp_path):
    languages = ["eng_Latn", "zho_Hans", "zho_Hant", "srp_Cyrl"]
    front = ModelCard(saved_card(tmp_path, languages=languages)).data.to_dict()
    assert front["language"] == ["en", "zh", "sr"]


def test_a_local_base_is_not_searched_for_on_the_hub(tmp_path, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr("sentence_transformers.base.model_card.get_model_info", asked.append)
    card = saved_card(tmp_path)
    assert asked == [] and "base_model" not in ModelCard(card).data.to_dict()


@pytest.mark.parametrize(
    ("english", "german", "expected"),
    [
        (["Short", "Long enough to show how."], ["Kurz", "Lang genug."], [1, 1, 0]),
        (["Short", "Brief"], [None, "Knapp"], [1, 1, 0]),
        (["Equal in both of the languages", "Not equal"], ["", "Nicht gleich"], [1, 1, 0]),
        (["Copied in both of the two languages"], ["Copied in both of the two languages"], [0]),
        (["Alone here"], [None], [0]),
    ],
)
def test_the_example_is_a_pair_of_translations_and_another_text(english, german, expected):
    pair, *rest = expected
    wanted = [english[pair], *([german[pair], english[rest[-1]]] if rest else [])]
    assert card_example({"eng_Latn": english, "deu_Latn": german}, "eng_Latn") == wanted
