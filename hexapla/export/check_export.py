"""The settings of an export -> all that can be known and refused before an encoder is loaded.

Nothing here imports torch. The modules of an encoder on the Hub are known only when it is loaded;
`check_modules` is called again then.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hexapla.corpus.reader import Corpus, open_to_search
from hexapla.encoder.alignment_record import AlignRun
from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.config import MAX_HELD_OUT_ROWS
from hexapla.encoder.locate import (
    EXPORTED,
    EncoderFacts,
    describe,
    locate,
    read_json_object,
    read_modules,
)
from hexapla.errors import InputError
from hexapla.evaluation.tasks.judged_pairs import JudgedPairs, read_pairs
from hexapla.export.config import ExportConfig, Format
from hexapla.runs.record import check_apart, check_run_folder, read_record
from hexapla.runs.settings import identity

_ADAPTER = "adapter_config.json"

_LIBRARIES: Mapping[Format, Sequence[str]] = {
    "onnx": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "onnxruntime", "openvino", "nncf"),
    "static": ("model2vec", "skeletoken"),
}
_MIN_ROWS = 2
# What a table of static vectors can stand for: the mean of a text's pieces, of unit length.
_STATIC_MODULES = ("Pooling", "Normalize")


@dataclass(frozen=True, kw_only=True)
class CheckedExport:
    """An encoder that can be exported as far as its files say, and the rows that measure it.

    Attributes:
        facts: What is known of the encoder.
        corpus: The part of the corpus to measure on.
        columns: The cells of its first rows, at most `MAX_HELD_OUT_ROWS`, by language, the pivot
            first.
        held_out: Share of the rows that were held out; 0 if all rows measure.
        judged: Judged pairs, or None.
        identity: Settings and hashes that make this export what it is.
    """

    facts: EncoderFacts
    corpus: Corpus
    columns: Mapping[str, Sequence[str | None]]
    held_out: float
    judged: JudgedPairs | None
    identity: dict[str, Any]

    @property
    def pivots(self) -> list[str]:
        """The pivot texts of the rows; every row has one."""
        return [text for text in self.columns[self.corpus.pivot] if text is not None]


def check_export(config: ExportConfig) -> CheckedExport:
    """Check libraries, encoder, output folder, rows and judged pairs against the settings.

    Raises:
        InputError: One of them cannot be used.
    """
    _check_libraries(config.format)
    folder = _check_source(config)
    check_apart(
        config.out, {"encoder": folder, "corpus": config.corpus, "judged pairs": config.sts}
    )
    check_export_folder(config, {})
    judged = read_pairs(config.sts) if config.sts else None
    whole = open_to_search(config.corpus, config.languages)
    facts = describe(config.encoder)
    held_out = config.held_out
    if held_out is None:
        held_out = _recorded(folder, whole, facts)
    corpus = whole.split(held_out)[1] if held_out else whole
    run = {
        **identity(config),
        "held_out": held_out,
        "encoder_sha256": facts.sha256,
        "corpus_sha256": corpus.sha256,
        "sts_sha256": judged.data_sha if judged else None,
    }
    return CheckedExport(
        facts=facts,
        corpus=corpus,
        columns=_read_columns(config, corpus, held_out),
        held_out=held_out,
        judged=judged,
        identity=run,
    )


def check_export_folder(config: ExportConfig, run: Mapping[str, Any]) -> None:
    """Check that the output folder can be written.

    Raises:
        InputError: It cannot.
    """
    check_run_folder(
        config.out, "export", run, done=EXPORTED, resume=None, overwrite=config.overwrite
    )


def check_modules(name: str, types: Sequence[str], format: Format) -> None:
    """Refuse modules of sentence-transformers that the format has no place for.

    Args:
        name: The encoder.
        types: Class names of the modules, in order.
        format: The format.

    Raises:
        InputError: The first module is no transformer; or the format is static and there is a
            module other than pooling and normalisation.
    """
    if types[0] != "Transformer":
        raise InputError(
            f"{name}: its first module is {types[0]}; export takes encoders that begin with a "
            "transformer"
        )
    if format == "static" and (others := set(types[1:]) - set(_STATIC_MODULES)):
        raise InputError(
            f"{name}: has a {'/'.join(sorted(others))} layer behind its pooling (as --whiten adds "
            "one), which no table of static vectors can hold; give --format onnx, or an encoder "
            "without it"
        )


def _check_libraries(format: Format) -> None:
    for library in _LIBRARIES[format]:
        if importlib.util.find_spec(library) is None:
            raise InputError(
                f"format {format} needs the library {library}; install it with: "
                f"pip install 'hexapla[export-{format}]'"
            )


def _check_source(config: ExportConfig) -> Path | None:
    """Check the encoder's files, and return its folder, None for a Hub name."""
    folder = locate(config.encoder)
    if folder is not None:
        if (folder / _ADAPTER).is_file():
            raise InputError(
                f"{folder / _ADAPTER}: a LoRA adapter that is not merged into its encoder; merge "
                "the two (merge_and_unload in peft), save the encoder, and export that"
            )
        _refuse_own_code(folder)
    check_encoder(
        config.encoder,
        allow_pickle=config.allow_pickle,
        has_pooling=config.pooling is not None,
    )
    if folder is not None and (modules := read_modules(folder)):
        types = [module["type"].rpartition(".")[2] for module in modules]
        check_modules(config.encoder, types, config.format)
    return folder


def _refuse_own_code(folder: Path) -> None:
    """Refuse an encoder with its own code, which the exported folder could not carry."""
    where = [
        path
        for path in sorted(folder.rglob("*config*.json"))
        if read_json_object(path).get("auto_map")
    ]
    foreign = [
        module["type"]
        for module in read_modules(folder)
        if not module["type"].startswith("sentence_transformers.")
    ]
    if where or foreign:
        raise InputError(
            f"{where[0] if where else folder / 'modules.json'}: the encoder has code of its own "
            f"({foreign[0] if foreign else 'auto_map'}); only models of transformers and modules "
            "of sentence-transformers can be exported"
        )


def _recorded(folder: Path | None, corpus: Corpus, facts: EncoderFacts) -> float:
    """Return the share of this corpus that alignment held out; 0 if it used another, or none."""
    if folder is None or facts.corpus != corpus.name:
        return 0.0
    return read_record(folder, AlignRun).get("config", {}).get("held_out") or 0.0


def _read_columns(
    config: ExportConfig, corpus: Corpus, held_out: float
) -> dict[str, list[str | None]]:
    """Read the rows to measure on, and refuse too few rows or cells to search among."""
    columns = corpus.first_cells(MAX_HELD_OUT_ROWS)
    pivots = columns[corpus.pivot]
    part = f" in the share of {held_out:g} that is held out" if held_out else ""
    for language, cells in columns.items():
        both = sum(
            cell is not None and pivot is not None
            for cell, pivot in zip(cells, pivots, strict=True)
        )
        if both < _MIN_ROWS:
            raise InputError(
                f"{config.corpus}: {both} rows{part} have both {corpus.pivot} and {language}; "
                f"{_MIN_ROWS} or more are needed to measure an encoder, so give other rows "
                "(--corpus, --held-out) or languages (--languages)"
            )
    return columns
