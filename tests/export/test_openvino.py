"""OpenVINO gives the encoder's vectors, and nobody is told that it was used."""

from __future__ import annotations

import sys

import pytest

from hexapla.export import ExportConfig, export
from tests.fixtures.extras import needs

pytestmark = needs("openvino", "export-openvino")


@pytest.mark.parametrize(("precision", "nearest"), [("float32", 1 - 1e-5), ("int8", 0.99)])
def test_openvino_finds_the_same_rows(settings, precision, nearest):
    result = export(ExportConfig(**settings, format="openvino", precision=precision))
    assert nearest <= result["cosine"]["lowest"] <= 1 + 1e-6
    assert result["bitext"]["after"] > 0.99
    files = {path.name for path in (settings["out"] / "openvino").iterdir()}
    assert files == {"openvino_model.xml", "openvino_model.bin"}
    assert sys.modules["openvino_telemetry"] is None
