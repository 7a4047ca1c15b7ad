"""Checkpoints that count only once they are complete on the disk."""

from __future__ import annotations

import json
from pathlib import Path

from hexapla.runs.atomic import flush_folder, write_json

COMPLETE = "whole.json"
"""Written last into a checkpoint; a checkpoint without it is not resumed."""


def complete_checkpoint(checkpoint: Path, *, step: int, n_processes: int) -> None:
    """Wait until a checkpoint is on the disk, and then mark it as complete."""
    flush_folder(checkpoint)
    write_json(checkpoint / COMPLETE, {"step": step, "processes": n_processes})


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint of a folder, or None."""
    complete = [path for path in folder.glob("checkpoint-*") if (path / COMPLETE).is_file()]
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def n_processes_of(checkpoint: Path) -> int:
    """Return how many processes wrote a checkpoint."""
    record = json.loads((checkpoint / COMPLETE).read_text(encoding="utf-8"))
    return int(record["processes"])
