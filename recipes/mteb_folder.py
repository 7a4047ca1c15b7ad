"""Lay data of the tasks' own sources out as MTEB's repositories do, for `hexapla evaluate --data` without a network.

`python recipes/mteb_folder.py --data DATA --out DIR` takes the folders that `recipes/README.md`
lists and makes `DIR/{Tatoeba,NTREXBitextMining,STSBenchmarkMultilingualSTS,SIB200Classification}`.
Scores on data converted from these sources equal those on MTEB's own copies (checked against
published results to the last digit for bitext and STS).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.evaluation.mteb_table import task_subsets

_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def write_task(folder: Path, configs: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Write a task's repository: `{config: {split: {column: values}}}` as Parquet, and the README that names them."""
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f'- config_name: "{config}"', "  data_files:"]
        for split, columns in splits.items():
            path = Path(config) / f"{split}.parquet"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(dict(columns)), folder / path)
            lines += [f"  - split: {split}", f'    path: "{path.as_posix()}"']
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")


def tatoeba(source: Path, out: Path) -> None:
    """Convert `LANG.parquet` (`LANG`, `eng_Latn`)."""
    rows: dict[str, list[Any]] = {"sentence1": [], "sentence2": [], "lang": []}
    for subset in task_subsets()["Tatoeba"]:
        code = subset.languages[0]
        if (source / f"{code}.parquet").exists():
            found = pq.read_table(source / f"{code}.parquet")
            rows["sentence1"] += found[code].to_pylist()
            rows["sentence2"] += found["eng_Latn"].to_pylist()
            rows["lang"] += [subset.name] * len(found)
    write_task(out, {"default": {"test": rows}})


def ntrex(source: Path, out: Path) -> None:
    """Convert a table of columns by language."""
    found = pq.read_table(source)
    columns = {
        subset.name: found[subset.languages[0]].to_pylist()
        for subset in task_subsets()["NTREXBitextMining"]
        if subset.languages[0] in found.column_names
    }
    write_task(out, {"default": {"test": columns}})


def stsb(source: Path, out: Path) -> None:
    """Convert `{dev,test}/LANG.parquet` (`sentence1`, `sentence2`, `score`)."""
    splits: dict[str, dict[str, list[Any]]] = {}
    for split in ("dev", "test"):
        rows: dict[str, list[Any]] = {
            "sentence1": [],
            "sentence2": [],
            "similarity_score": [],
            "lang": [],
        }
        for subset in task_subsets()["STSBenchmarkMultilingualSTS"]:
            found = pq.read_table(source / split / f"{subset.languages[0]}.parquet")
            for column, name in (
                ("sentence1", "sentence1"),
                ("sentence2", "sentence2"),
                ("similarity_score", "score"),
            ):
                rows[column] += found[name].to_pylist()
            rows["lang"] += [subset.name] * len(found)
        splits[split] = rows
    write_task(out, {"default": splits})


def sib200(source: Path, out: Path) -> None:
    """Convert `{train,dev,test}.parquet` (`id`, `topic` and columns by language)."""
    found = {split: pq.read_table(source / f"{split}.parquet") for split in _SPLITS}
    configs = {
        subset.name: {
            _SPLITS[split]: {
                "index_id": rows["id"].to_pylist(),
                "category": rows["topic"].to_pylist(),
                "text": rows[subset.languages[0]].to_pylist(),
            }
            for split, rows in found.items()
        }
        for subset in task_subsets()["SIB200Classification"]
        if subset.languages[0] in found["test"].column_names
    }
    write_task(out, configs)


def write_all(data: Path, out: Path) -> None:
    """Convert all four."""
    tatoeba(data / "tatoeba", out / "Tatoeba")
    ntrex(data / "ntrex" / "test.parquet", out / "NTREXBitextMining")
    stsb(data / "stsb-mt", out / "STSBenchmarkMultilingualSTS")
    sib200(data / "sib200", out / "SIB200Classification")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_all(arguments.data, arguments.out)
