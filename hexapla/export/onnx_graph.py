"""The transformer of an encoder -> an ONNX graph, in float32 or int8, run by ONNX Runtime.

PyTorch's tracing exporter makes the graph. The newer one, over torch.export, gives the same values
and takes 20 times as long on the `tiny` encoder, and needs one more library.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

from hexapla.errors import InputError
from hexapla.export.exported_transformer import (
    OUTPUT,
    Arrays,
    ExportedTransformer,
    graph_inputs,
)

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Version 17 has LayerNormalization, and every ONNX Runtime since 1.13 reads it.
_OPSET = 17
_EXAMPLES = ("One.", "A text with more tokens than the other one has.")


class _TokenVectors(torch.nn.Module):
    """A transformer as a function of its inputs in order."""

    def __init__(self, transformer: torch.nn.Module, inputs: tuple[str, ...]) -> None:
        super().__init__()
        self._transformer = transformer
        self._inputs = inputs

    def forward(self, *given: torch.Tensor) -> Any:
        return self._transformer(**dict(zip(self._inputs, given, strict=True)))[OUTPUT]


def write_traced(name: str, model: SentenceTransformer, path: Path) -> None:
    """Write the transformer's graph in float32, with any number and length of texts as inputs.

    Args:
        name: The encoder, for errors.
        model: The encoder.
        path: The file; weights of more than 2 GiB are written into files beside it.

    Raises:
        InputError: The graph cannot be written.
    """
    transformer = model[0].model
    inputs = graph_inputs(model)
    example = model.tokenizer(list(_EXAMPLES), padding=True, return_tensors="pt")
    sizes = {axis: label for axis, label in enumerate(("batch", "length"))}
    was_training = transformer.training
    try:
        with _quiet_export(), torch.no_grad():
            torch.onnx.export(
                _TokenVectors(transformer, inputs).eval(),
                tuple(example[key].to(transformer.device) for key in inputs),
                str(path),
                input_names=list(inputs),
                output_names=[OUTPUT],
                dynamic_axes={key: sizes for key in (*inputs, OUTPUT)},
                opset_version=_OPSET,
                dynamo=False,
            )
    except OSError:
        raise
    except Exception as error:  # whatever the exporter meets in a model that it does not know
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(
            f"{name}: {type(transformer).__name__} cannot be exported to ONNX: {reason}"
        ) from error
    finally:
        transformer.train(was_training)


def quantize_graph(path: Path, out: Path) -> None:
    """Write a graph with matrices and token embeddings in int8; activations are made so as it runs.

    Weights take 7 of the 8 bits: CPUs with AVX2 and without VNNI add products in 16 bits, which 8
    bits of weights overflow.

    Args:
        path: The graph in float32.
        out: The file to write.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet_export():
        quantize_dynamic(
            path, out, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True
        )


def copy_graph(path: Path, out: Path) -> None:
    """Copy a graph; weights in files of their own are laid together in one, `model.onnx_data`."""
    if len(list(path.parent.iterdir())) == 1:
        shutil.copyfile(path, out)
        return
    import onnx

    graph = onnx.load(path)
    onnx.save_model(graph, out, save_as_external_data=True, location=f"{out.name}_data")


def open_session(config: Any, path: Path) -> ExportedTransformer:
    """Open a graph in ONNX Runtime, with as many threads as PyTorch has.

    Args:
        config: Configuration of the transformer.
        path: The graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(given: Arrays) -> NDArray[Any]:
        (vectors,) = session.run([OUTPUT], dict(given))
        return vectors  # type: ignore[no-any-return]

    return ExportedTransformer(config, tuple(each.name for each in session.get_inputs()), run)


@contextmanager
def _quiet_export() -> Iterator[None]:
    """Keep back what exporters say of traced constants, and of graphs that could be faster."""
    root = logging.getLogger()
    before = root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root.setLevel(logging.ERROR)
        try:
            yield
        finally:
            root.setLevel(before)
