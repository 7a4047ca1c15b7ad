"""Export an encoder to each format, and compare what comes out with the encoder itself.

In: the encoder `small` (`hexapla fetch-encoder small`), and of the folder `HEXAPLA_DATA` (by
default ../shared/data; see recipes/README.md) FLORES sentences (the test set of SIB-200, which no
training uses) and the English pairs of STS Benchmark's test set.
Out: for each format the table of `hexapla export`, in which sentences per second are those of
`SentenceTransformer.encode`; and, for graphs, those of `encode`, by which every command encodes.

    python -m benchmarks.export [onnx openvino static] [--encoder small] [--threads 2]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from sentence_transformers import SentenceTransformer

from hexapla.encoder.encode import encode
from hexapla.encoder.load import load_encoder
from hexapla.export import ExportConfig, export
from hexapla.export.check_export import check_export
from hexapla.export.config import Format
from hexapla.export.export_card import export_table
from hexapla.export.export_quality import time_encoders
from hexapla.export.exported_transformer import exchanged
from hexapla.export.graph_files import open_graph

DATA = Path(os.environ.get("HEXAPLA_DATA", "../shared/data"))
LANGUAGES = "eng_Latn,deu_Latn,fra_Latn,rus_Cyrl,zho_Hans,hin_Deva,swh_Latn"


def settings(encoder: str, format: Format, out: Path) -> ExportConfig:
    """Return the settings of an export of an encoder."""
    return ExportConfig(
        encoder=encoder,
        format=format,
        corpus=str(DATA / "sib200" / "test.parquet"),
        languages=LANGUAGES,
        sts=DATA / "stsb-mt" / "test" / "eng_Latn.parquet",
        out=out,
    )


def encode_speeds(model: SentenceTransformer, config: ExportConfig) -> dict[str, float]:
    """Return the sentences per second of `encode`, with PyTorch and with the exported graph."""
    graph = open_graph(config.format, model, config.out)

    def run(texts: list[str]) -> object:
        return encode(model, texts, task="BitextMining")

    def run_exported(texts: list[str]) -> object:
        with exchanged(model, graph):
            return run(texts)

    encoders: dict[str, Callable[[list[str]], object]] = {"before": run, "after": run_exported}
    return time_encoders(encoders, check_export(settings_of_rows(config)).columns)


def settings_of_rows(config: ExportConfig) -> ExportConfig:
    """Return the same settings with an output folder that is free."""
    return settings(config.encoder, config.format, config.out.with_name("free"))


def main() -> None:
    """Measure the formats that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("formats", nargs="*", default=["onnx", "openvino", "static"])
    parser.add_argument("--encoder", default="small")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    console = Console(width=100)
    with tempfile.TemporaryDirectory() as folder:
        for format in given.formats:
            config = settings(given.encoder, format, Path(folder) / format)
            record = export(config, quiet=True)
            console.print(f"{given.encoder}, {record['threads']} threads, {record['n_rows']} rows")
            console.print(export_table(record))
            speed = record["sentences_per_s"]
            lines = {"SentenceTransformer.encode": speed}
            if format != "static":
                lines["hexapla's encode"] = encode_speeds(load_encoder(given.encoder), config)
            for name, of in lines.items():
                ratio = of["after"] / of["before"]
                console.print(f"{name}: {of['before']:.1f} to {of['after']:.1f}/s, {ratio:.2f}x")


if __name__ == "__main__":
    main()
