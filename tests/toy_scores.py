"""Score folders made from per-item columns, so that what a comparison must find is known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from scipy.stats import spearmanr

from hexapla.evaluation.scores import Score, per_item_path, signature, write_scores
from hexapla.report import CompareConfig, Comparison, compare

BITEXT = "bitext/toy"
DEU, DEU_BACK = "eng_Latn-deu_Latn", "deu_Latn-eng_Latn"
FRA, FRA_BACK = "eng_Latn-fra_Latn", "fra_Latn-eng_Latn"
SWH, SWH_BACK = "eng_Latn-swh_Latn", "swh_Latn-eng_Latn"
SEEN = ("eng_Latn", "deu_Latn", "fra_Latn")

Columns = Mapping[str, Sequence[float]]


def write_run(
    folder: Path,
    measured: Mapping[tuple[str, str], Columns],
    *,
    regime: str | None = "multiway",
    encoder: str = "encoders/one",
    seen: Sequence[str] | None = SEEN,
    seed: int | None = 0,
    items: Sequence[str] | None = None,
    signed: Mapping[str, object] | None = None,
    sha: str | None = None,
    corpus: str | None = None,
    training: Mapping[str, object] | None = None,
) -> Path:
    """Write scores of (task, languages) from per-item columns; `signed` goes into every signature.

    The weights are the folder's own unless `sha` is given; with `training` a record of the evaluation lies beside.
    """
    sha = sha or f"sha of {folder.name}"
    scores, tables = [], {}
    for (task, languages), columns in measured.items():
        path = per_item_path(task, "test", languages)
        n = len(next(iter(columns.values())))
        tables[path] = pa.table({"item": list(items or map(str, range(n))), **columns})
        values = (
            {"spearman": float(spearmanr(columns["cosine"], columns["gold"]).statistic)}
            if "cosine" in columns
            else {metric: float(np.mean(values)) for metric, values in columns.items()}
        )
        for metric, value in values.items():
            fields = {"task": task, "data": "5a1f", "split": "test", "metric": metric, "n": n, "max_tokens": 128}
            scores.append(
                Score(
                    task=task,
                    metric=metric,
                    value=value,
                    n=n,
                    languages=languages,
                    seen=None if seen is None else set(languages.split("-")) <= set(seen),
                    split="test",
                    encoder=encoder,
                    encoder_sha=sha,
                    corpus=corpus,
                    regime=regime,
                    seed=seed,
                    signature=signature({**fields, **(signed or {})}),
                    per_item=path,
                )
            )
    write_scores(scores, tables, folder)
    if training is not None:
        record = {"command": "evaluate", "encoder": {"name": encoder, "sha256": sha, "training": training}}
        (folder / "run.json").write_text(json.dumps(record))
    return folder


def hits(n_hits: int, n: int = 10) -> Columns:
    return {"accuracy": [1.0] * n_hits + [0.0] * (n - n_hits)}


def two_languages(*n_hits: int) -> dict[tuple[str, str], Columns]:
    return {(BITEXT, pair): hits(n) for pair, n in zip((DEU, DEU_BACK, SWH, SWH_BACK), n_hits, strict=True)}


def base_and_aligned(tmp_path: Path) -> tuple[Path, ...]:
    return (
        write_run(tmp_path / "base", two_languages(1, 3, 2, 2), regime=None, encoder="hub/xlmr", seen=None, seed=None),
        write_run(tmp_path / "aligned", two_languages(7, 9, 2, 4)),
    )


def twins(tmp_path: Path, measured: Mapping[tuple[str, str], Columns], **settings: Any) -> tuple[Path, Path]:
    """Write the same scores of two encoders."""
    return write_run(tmp_path / "one", measured, **settings), write_run(tmp_path / "other", measured, **settings)


def record(regime: str = "multiway", seed: int = 0, **changed: object) -> dict[str, object]:
    """Return what `align` writes of a run, as far as a comparison reads it."""
    return {
        "regime": regime, "seed": seed, "budget": "rows", "n_rows_seen": 10_000,
        "n_encodings": 70_000 if regime == "multiway" else 20_000, "corpus": "courses", "corpus_sha256": "c0ffee1234",
        "languages": list(SEEN), "base": "xlmr", "base_sha256": "ba5e", "temperature": 0.05, "margin": 0.0,
        "negatives": "target", "learning_rate": 2e-5, "rows_per_step": 64, **changed,
    }  # fmt: skip


def write_aligned(
    folder: Path,
    measured: Mapping[tuple[str, str], Columns],
    regime: str = "multiway",
    seed: int = 0,
    signed: Mapping[str, object] | None = None,
    **changed: object,
) -> Path:
    """Write the scores of an encoder whose training is on record; `changed` goes into the record."""
    return write_run(
        folder, measured, regime=regime, encoder=f"out/{folder.name}", seed=seed, corpus="courses", signed=signed,
        training=record(regime, seed, **changed),
    )  # fmt: skip


def run_compare(*scores: Path, n_resamples: int = 200, **settings: object) -> Comparison:
    return compare(CompareConfig(scores=scores, n_resamples=n_resamples, **settings))  # type: ignore[arg-type]


def shown(comparison: Comparison, width: int = 100, **asked: bool) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        comparison.render(console, **asked)
    return capture.get()
