"""An ONNX graph -> the same in OpenVINO's format, in float32 or int8, run by OpenVINO."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from hexapla.export.exported_transformer import Arrays, ExportedTransformer


def convert_graph(path: Path, out: Path, *, int8: bool) -> None:
    """Write a graph as `out` (.xml) with its weights beside it (.bin).

    Args:
        path: The graph in ONNX, in float32.
        out: The file to write.
        int8: Write matrices and token embeddings in int8; OpenVINO makes activations int8 as it
            runs, where the CPU gains by it.
    """
    openvino = _import_openvino()
    graph = openvino.convert_model(str(path))
    if int8:
        import nncf

        nncf.set_log_level("ERROR")
        with contextlib.redirect_stdout(io.StringIO()):  # its progress
            graph = nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM)
    openvino.save_model(graph, str(out), compress_to_fp16=False)


def open_converted(config: Any, path: Path) -> ExportedTransformer:
    """Open a graph in OpenVINO, with as many threads as PyTorch has.

    Args:
        config: Configuration of the transformer.
        path: The graph.
    """
    threads = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "PERFORMANCE_HINT": "LATENCY"}
    compiled = _import_openvino().compile_model(str(path), "CPU", threads)
    (output,) = compiled.outputs

    def run(given: Arrays) -> NDArray[Any]:
        return compiled(dict(given))[output]  # type: ignore[no-any-return]

    return ExportedTransformer(config, tuple(each.any_name for each in compiled.inputs), run)


def _import_openvino() -> Any:
    # OpenVINO and NNCF report to Intel that they were used, unless this package is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
