"""Make a pocket encoder, and measure it beside what it was made from.

The lowest four layers of multilingual-e5-small are trimmed to seven languages, taught by all twelve
layers on 10,072 rows while they are aligned, and exported to int8. The seconds of each stage are
printed.

In: `hexapla fetch-encoder small`, and of DATA (`recipes/README.md`) `stsb-mt/train.parquet` to
train on; `sib200/test.parquet`, `tatoeba/deu_Latn.parquet` and `stsb-mt/test` to measure.
Out: OUT/{trimmed,aligned,pocket,static}, and a table: accuracy in percent over the FLORES sentences
of `sib200/test` between English and the six other languages, and between each two of these;
Spearman's correlation on English STS; sentences per second of FLORES and of Tatoeba, which are a
third as long; and the size on disk.

    python -m recipes.pocket --data DATA --out OUT [--rows 10072] [--threads 2]
        [--precision bf16]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
import torch
from sentence_transformers import SentenceTransformer

from benchmarks.align import SEVEN
from hexapla import AlignConfig, align
from hexapla.encoder.encode import encode
from hexapla.encoder.held_out import retrieval_accuracy
from hexapla.encoder.load import load_encoder
from hexapla.encoder.locate import locate
from hexapla.evaluation.tasks.sts import cosines, spearman
from hexapla.export import ExportConfig, export
from hexapla.export.export_quality import time_encoders
from hexapla.export.exported_transformer import exchanged
from hexapla.export.graph_files import open_graph
from hexapla.trim import TrimConfig, trim

_MB = 10**6
Columns = Mapping[str, Sequence[str]]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Quality:
    """What an encoder reached, 0 to 1.

    Attributes:
        with_english: Accuracy between English and each other language, in both directions.
        without: Accuracy between each two of the others.
        sts: Spearman's correlation in English.
    """

    with_english: float
    without: float
    sts: float


def make(data: Path, out: Path, n_rows: int, precision: Precision) -> None:
    """Trim, align and export what is not there yet, and print how long each took."""
    rows = out / "rows.parquet"
    table = pq.read_table(data / "stsb-mt" / "train.parquet", columns=list(SEVEN))
    pq.write_table(table.slice(0, n_rows), rows)
    trimming = TrimConfig(
        encoder="small@4", languages=SEVEN, corpus=(str(rows),), out=out / "trimmed"
    )
    alignment = AlignConfig(
        corpus=str(rows),
        encoder=str(out / "trimmed"),
        teacher="small",
        teacher_weight=50,
        learning_rate=5e-4,
        precision=precision,
        epochs=3,
        held_out=0,
        out=out / "aligned",
    )
    pocket, static = (
        ExportConfig(
            encoder=encoder,
            format=format,
            corpus=str(data / "sib200" / "test.parquet"),
            languages=SEVEN,
            out=out / name,
        )
        for encoder, format, name in (
            (str(out / "aligned"), "onnx", "pocket"),
            ("small", "static", "static"),
        )
    )
    stages: dict[str, Callable[[], object]] = {
        "trimmed": partial(trim, trimming, quiet=True),
        "aligned": partial(align, alignment, quiet=True),
        "pocket": partial(export, pocket, quiet=True),
        "static": partial(export, static, quiet=True),
    }
    for name, stage in stages.items():
        if not (out / name / "modules.json").exists():
            started = time.monotonic()
            stage()
            print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)


def measure(model: SentenceTransformer, data: Path) -> Quality:
    """Return what an encoder reaches on the test sets."""
    vectors = [
        dict(enumerate(encode(model, texts, task="BitextMining")))
        for texts in read(data / "sib200" / "test.parquet", SEVEN).values()
    ]
    judged = read(data / "stsb-mt" / "test" / "eng_Latn.parquet", ("sentence1", "sentence2"))
    sides = (encode(model, texts, task="STS") for texts in judged.values())
    gold = pq.read_table(data / "stsb-mt" / "test" / "eng_Latn.parquet")["score"].to_numpy()
    return Quality(
        with_english=retrieval_accuracy(vectors),
        without=float(np.mean([retrieval_accuracy(pair) for pair in combinations(vectors[1:], 2)])),
        sts=spearman(cosines(*sides), gold.astype(np.float64)),
    )


def read(file: Path, names: Sequence[str]) -> Columns:
    """Return columns of a table."""
    table = pq.read_table(file, columns=list(names))
    return {name: table[name].to_pylist() for name in names}


@contextmanager
def pocket(out: Path) -> Iterator[SentenceTransformer]:
    """Open the exported encoder."""
    model = load_encoder(out / "aligned")
    with exchanged(model, open_graph("onnx", model, out / "pocket")) as exported:
        yield exported


def table(data: Path, out: Path) -> None:
    """Measure all encoders that are there, and print a line for each."""
    folders = {
        "multilingual-e5-small": locate("small"),
        "model2vec of it": out / "static",
        "its lowest four layers": locate("small@4"),
        "trimmed and aligned": out / "aligned",
        "pocket (int8)": out / "pocket",
    }
    folders = {name: each for name, each in folders.items() if each and each.is_dir()}
    flores = read(data / "sib200" / "test.parquet", SEVEN)
    tatoeba = read(data / "tatoeba" / "deu_Latn.parquet", ("deu_Latn", "eng_Latn"))
    print("| encoder | with English | without | STS en | FLORES/s | Tatoeba/s | MB |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    with pocket(out) as exported:
        models = {
            name: exported if name.startswith("pocket") else load_encoder(str(folder))
            for name, folder in folders.items()
        }
        found = {name: measure(model, data) for name, model in models.items()}
        runs = {name: partial(run, model) for name, model in models.items()}
        long, short = time_encoders(runs, flores), time_encoders(runs, tatoeba)
    for name, folder in folders.items():
        got = found[name]
        print(
            f"| {name} | {got.with_english:.1%} | {got.without:.1%} | {100 * got.sts:.1f} | "
            f"{long[name]:,.0f} | {short[name]:,.0f} | {size(folder) / _MB:,.0f} |",
            flush=True,
        )


def run(model: SentenceTransformer, texts: list[str]) -> None:
    """Encode texts as every command does."""
    encode(model, texts, task="BitextMining")


def size(folder: Path | None) -> int:
    """Return the bytes of a folder's files."""
    assert folder is not None
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main() -> None:
    """Make the encoder and measure it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=10_072)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    make(given.data, given.out, given.rows, given.precision)
    table(given.data, given.out)


if __name__ == "__main__":
    main()
