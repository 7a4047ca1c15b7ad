"""The graph of an encoder in the format that is asked for: written, compared, opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hexapla.encoder.encode import encode
from hexapla.errors import InputError
from hexapla.export.config import ExportConfig, Format
from hexapla.export.exported_transformer import ExportedTransformer, exchanged
from hexapla.export.onnx_graph import copy_graph, open_session, quantize_graph, write_traced
from hexapla.export.openvino_graph import convert_graph, open_converted

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Where sentence-transformers, Optimum and Text Embeddings Inference look for a graph.
_FILES = {"onnx": "onnx/model.onnx", "openvino": "openvino/openvino_model.xml"}
_COMPARED_TEXTS = 32
_NEAREST = 0.9999  # cosine that a graph in float32 must reach


def write_graph(
    config: ExportConfig, model: SentenceTransformer, texts: list[str], partial: Path
) -> None:
    """Write the graph into `partial/folder`, after comparing one in float32 with the encoder.

    Args:
        config: Settings.
        model: The encoder.
        texts: Texts to compare the graph on.
        partial: A folder; what stands beside `folder` in it is left for the caller to remove.

    Raises:
        InputError: The transformer cannot be exported, or its graph gives other vectors.
    """
    traced = partial / "traced" / "model.onnx"
    out = partial / "folder" / _FILES[config.format]
    for path in (traced, out):
        path.parent.mkdir(parents=True)
    write_traced(config.encoder, model, traced)
    _compare(
        config.encoder, model, open_session(model[0].model.config, traced), texts[:_COMPARED_TEXTS]
    )
    int8 = config.precision == "int8"
    if config.format == "openvino":
        convert_graph(traced, out, int8=int8)
    elif int8:
        quantize_graph(traced, out)
    else:
        copy_graph(traced, out)


def open_graph(format: Format, model: SentenceTransformer, folder: Path) -> ExportedTransformer:
    """Open the graph of an exported folder."""
    read = open_converted if format == "openvino" else open_session
    return read(model[0].model.config, folder / _FILES[format])


def _compare(
    name: str, model: SentenceTransformer, graph: ExportedTransformer, texts: list[str]
) -> None:
    """Refuse a graph in float32 whose vectors are not the encoder's."""
    own = encode(model, texts, task="BitextMining")
    with exchanged(model, graph):
        traced = encode(model, texts, task="BitextMining")
    lowest = float((own * traced).sum(axis=1).min())
    if not lowest >= _NEAREST:
        raise InputError(
            f"{name}: {type(model[0].model).__name__} cannot be exported to ONNX: the graph in "
            f"float32 gives other vectors (lowest cosine {lowest:.4f})"
        )
