"""What cannot be exported is refused in one line, before an encoder is loaded and with nothing written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hexapla.cli import main
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.export import ExportConfig
from hexapla.export.check_export import check_export
from tests.fixtures.toy import LANGUAGES, toy_rows


@pytest.fixture(autouse=True)
def _all_libraries(monkeypatch):
    """Every extra is there, as far as these checks look."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())


@pytest.fixture
def copied(encoder, tmp_path) -> Path:
    return Path(shutil.copytree(encoder, tmp_path / "encoder"))


def edit(path: Path, **values: object) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, **values}))


@pytest.mark.parametrize(
    ("format", "library"),
    [("onnx", "onnxruntime"), ("openvino", "openvino"), ("static", "model2vec")],
)
def test_a_missing_extra_names_its_command(settings, monkeypatch, format, library):
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == library else object()
    )
    needed = f"needs the library {library}; .* pip install 'hexapla\\[export-{format}\\]'"
    with pytest.raises(InputError, match=needed):
        check_export(ExportConfig(**settings, format=format))


def test_an_adapter_that_is_not_merged_is_refused(settings, copied):
    edit(copied / "adapter_config.json", r=8)
    with pytest.raises(InputError, match="a LoRA adapter that is not merged into its encoder"):
        check_export(ExportConfig(**{**settings, "encoder": str(copied)}, format="onnx"))


def test_code_of_its_own_is_refused_whatever_is_allowed(settings, copied):
    edit(copied / "config.json", auto_map={"AutoModel": "modeling.Own"})
    with pytest.raises(InputError, match=r"has code of its own \(auto_map\); only models of"):
        check_export(ExportConfig(**{**settings, "encoder": str(copied)}, format="onnx"))


def test_a_first_module_that_is_no_transformer_is_refused(settings, copied):
    modules = json.loads((copied / "modules.json").read_text())
    modules[0]["type"] = "sentence_transformers.models.WordEmbeddings"
    (copied / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(InputError, match="its first module is WordEmbeddings"):
        check_export(ExportConfig(**{**settings, "encoder": str(copied)}, format="onnx"))


def test_static_vectors_refuse_a_whitening_layer_and_graphs_take_it(settings, copied):
    modules = json.loads((copied / "modules.json").read_text())
    dense = {"idx": 3, "name": "3", "path": "1_Pooling", "type": "sentence_transformers.x.Dense"}
    (copied / "modules.json").write_text(json.dumps([*modules, dense]))
    given = {**settings, "encoder": str(copied)}
    with pytest.raises(InputError, match=r"has a Dense layer behind its pooling \(as --whiten"):
        check_export(ExportConfig(**given, format="static"))
    check_export(ExportConfig(**given, format="onnx"))


def test_rows_that_measure_nothing_are_refused(settings, tmp_path):
    rows = [{**row, "deu_Latn": None} for row in toy_rows(3)]
    rows[0]["deu_Latn"] = "deu01"
    write_corpus(rows, tmp_path / "gaps", languages=LANGUAGES)
    given = {**settings, "corpus": str(tmp_path / "gaps")}
    with pytest.raises(InputError, match="1 rows have both eng_Latn and deu_Latn; 2 or more are"):
        check_export(ExportConfig(**given, format="onnx"))
    check_export(ExportConfig(**given, format="onnx", languages="fra,spa"))
    with pytest.raises(InputError, match="only eng_Latn is asked for; a search needs two columns"):
        check_export(ExportConfig(**given, format="onnx", languages="eng"))


def test_rows_that_alignment_held_out_are_measured_on(settings, copied, corpus):
    edit(copied / "align.json", corpus=corpus.name)
    edit(copied / "run.json", command="align", config={"held_out": 0.5})
    given = {**settings, "encoder": str(copied)}
    checked = check_export(ExportConfig(**given, format="onnx"))
    assert checked.held_out == 0.5
    assert 0 < len(checked.pivots) < 40
    assert len(check_export(ExportConfig(**given, format="onnx", held_out=0.0)).pivots) == 40


def test_folders_in_the_way_are_refused(settings, encoder, tmp_path):
    with pytest.raises(InputError, match="holds the encoder"):
        check_export(ExportConfig(**{**settings, "out": encoder}, format="onnx"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(
        InputError, match="not empty, and what it holds is no run of hexapla export"
    ):
        check_export(ExportConfig(**settings, format="onnx", overwrite=True))


def test_settings_of_another_format_are_refused(settings):
    with pytest.raises(InputError, match="dim is a setting of static"):
        ExportConfig(**settings, format="onnx", dim=64)
    with pytest.raises(InputError, match="precision is a setting of onnx and openvino"):
        ExportConfig(**settings, format="static", precision="int8")
    with pytest.raises(InputError, match='format is "tflite"; it must be onnx, openvino or static'):
        ExportConfig(**settings, format="tflite")


def test_an_encoder_that_is_not_there_is_named(tmp_path, capsys):
    missing = tmp_path / "missing"
    assert main(["export", str(missing), "--format", "onnx", "--out", str(tmp_path / "out")]) == 2
    assert f"{missing}: no such encoder folder" in capsys.readouterr().err
