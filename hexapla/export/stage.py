"""An encoder -> a folder that is ready to serve, and a table of what it gained and lost.

The encoder is measured on the rows of a corpus before and after, in its own pipeline, so that the
table tells of what users of the folder get.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.encoder.locate import EXPORTED, cached_folder, encoder_files, locate
from hexapla.export.check_export import (
    CheckedExport,
    check_export,
    check_export_folder,
    check_modules,
)
from hexapla.export.config import ExportConfig
from hexapla.export.export_card import export_card
from hexapla.runs.atomic import move_into, write_json, write_text
from hexapla.runs.disk_errors import AGAIN
from hexapla.runs.record import versions, write_record
from hexapla.runs.run_folder import hold_run, remove_run

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from hexapla.export.export_quality import MeasuredVectors

Exported = Callable[[], AbstractContextManager["SentenceTransformer"]]
"""Opens an encoder in its exported form for a while."""

_log = logging.getLogger(__name__)
_PARTIAL = ".export"
_FOLDER = "folder"  # in it; what stands beside is for the making alone
_MB = 10**6
_GRAPHS = ("onnx/*", "openvino/*")


def export(config: ExportConfig, *, quiet: bool = False) -> dict[str, Any]:
    """Write an encoder for ONNX Runtime, OpenVINO or model2vec, and measure what that costs.

    Args:
        config: Settings.
        quiet: Show no progress.

    Returns:
        The content of `export.json`: accuracy of bitext, agreement with judged pairs, cosines,
        sentences per second and size, before and after.

    Raises:
        InputError: A library is missing; or settings, encoder, corpus or output folder cannot be
            used.
    """
    checked = check_export(config)
    with hold_run(config.out, AGAIN, worthless=(f"{_PARTIAL}/*",)):
        check_export_folder(config, checked.identity)  # again, now that no other can write there
        return _export(config, checked, quiet=quiet)


def _export(config: ExportConfig, checked: CheckedExport, *, quiet: bool) -> dict[str, Any]:
    """Export into a folder that is locked and checked."""
    # These import torch.
    from hexapla.encoder.load import load_encoder
    from hexapla.encoder.save import ENCODER_FILES
    from hexapla.export.export_quality import compare_vectors, encode_measured, losses

    started = time.monotonic()
    model = load_encoder(config.encoder, **config.loading)
    check_modules(config.encoder, [type(module).__name__ for module in model], config.format)
    before = encode_measured(model, checked.columns, checked.judged)
    if config.overwrite:
        remove_run(config.out, (*ENCODER_FILES, *_GRAPHS, EXPORTED, _PARTIAL))
    write_record(config.out, "export", checked.identity)
    beside = config.out / _PARTIAL
    shutil.rmtree(beside, ignore_errors=True)
    try:
        folder = beside / _FOLDER
        folder.mkdir(parents=True)
        if config.format == "static":
            exported = _write_static(config, checked, model, folder, quiet=quiet)
        else:
            exported = _write_graph(config, checked, model, beside)
        after, speed = _measure(model, exported, checked)
        result = {
            **_facts(config, checked),
            **compare_vectors(before, after, checked.judged, one_space=config.format != "static"),
            "sentences_per_s": speed,
            "mb": {"before": _source_mb(config.encoder), "after": _folder_mb(folder)},
            "seconds": round(time.monotonic() - started, 1),
        }
        write_text(folder / "README.md", export_card(result))
        move_into(folder, config.out, last="modules.json")
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    write_json(config.out / EXPORTED, result)
    for name, points in losses(result).items():
        _log.warning("%s: %s fell by %.1f points; see the table", config.out, name, points)
    return result


def _write_graph(
    config: ExportConfig, checked: CheckedExport, model: SentenceTransformer, beside: Path
) -> Exported:
    """Write the graph and all around it, and return what opens it."""
    from hexapla.export.exported_transformer import exchanged
    from hexapla.export.graph_files import open_graph, write_graph
    from hexapla.export.serving_files import ignored_by_tei, save_serving_files

    folder = beside / _FOLDER
    write_graph(config, model, checked.pivots, beside)
    transformer = open_graph(config.format, model, folder)
    save_serving_files(model, transformer, folder)
    if config.format == "onnx" and (ignored := ignored_by_tei(model)):
        _log.warning(
            "%s: Text Embeddings Inference leaves out %s of this encoder, so its vectors differ "
            "there; sentence-transformers runs all modules",
            config.out,
            " and ".join(ignored),
        )
    return partial(exchanged, model, transformer)


def _write_static(
    config: ExportConfig,
    checked: CheckedExport,
    model: SentenceTransformer,
    folder: Path,
    *,
    quiet: bool,
) -> Exported:
    """Write static vectors, and return what opens them."""
    from hexapla.encoder.load import load_encoder
    from hexapla.export.static_vectors import distill_table, save_static

    table = distill_table(config.encoder, model, config.dim, quiet=quiet)
    save_static(table, checked.facts.name, folder)
    return partial(nullcontext, load_encoder(folder))


def _measure(
    model: SentenceTransformer, exported: Exported, checked: CheckedExport
) -> tuple[MeasuredVectors, dict[str, float]]:
    """Return the vectors of what was exported, and the speed of both forms."""
    from hexapla.export.export_quality import encode_measured, serve, time_encoders

    def serve_exported(texts: list[str]) -> None:
        with exported() as after:
            serve(after, texts)

    with exported() as after:
        vectors = encode_measured(after, checked.columns, checked.judged)
    runs: dict[str, Callable[[list[str]], None]] = {
        "before": partial(serve, model),
        "after": serve_exported,
    }
    return vectors, time_encoders(runs, checked.columns)


def _facts(config: ExportConfig, checked: CheckedExport) -> dict[str, Any]:
    import torch

    return {
        "format": config.format,
        "precision": config.precision,
        "encoder": checked.facts.name,
        "encoder_sha256": checked.facts.sha256,
        "corpus": checked.corpus.name,
        "corpus_sha256": checked.corpus.sha256,
        "pivot": checked.corpus.pivot,
        "n_rows": len(checked.columns[checked.corpus.pivot]),
        "held_out": checked.held_out,
        "sts_name": config.sts.name if config.sts else None,
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def _source_mb(encoder: str) -> float | None:
    """Return the size of the encoder's own files, None if they cannot be found."""
    folder = locate(encoder) or cached_folder(encoder)
    if folder is None:
        return None
    return sum(path.stat().st_size for path in encoder_files(folder)) / _MB


def _folder_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / _MB
