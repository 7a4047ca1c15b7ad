"""Static vectors load in model2vec and in sentence-transformers, and keep the encoder's name, not its path."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from hexapla.export import ExportConfig, export
from tests.fixtures.extras import needs

pytestmark = needs("model2vec", "export-static")


def test_static_vectors_load_in_both_libraries(settings, encoder):
    from model2vec import StaticModel

    out = settings["out"]
    result = export(ExportConfig(**settings, format="static", dim=16))
    assert result["cosine"] is None and result["precision"] is None
    assert result["bitext"]["after"] > 0.9
    texts = ["eng01 eng07", "deu33 deu12 deu02"]
    one, other = StaticModel.from_pretrained(out).encode(texts), load_encoder(out).encode(texts)
    assert one.shape == (2, 16)
    np.testing.assert_allclose(one, other, atol=1e-3)
    assert json.loads((out / "config.json").read_text())["tokenizer_name"] == encoder.name
    assert str(encoder.parent) not in (out / "README.md").read_text()


def test_more_dimensions_than_the_encoder_has_are_refused(settings):
    with pytest.raises(InputError, match="dim is 33; it must be at most 32, the dimensions of"):
        export(ExportConfig(**settings, format="static", dim=33))
    assert not settings["out"].exists()
