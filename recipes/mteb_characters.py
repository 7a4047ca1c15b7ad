"""Compare the texts of laid-out tasks with MTEB's copies, by the characters that MTEB counted.

`python recipes/mteb_characters.py DIR`, with a folder made by `mteb_folder.py`, needs no network:
the library mteb carries the characters of every subset.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_TEXTS = ("sentence1", "sentence2", "text")


def read_texts(folder: Path, subset: str, split: str) -> list[pa.ChunkedArray]:
    """Return the text columns of a subset, none if the folder lacks it."""
    own, default = (folder / config / f"{split}.parquet" for config in (subset, "default"))
    if own.exists():
        table = pq.read_table(own)
    elif default.exists():
        table = pq.read_table(default)
        if "lang" not in table.column_names:  # a column per language
            return [table[code] for code in subset.split("-") if code in table.column_names]
        table = table.filter(pc.equal(table["lang"], subset))
    else:
        return []
    return [table[name] for name in _TEXTS if name in table.column_names and len(table)]


def counted(statistics: dict[str, Any]) -> list[int]:
    """Return the characters of each text column by MTEB's statistics of a subset."""
    keys = sorted(key for key in statistics if re.fullmatch(r"(text|sentence)\d?_statistics", key))
    return [int(statistics[key]["total_text_length"]) for key in keys]


def compare(folder: Path) -> str:
    """Return how many subsets of a task are equal, and by how much the others differ."""
    spec = find_spec("mteb")
    if spec is None or spec.origin is None:
        raise SystemExit("install the library mteb: pip install 'hexapla[evaluate]'")
    (path,) = Path(spec.origin).parent.glob(f"descriptive_stats/*/{folder.name}.json")
    n_equal, differences = 0, []
    for split, whole in json.loads(path.read_text(encoding="utf-8")).items():
        for subset, statistics in whole["hf_subset_descriptive_stats"].items():
            columns, theirs = read_texts(folder, subset, split), counted(statistics)
            if len(columns) != len(theirs):
                continue
            ours = [int(pc.sum(pc.utf8_length(column)).as_py()) for column in columns]
            n_texts = sum(len(column) for column in columns)
            n_equal += ours == theirs
            if ours != theirs:
                differences.append((sum(theirs) - sum(ours)) / n_texts)
    found = f"{folder.name}: {n_equal} subsets equal"
    if differences:
        low, high = min(differences), max(differences)
        found += f", {len(differences)} with {low:.3f} to {high:.3f} characters more per text there"
    return found


if __name__ == "__main__":
    for task in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
        sys.stdout.write(compare(task) + "\n")
