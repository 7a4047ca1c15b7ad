"""Convert the original data of eight tasks to the layout of MTEB's repositories.

`python recipes/mteb_folder.py --data DATA --out DIR` reads the folders that `recipes/README.md`
lists and writes one folder per task, with which `hexapla evaluate --data DIR` needs no network.
A task whose data are not in DATA is left out and named.
Scores on data converted from these sources equal those on MTEB's copies (checked against published
results to the last digit for bitext and STS).
"""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.evaluation.mteb_table import task_subsets

# MTEB's names of the splits, by the names of the files.
_SPLITS = {"train": "train", "dev": "validation", "valid": "validation", "test": "test"}
# NusaX's labels, in the order of MTEB's numbers.
_SENTIMENTS = ("negative", "neutral", "positive")
_QUOTED = re.compile('"((?:[^"]|"")*)"', re.DOTALL)
_log = logging.getLogger(__name__)


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
    tables = {
        split: pq.read_table(source / f"{split}.parquet") for split in ("train", "dev", "test")
    }
    configs = {
        subset.name: {
            _SPLITS[split]: {
                "index_id": rows["id"].to_pylist(),
                "category": rows["topic"].to_pylist(),
                "text": [unquote(text) for text in rows[subset.languages[0]].to_pylist()],
            }
            for split, rows in tables.items()
        }
        for subset in task_subsets()["SIB200Classification"]
        if subset.languages[0] in tables["test"].column_names
    }
    write_task(out, configs)


def amazon_counterfactual(source: Path, out: Path) -> None:
    """Convert `{train,valid,test}/LANG.parquet` (`text`, `label`, which is 0 or 1)."""
    configs = {}
    for subset in task_subsets()["AmazonCounterfactualClassification"]:
        splits = {}
        for split in ("train", "valid", "test"):
            path = source / split / f"{subset.languages[0]}.parquet"
            columns = _read_columns(path, ("text", "label"))
            splits[_SPLITS[split]] = {**columns, "text": list(map(unquote, columns["text"]))}
        configs[subset.name] = splits
    write_task(out, configs)


def semrel24(source: Path, out: Path) -> None:
    """Convert `LANG.parquet` (`sentence1`, `sentence2`, `score`)."""
    configs = {
        subset.name: {"test": _read_columns(path, ("sentence1", "sentence2", "score"))}
        for subset in task_subsets()["SemRel24STS"]
        if (path := source / f"{subset.languages[0]}.parquet").exists()
    }
    write_task(out, configs)


def nusax_senti(source: Path, out: Path) -> None:
    """Convert `{train,valid,test}.parquet` (`topic` and one column per language)."""
    tables = {
        split: pq.read_table(source / f"{split}.parquet") for split in ("train", "valid", "test")
    }
    configs = {
        subset.name: {
            _SPLITS[split]: {
                "text": rows[subset.languages[0]].to_pylist(),
                "label": [_SENTIMENTS.index(topic) for topic in rows["topic"].to_pylist()],
            }
            for split, rows in tables.items()
        }
        for subset in task_subsets()["NusaX-senti"]
        if subset.languages[0] in tables["test"].column_names
    }
    write_task(out, configs)


def nusax_bitext(source: Path, out: Path) -> None:
    """Convert `train.parquet` (one column per language), whose rows are those of MTEB's pairs."""
    rows = pq.read_table(source / "train.parquet")
    configs = {
        subset.name: {
            "train": {
                f"sentence{number}": rows[code].to_pylist()
                for number, code in enumerate(subset.languages, start=1)
            }
        }
        for subset in task_subsets()["NusaXBitextMining"]
        if set(subset.languages) <= set(rows.column_names)
    }
    write_task(out, configs)


def unquote(text: str) -> str:
    """Undo the quoting of a text that was cut from a TSV file, as MTEB's copies have it undone.

    >>> unquote('"He said ""yes""."')
    'He said "yes".'
    >>> unquote('He said "yes".')
    'He said "yes".'
    """
    match = _QUOTED.fullmatch(text)
    return match[1].replace('""', '"') if match else text


def _read_columns(path: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    table = pq.read_table(path, columns=list(names))
    return {name: table[name].to_pylist() for name in names}


# The path of each task's data, and what converts them.
_TASKS: Mapping[str, tuple[str, Callable[[Path, Path], None]]] = {
    "Tatoeba": ("tatoeba", tatoeba),
    "NTREXBitextMining": ("ntrex/test.parquet", ntrex),
    "NusaXBitextMining": ("nusax", nusax_bitext),
    "STSBenchmarkMultilingualSTS": ("stsb-mt", stsb),
    "SemRel24STS": ("semrel24", semrel24),
    "SIB200Classification": ("sib200", sib200),
    "AmazonCounterfactualClassification": ("amazon-counterfactual", amazon_counterfactual),
    "NusaX-senti": ("nusax", nusax_senti),
}


def write_all(data: Path, out: Path) -> None:
    """Convert the tasks whose data are there, and name the others."""
    for name, (place, convert) in _TASKS.items():
        if (data / place).exists():
            convert(data / place, out / name)
        else:
            _log.warning("%s is left out: there is no %s", name, data / place)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the original data")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    write_all(arguments.data, arguments.out)
