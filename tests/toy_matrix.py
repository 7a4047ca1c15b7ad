"""A matrix of experiments that takes seconds: the toy corpus, toy encoders, three regimes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hexapla.corpus.writer import write_corpus
from hexapla.reproduce import ReproduceConfig, stage
from hexapla.reproduce.executors import Receipt, attempt
from hexapla.reproduce.job import Job
from tests.toy import LANGUAGES, toy_encoder, toy_rows

TOY = """
title = "Toy matrix"

[align]
rows_per_step = 8
learning_rate = 3e-3
epochs = 2

[corpora.toy]
path = "DATA/corpus"
n_rows = {n_rows}

[encoders.one]
name = "DATA/one"
[encoders.two]
name = "DATA/two"

[regimes.multiway]
regime = "multiway"
[regimes.en-x]
regime = "en-x"

[suites.toy]
suite = "bitext"
data = "DATA/test"

[experiments.main]
encoders = {encoders}
corpora = ["toy"]
regimes = ["base", "en-x", "multiway"]
baseline = "en-x"
seeds = {seeds}
suites = ["toy"]
page = false
"""


def toy_data(folder: Path) -> Path:
    """Write the corpora and the encoders that the recipe names."""
    folder.mkdir(parents=True)
    write_corpus(toy_rows(60), folder / "corpus", languages=LANGUAGES)
    write_corpus(toy_rows(24, seed=9), folder / "test", languages=LANGUAGES)
    toy_encoder(folder / "one", dropout=0.1)
    toy_encoder(folder / "two", dropout=0.1, seed=1)
    return folder


def toy_recipe(
    path: Path, *, encoders: tuple[str, ...] = ("one",), seeds: tuple[int, ...] = (0,), n_rows: int = 32, more: str = ""
) -> Path:
    path.write_text(TOY.format(encoders=json.dumps(encoders), seeds=json.dumps(seeds), n_rows=n_rows) + more)
    return path


def toy_config(recipe: Path, data: Path, out: Path, **changes: Any) -> ReproduceConfig:
    return ReproduceConfig(recipe=recipe, data=data, out=out, **changes)


def do_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have jobs done in this process, and return the list of their labels; a worker's start takes longer than a toy job."""
    done: list[str] = []

    class Here:
        def __init__(self, n_workers: int) -> None:
            pass

        def __call__(self, jobs: Iterator[Job]) -> Iterator[Receipt]:
            for job in jobs:
                done.append(job.label)
                yield Receipt(job, *attempt(job))

    monkeypatch.setattr(stage, "Processes", Here)
    return done


def results(out: Path) -> dict[str, str]:
    """Return all that a result folder says, but for times: scores, what is per item, comparisons, results."""
    found = {}
    for path in sorted(out.rglob("*")):
        inside = path.relative_to(out).as_posix()
        if not path.is_file() or inside.startswith(("logs/", ".")):
            continue
        if path.suffix == ".parquet":
            found[inside] = hashlib.sha256(json.dumps(pq.read_table(path).to_pylist()).encode()).hexdigest()
        elif path.name in ("scores.jsonl", "results.md", "model.safetensors"):
            found[inside] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
