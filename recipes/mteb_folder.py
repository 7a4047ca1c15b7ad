"""Convert the original data of four tasks to the layout of MTEB's repositories.

`python recipes/mteb_folder.py --data DATA --out DIR` reads the folders that `recipes/README.md`
lists and writes `DIR/{Tatoeba,NTREXBitextMining,STSBenchmarkMultilingualSTS,SIB200Classification}`,
with which `hexapla evaluate --data DIR` needs no network.
Scores on data converted from these sources equal those on MTEB's copies (checked against published
results to the last digit for bitext and STS).
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
    """Write a task's repository: Parquet files, and a README that lists them.

    Args:
        folder: Where the repository is written.
        configs: `{config: {split: {column: values}}}`.
    """
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
            table = pq.read_table(source / f"{code}.parquet")
            rows["sentence1"] += table[code].to_pylist()
            rows["sentence2"] += table["eng_Latn"].to_pylist()
            rows["lang"] += [subset.name] * len(table)
    write_task(out, {"default": {"test": rows}})


def ntrex(source: Path, out: Path) -> None:
    """Convert a table with one column per language."""
    table = pq.read_table(source)
    columns = {
        subset.name: table[subset.languages[0]].to_pylist()
        for subset in task_subsets()["NTREXBitextMining"]
        if subset.languages[0] in table.column_names
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
            table = pq.read_table(source / split / f"{subset.languages[0]}.parquet")
            for column, name in (
                ("sentence1", "sentence1"),
                ("sentence2", "sentence2"),
                ("similarity_score", "score"),
            ):
                rows[column] += table[name].to_pylist()
            rows["lang"] += [subset.name] * len(table)
        splits[split] = rows
    write_task(out, {"default": splits})


def sib200(source: Path, out: Path) -> None:
    """Convert `{train,dev,test}.parquet` (`id`, `topic` and one column per language)."""
    tables = {split: pq.read_table(source / f"{split}.parquet") for split in _SPLITS}
    configs = {
        subset.name: {
            _SPLITS[split]: {
                "index_id": rows["id"].to_pylist(),
                "category": rows["topic"].to_pylist(),
                "text": rows[subset.languages[0]].to_pylist(),
            }
            for split, rows in tables.items()
        }
        for subset in task_subsets()["SIB200Classification"]
        if subset.languages[0] in tables["test"].column_names
    }
    write_task(out, configs)


def write_all(data: Path, out: Path) -> None:
    """Convert all four tasks."""
    tatoeba(data / "tatoeba", out / "Tatoeba")
    ntrex(data / "ntrex" / "test.parquet", out / "NTREXBitextMining")
    stsb(data / "stsb-mt", out / "STSBenchmarkMultilingualSTS")
    sib200(data / "sib200", out / "SIB200Classification")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the original data")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    write_all(arguments.data, arguments.out)
