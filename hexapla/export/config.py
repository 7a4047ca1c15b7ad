"""The settings of an export, checked before anything is opened or loaded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hexapla.encoder.config import ENCODER, PoolingSettings
from hexapla.errors import InputError
from hexapla.runs.config import OutputSettings
from hexapla.runs.ranges import Share
from hexapla.runs.settings import DATA, SAFETY, FilePath, Flag, Languages, Name, settings

Format = Literal["onnx", "openvino", "static"]
Precision = Literal["int8", "float32"]

STATIC_DIM = 256


@settings
class ExportConfig(PoolingSettings, OutputSettings):
    """Settings of an export."""

    encoder: Annotated[Name, ENCODER, Flag(positional=True)]
    """Encoder folder, Hub name, "tiny" or "small"."""
    format: Format
    """onnx runs in ONNX Runtime and Text Embeddings Inference, openvino in OpenVINO. static is a
    table of one vector per piece, made by model2vec: tens of times as fast, and far less accurate
    across languages."""
    precision: Annotated[Precision | None, ENCODER] = None
    """Numbers in the matrices of onnx and openvino, by default int8, which takes a quarter of the
    memory of float32 and is faster. float32 gives the encoder's own vectors."""
    dim: Annotated[Annotated[int, Field(ge=1, le=65536)] | None, ENCODER] = None
    """Dimensions of static vectors, by default 256, or the encoder's own if it has fewer."""
    corpus: Annotated[Name, DATA] = "sample"
    """Corpus folder, table file, or "sample": its rows measure the encoder before and after."""
    languages: Annotated[Languages | None, DATA] = None
    """Columns to measure in. By default all of the corpus; the pivot is always added."""
    held_out: Annotated[Share | None, DATA] = None
    """Share of the rows to measure on, chosen by row hash as `align` chooses them; 0 means all
    rows. By default the share that alignment held out of the same corpus, and otherwise all."""
    sts: Annotated[FilePath | None, DATA] = None
    """Parquet file of pairs with columns sentence1, sentence2, score, to measure similarity on."""
    allow_pickle: Annotated[bool, SAFETY] = False
    """Load weights in formats other than safetensors."""

    def __post_init__(self) -> None:
        """Refuse settings that the format has no use for, and fill in the default precision."""
        if self.format == "static":
            if self.precision is not None:
                raise InputError(
                    "precision is a setting of onnx and openvino; leave --precision out with static"
                )
            return
        if self.dim is not None:
            raise InputError("dim is a setting of static; leave --dim out, or give --format static")
        if self.precision is None:
            object.__setattr__(self, "precision", "int8")
