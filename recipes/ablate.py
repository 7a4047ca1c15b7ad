"""Ablations of the alignment recipe on real data: each candidate alone, chosen on development data over several seeds.

In: the folders that recipes/README.md lists. The tiny encoder is aligned on 3,000 rows of `stsb-mt/train` in English
and six targets, each variant encoding as many sentences as one epoch of multiway does unless its settings say
otherwise; all-MiniLM-L6-v2, an encoder that is good already, on 1,500 rows and three targets. Judged on 400 rows of
`sib200/train` (bitext with English, 6 seen and 5 unseen languages) and 750 pairs of `stsb-mt/dev` (English, German,
Chinese, Italian).
Out: `results.jsonl`, a line a run, and the encoders. What is there is not run again. Several processes may share `OUT`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.align import AlignConfig, align
from hexapla.evaluate import EvaluateConfig, Score, evaluate

SEEN = ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans", "jpn_Jpan")
UNSEEN = ("ita_Latn", "pol_Latn", "ukr_Cyrl", "tur_Latn", "hin_Deva")
HOLLOW = ("rus_Cyrl", "zho_Hans", "jpn_Jpan")  # they lose four fifths of their cells in `holes.parquet`
PAPER = {"corpus": "rows.parquet", "languages": SEEN, "rows_per_step": 64, "learning_rate": 1e-3}
EN_X = {"regime": "en-x", "budget": "encodings"}
MINILM = {"encoder": "minilm", "corpus": "few.parquet", "languages": SEEN[:4], "learning_rate": 1e-4}
VARIANTS: dict[str, dict[str, Any] | None] = {
    "base": None,
    "paper": {},
    "all": {"negatives": "all"},
    "margin0.2": {"margin": 0.2},
    "margin0.4": {"margin": 0.4},
    "rows32": {"rows_per_step": 32},
    "epochs2": {"epochs": 2},
    "en-x": EN_X,
    "en-x-margin0.4": {**EN_X, "margin": 0.4},
    "en-x-margin0.4-rate2e-3": {**EN_X, "margin": 0.4, "learning_rate": 2e-3},
    "margin0.4-rate2e-3": {"margin": 0.4, "learning_rate": 2e-3},
    "margin0.4-rows32": {"margin": 0.4, "rows_per_step": 32},
    "margin0.4-rows32-all": {"margin": 0.4, "rows_per_step": 32, "negatives": "all"},
    "temperature0.1-margin0.4": {"margin": 0.4, "temperature": 0.1},
    "temperature0.03-margin0.2": {"margin": 0.2, "temperature": 0.03},
    "temperature0.02-margin0.2": {"margin": 0.2, "temperature": 0.02},
    "temperature0.03-margin0.4": {"margin": 0.4, "temperature": 0.03},
    "temperature0.03-margin0.2-rows32": {"margin": 0.2, "temperature": 0.03, "rows_per_step": 32},
    "en-x-temperature0.03-margin0.4": {**EN_X, "margin": 0.4, "temperature": 0.03},
    "preserve-structure": {"preserve": 10.0, "preserve_kind": "structure"},
    "preserve-mse": {"preserve": 3.0, "preserve_kind": "mse"},
    "preserve-correlation": {"preserve": 1.0, "preserve_kind": "correlation"},
    "preserve-correlation3": {"preserve": 3.0, "preserve_kind": "correlation"},
    "centroid": {"positives": "centroid"},
    "agreement": {"cell_weights": "agreement"},
    "apart": {"apart": 0.7},
    "hard": {"epochs": 2, "hard_rows": 1},
    "holes": {"corpus": "holes.parquet"},
    "holes-balance": {"corpus": "holes.parquet", "balance": True},
    "cells3-margin0.4": {"margin": 0.4, "k": 3, "epochs": 2.3333},
    "minilm-base": None,
    "minilm": MINILM,
    "minilm-structure": {**MINILM, "preserve": 30.0, "preserve_kind": "structure"},
    "minilm-mse": {**MINILM, "preserve": 3.0, "preserve_kind": "mse"},
}


def prepare(data: Path, out: Path) -> None:
    """Write the rows to train on and those to judge by."""
    out.mkdir(parents=True, exist_ok=True)
    whole = pq.read_table(data / "stsb-mt" / "train.parquet")
    rows = whole.take(np.sort(np.random.default_rng(0).permutation(len(whole))[:3000]))
    draw = np.random.default_rng(1)
    hollow = {
        name: [None if name in HOLLOW and draw.random() < 0.8 else cell for cell in rows.column(name).to_pylist()]
        for name in rows.column_names
    }
    tables = {"rows": rows, "few": rows.slice(0, 1500), "holes": pa.table(hollow),
              "bitext": pq.read_table(data / "sib200" / "train.parquet").slice(0, 400)}  # fmt: skip
    for name, table in tables.items():
        pq.write_table(table, out / f"{name}.parquet")
    (out / "sts").mkdir(exist_ok=True)
    for language in ("eng_Latn", "deu_Latn", "zho_Hans", "ita_Latn"):
        pairs = pq.read_table(data / "stsb-mt" / "dev" / f"{language}.parquet").slice(0, 750)
        pq.write_table(pairs, out / "sts" / f"{language}.parquet")


def measure(encoder: str, name: str, out: Path) -> dict[str, float]:
    """Return means over languages on the development data."""
    folder = out / "scores" / name
    shutil.rmtree(folder, ignore_errors=True)
    asked: dict[str, Any] = {"encoder": encoder, "seen": SEEN, "batch_size": 64}
    languages = (*SEEN, *UNSEEN)
    bitext = evaluate(
        EvaluateConfig(
            **asked, out=folder / "bitext", suite="bitext", data=out / "bitext.parquet", languages=languages
        ),
        quiet=True,
    )
    sts = evaluate(EvaluateConfig(**asked, out=folder / "sts", suite="sts", data=out / "sts"), quiet=True)

    def mean(scores: list[Score], task: str, metric: str, seen: bool | str) -> float:
        found = [
            score.value
            for score in scores
            if score.task.startswith(f"{task}/") and score.metric == metric and seen in (score.seen, score.languages)
        ]
        return round(float(np.mean(found)), 4)

    return {
        "bitext_seen": mean(bitext, "bitext", "accuracy", True),
        "bitext_unseen": mean(bitext, "bitext", "accuracy", False),
        "sts_seen": mean(sts, "sts", "spearman", True),
        "sts_unseen": mean(sts, "sts", "spearman", False),
        "sts_english": mean(sts, "sts", "spearman", "eng_Latn"),
    }


def run(variant: str, seed: int, args: argparse.Namespace) -> None:
    """Align and measure, unless another process has."""
    name = f"{variant}-seed{seed}"
    try:
        os.close(os.open(args.out / f".{name}.lock", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    settings = VARIANTS[variant]
    encoder, took = str(args.minilm if variant.startswith("minilm") else "tiny"), {}
    if settings is not None:
        chosen = {**PAPER, **settings, "encoder": encoder}
        config = AlignConfig(
            **{**chosen, "corpus": str(args.out / chosen["corpus"])}, out=args.out / "runs" / name, seed=seed,
            report_to="none", precision=args.precision,
        )  # fmt: skip
        result = align(config, quiet=True)
        took = {key: result[key] for key in ("n_steps", "n_encodings", "seconds")}
        encoder = str(args.out / "runs" / name)
    line = {"variant": variant, "seed": seed, **measure(encoder, name, args.out), **took}
    with (args.out / "results.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minilm", type=Path, help="folder of all-MiniLM-L6-v2, for the variants that start with it")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--precision", default="auto")
    args = parser.parse_args()
    if not (args.out / "bitext.parquet").is_file():
        prepare(args.data, args.out)
    for seed in args.seeds:
        for variant in args.variants:
            if args.minilm or not variant.startswith("minilm"):
                run(variant, seed, args)


if __name__ == "__main__":
    main()
