"""Graphs give the encoder's vectors through the encoder's own modules, and other programs find all that they read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hexapla.cli import main
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from hexapla.export import ExportConfig, export
from hexapla.export.export_card import measured_rows
from tests.fixtures.extras import needs

pytestmark = needs("onnxruntime", "export-onnx")

TEXTS = ["eng01 eng07 eng33", "deu01", "fra05 fra06 fra07 fra08 fra09 fra10"]


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def load_exported(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Load a folder as `backend="onnx"` does, with our runtime in place of Optimum's."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import transformer

    from hexapla.export.onnx_graph import open_session

    def load(model_name_or_path, config, task_name, **_):
        return open_session(config, Path(model_name_or_path) / "onnx" / "model.onnx")

    monkeypatch.setattr(transformer, "load_onnx_model", load)
    return SentenceTransformer(str(folder), backend="onnx", device="cpu")


@pytest.fixture(scope="module")
def whitened(encoder, tmp_path_factory) -> Path:
    """The encoder with a prompt, and a linear layer behind its pooling."""
    import torch

    from hexapla.encoder.load import save_prompt
    from hexapla.encoder.whitening import append_dense

    model = load_encoder(encoder)
    torch.manual_seed(0)
    append_dense(model)
    save_prompt(model, "eng02 ")
    folder = tmp_path_factory.mktemp("whitened") / "encoder"
    model.save(str(folder))
    return folder


@pytest.fixture(scope="module")
def exported(encoder, corpus, tmp_path_factory) -> Path:
    """The encoder in int8."""
    out = tmp_path_factory.mktemp("exported") / "out"
    export(ExportConfig(encoder=str(encoder), corpus=str(corpus), out=out, format="onnx"))
    return out


def test_a_graph_in_float32_has_the_encoders_vectors(settings):
    result = export(ExportConfig(**settings, format="onnx", precision="float32"))
    assert result["cosine"]["lowest"] == pytest.approx(1, abs=1e-6)
    assert result["bitext"]["before"] == result["bitext"]["after"] == 1


def test_int8_finds_the_same_rows(exported):
    result = read(exported / "export.json")
    assert result["precision"] == "int8"
    assert 0.99 < result["cosine"]["lowest"] < 1 - 1e-6
    assert result["bitext"]["after"] > 0.99


def test_prompts_pooling_and_whitening_survive(settings, whitened, monkeypatch, caplog):
    out = settings["out"]
    config = ExportConfig(
        **{**settings, "encoder": str(whitened)}, format="onnx", precision="float32"
    )
    export(config)
    own, exported = load_encoder(whitened), load_exported(out, monkeypatch)
    assert exported.prompts == own.prompts
    for prompt in ("", own.prompts["STS"]):
        one, other = (model.encode(TEXTS, prompt=prompt) for model in (own, exported))
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert "Text Embeddings Inference leaves out Dense" in caplog.text


def test_other_programs_find_what_they_read(exported):
    out = exported
    types = [module["type"] for module in json.loads((out / "modules.json").read_text())]
    assert types == [
        f"sentence_transformers.models.{kind}" for kind in ("Transformer", "Pooling", "Normalize")
    ]
    pooling = read(out / "1_Pooling" / "config.json")
    assert pooling["word_embedding_dimension"] == 32
    assert [key for key, value in pooling.items() if value is True] == [
        "pooling_mode_mean_tokens",
        "include_prompt",
    ]
    assert read(out / "sentence_bert_config.json")["max_seq_length"] == 40
    assert read(out / "tokenizer_config.json")["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert not list(out.rglob("model*.safetensors"))


def test_a_loss_of_more_than_a_point_is_warned_of(settings, monkeypatch, caplog):
    from hexapla.export import export_quality

    real = export_quality.compare_vectors

    def lossy(*args, **kwargs):
        found = real(*args, **kwargs)
        return {**found, "bitext": {**found["bitext"], "after": found["bitext"]["before"] - 0.011}}

    monkeypatch.setattr(export_quality, "compare_vectors", lossy)
    export(ExportConfig(**settings, format="onnx", precision="float32"))
    assert "bitext accuracy fell by 1.1 points" in caplog.text


def test_a_graph_with_other_vectors_is_refused(settings, monkeypatch):
    from hexapla.export import graph_files

    monkeypatch.setattr(graph_files, "_NEAREST", 1.1)
    with pytest.raises(InputError, match="the graph in float32 gives other vectors"):
        export(ExportConfig(**settings, format="onnx"))
    assert not settings["out"].exists()


def test_a_model_that_cannot_be_traced_is_refused(settings, monkeypatch):
    import torch

    def fail(*_, **__):
        raise torch.onnx.errors.OnnxExporterError("no symbol for aten::odd\nmore")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(InputError, match="XLMRobertaModel cannot be exported to ONNX: no symbol"):
        export(ExportConfig(**settings, format="onnx"))


def test_the_command_prints_the_table_and_replaces_an_export(settings, tmp_path, capsys, caplog):
    import pandas as pd

    from tests.fixtures.toy import toy_rows

    rows = toy_rows(12)
    pairs = tmp_path / "pairs.parquet"
    pd.DataFrame(
        {
            "sentence1": [row["eng_Latn"] for row in rows],
            "sentence2": [row["deu_Latn"] for row in rows],
            "score": list(range(12)),
        }
    ).to_parquet(pairs)
    out = settings["out"]
    command = ["export", settings["encoder"], "--format", "onnx", "--out", str(out)]
    command += ["--corpus", settings["corpus"], "--sts", str(pairs), "--languages", "deu,fra"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    record = read(out / "export.json")
    for name, *_ in measured_rows(record):
        assert name.strip() in printed
        assert name.strip() in (out / "README.md").read_text()
    assert list(record["bitext"]["languages"]) == ["deu_Latn", "fra_Latn"]
    assert record["sts"]["before"] == pytest.approx(record["sts"]["after"], abs=0.2)

    (out / "notes.txt").write_text("mine")
    assert main(command) == 2
    assert "holds a finished run; --overwrite replaces it" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--precision", "float32"]) == 0
    assert read(out / "export.json")["precision"] == "float32"
    assert (out / "notes.txt").read_text() == "mine"
    assert not (out / ".export").exists()


def test_what_a_full_disk_left_can_be_replaced(settings, monkeypatch):
    import errno

    from hexapla.export import graph_files

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(graph_files, "quantize_graph", full)
    with pytest.raises(InputError, match="No space left on device"):
        export(ExportConfig(**settings, format="onnx"))
    assert not settings["out"].exists()
