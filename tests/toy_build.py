"""A small build that needs no weights, started anew or gone on with, and what it leaves."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hexapla.build import BuildConfig, build
from hexapla.sources import SourceConfig
from tests.toy import toy_rows
from tests.toy_translator import ToyTranslator

N_ROWS = 60


def write_text(folder: Path, n_rows: int = N_ROWS) -> Path:
    """Write toy sentences, a line each; every tenth is repeated and some are too short."""
    path = folder / "text.txt"
    lines = [f"{row['eng_Latn']}." for row in toy_rows(n_rows)]
    path.write_text("\n".join([*lines, *lines[::10], "eng01."]) + "\n")
    return path


def toy_config(folder: Path, **changes: Any) -> BuildConfig:
    """Return a build of the text in `folder` into two languages, 32 rows a shard."""
    settings = {
        "source": SourceConfig(texts=(str(folder / "text.txt"),), split_sentences=False),
        "to": ("deu_Latn", "fra_Latn"),
        "translator": ToyTranslator(),
        "out": folder / "corpus",
        "near_duplicates": None,
        "rows_per_shard": 32,
        "max_loss": 0.5,
    }
    return BuildConfig(**(settings | changes))


def start_or_resume(config: BuildConfig) -> None:
    """Do what a user does after a kill: go on with what is there, else start."""
    unfinished = config.work.is_dir() and any(not path.name.startswith(".") for path in config.work.iterdir())
    build(replace(config, resume=unfinished or config.out.exists()), quiet=True)


def tree(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file under a folder, hidden ones too; of `run.json` but for the commit it ran at."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(_content(path)).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _content(path: Path) -> bytes:
    if path.name != "run.json":
        return path.read_bytes()
    run = json.loads(path.read_text())
    run["versions"].pop("commit", None)
    return json.dumps(run).encode()
