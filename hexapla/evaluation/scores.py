"""Scores and the per-item statistics behind them -> a score folder, and back.

A score folder holds `scores.jsonl` (one `Score` a line, written last: a folder without it is
unfinished) and one Parquet table per task, split and languages under `per_item/`. The decision
worth knowing: what a score averages is kept item by item, so that confidence intervals and
comparisons resample items and never encode a sentence again.

A table has a string column `item`, which names the same item in every encoder's table, and float
columns. A metric that is a column of its table is that column's mean; `spearman` is the rank
correlation of the columns `cosine` and `gold`.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.errors import InputError, did_you_mean
from hexapla.runs.atomic import write_text
from hexapla.runs.record import check_folder_to_be

SCORES_FILE = "scores.jsonl"
PER_ITEM_FOLDER = "per_item"

# The columns that a metric is computed from, where it is not the mean of the column of its own
# name.
RANKED_COLUMNS: Mapping[str, tuple[str, ...]] = {"spearman": ("cosine", "gold")}


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number, with all that is needed to say what it is and to compute it again.

    Attributes:
        task: Kind and name, as `bitext/sib200`.
        metric: `accuracy`, `f1`, `margin_accuracy` (bitext), `accuracy` (topics) or `spearman`
            (STS); higher is better.
        value: A fraction: 0 to 1, for `spearman` -1 to 1.
        n: Number of items that the value is over, rows with an empty cell left out.
        languages: One language, or source-target as `eng_Latn-deu_Latn` (zero-shot: trained on -
            tested on).
        seen: Whether every one of the languages was a column in alignment training; None when that
            is not known.
        split: `test`, `dev`, `all`, `held-out-0.05`, ...
        encoder: Name or folder that was evaluated.
        encoder_sha: SHA-256 of its weights.
        corpus: The corpus it was aligned on, if known.
        regime: The regime it was aligned with, if known.
        seed: The seed of its alignment, if known.
        signature: What reproduces the value, as `signature` writes it.
        per_item: Path of the per-item table, relative to the scores file, with `/` on every system.
    """

    task: str
    metric: str
    value: float
    n: int
    languages: str
    seen: bool | None
    split: str
    encoder: str
    encoder_sha: str
    corpus: str | None
    regime: str | None
    seed: int | None
    signature: str
    per_item: str | None


def signature(fields: Mapping[str, object]) -> str:
    """Join what reproduces a score into one line, in the manner of sacrebleu.

    Fields that are None do not apply and are left out. `|` inside a value is written `%7C`, so that
    a prompt or a file name cannot pass for a field.

    >>> signature({"task": "bitext/sib200", "k": None, "prompt": "query: "})
    'task:bitext/sib200|prompt:query: '
    """
    return "|".join(
        f"{key}:{_escape(str(value))}" for key, value in fields.items() if value is not None
    )


def parse_signature(text: str) -> dict[str, str]:
    """Split a signature into its fields again.

    >>> parse_signature("task:bitext/sib200|prompt:query: ")
    {'task': 'bitext/sib200', 'prompt': 'query: '}
    """
    pairs = (field.partition(":") for field in text.split("|"))
    return {key: _unescape(value) for key, _, value in pairs}


def _escape(value: str) -> str:
    return value.replace("%", "%25").replace("|", "%7C")


def _unescape(value: str) -> str:
    return value.replace("%7C", "|").replace("%25", "%")


def per_item_path(task: str, split: str, languages: str) -> str:
    """Return where the per-item table of a task, split and languages lies, relative to the scores file.

    >>> per_item_path("bitext/sib200", "test", "eng_Latn-deu_Latn")
    'per_item/bitext/sib200.test.eng_Latn-deu_Latn.parquet'
    """
    return f"{PER_ITEM_FOLDER}/{task}.{split}.{languages}.parquet"


def write_scores(
    scores: Sequence[Score],
    per_item: Mapping[str, pa.Table],
    out_dir: str | Path,
    *,
    overwrite: bool = False,
) -> Path:
    """Write a score folder: the per-item tables first, `scores.jsonl` last and in one step.

    Args:
        scores: In the order in which they are to be written.
        per_item: The table behind each score, by `Score.per_item`; one table may serve several
            metrics.
        out_dir: The folder; made if need be. Other files in it are left alone.
        overwrite: Replace the scores and tables that are there.

    Returns:
        The path of `scores.jsonl`.

    Raises:
        InputError: When there are scores in `out_dir` already and `overwrite` is off.
        ValueError: When a score and its table do not fit each other, or a value is not finite.
    """
    for score in scores:
        if score.per_item is not None:
            if score.per_item not in per_item:
                raise ValueError(
                    f"{score.task} {score.languages}: no table is given for {score.per_item}"
                )
            check_table(score, per_item[score.per_item], score.per_item)
    lines = [
        json.dumps(dataclasses.asdict(score), ensure_ascii=False, allow_nan=False)
        for score in scores
    ]
    out = Path(out_dir)
    check_no_scores(out, overwrite=overwrite)
    out.mkdir(parents=True, exist_ok=True)
    remove_scores(out)
    for path, table in per_item.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, out / path, compression="zstd")
    write_text(out / SCORES_FILE, "".join(f"{line}\n" for line in lines))
    return out / SCORES_FILE


def check_no_scores(out: Path, *, overwrite: bool) -> None:
    """Refuse a path that is a file, and without `overwrite` a folder that holds scores.

    Raises:
        InputError: With the path, and what to do.
    """
    check_folder_to_be(out)
    if not overwrite and ((out / SCORES_FILE).exists() or (out / PER_ITEM_FOLDER).exists()):
        raise InputError(
            f"{out} already holds scores; give another folder, or overwrite (--overwrite)"
        )


def remove_scores(out: Path) -> None:
    """Remove the scores and then their tables, so that a kill in between leaves no score without its table."""
    (out / SCORES_FILE).unlink(missing_ok=True)
    if (out / PER_ITEM_FOLDER).exists():
        shutil.rmtree(out / PER_ITEM_FOLDER)


def read_scores(path: str | Path) -> list[Score]:
    """Read the scores of a folder, or of one `scores.jsonl`.

    Raises:
        InputError: No such path, a folder without scores, or a line that is not a score (with its
            number).
    """
    file = _scores_file(path)
    scores = []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            scores.append(parse_line(line))
        except ValueError as error:
            raise InputError(f"{file}:{number}: not a score: {error}") from error
    if not scores:
        raise InputError(f"{file} holds no scores")
    return scores


def parse_line(line: str) -> Score:
    """Read one line of a scores file.

    Raises:
        ValueError: It is not a score; what is wrong with it.
    """
    return _parse(json.loads(line, parse_constant=_refuse_constant))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


@lru_cache(maxsize=1)
def _kinds() -> Mapping[str, Any]:
    """Return the types of a score's fields; finding them out anew for each of 20,000 lines takes seconds."""
    return get_type_hints(Score)


def _parse(fields: Any) -> Score:
    """Check the names and types of a score's fields; what JSON says is not to be trusted before."""
    if not isinstance(fields, dict):
        raise ValueError("a score is a JSON object")
    kinds = _kinds()
    if missing := [name for name in kinds if name not in fields]:
        raise ValueError(f"it has no {', '.join(missing)}")
    for name, value in fields.items():
        if name not in kinds:
            raise ValueError(
                f'it has a field "{name}" that this version does not know{did_you_mean(name, kinds)}'
            )
        allowed = get_args(kinds[name]) or (kinds[name],)
        if type(value) not in allowed and not (type(value) is int and float in allowed):
            wanted = " or ".join(
                "null" if kind is type(None) else kind.__name__ for kind in allowed
            )
            raise ValueError(f"{name} is {json.dumps(value)}; it must be {wanted}")
    return Score(**{**fields, "value": float(fields["value"])})


def read_per_item(score: Score, path: str | Path) -> pa.Table:
    """Read the table that a score was computed from.

    Args:
        score: One of `read_scores(path)`.
        path: What was given to `read_scores`.

    Returns:
        A table of `score.n` rows: `item` and float columns.

    Raises:
        InputError: The score has no table, or it is missing, unreadable, or of another size or
            other columns.
    """
    if score.per_item is None:
        raise InputError(
            f"{score.task} {score.languages} {score.metric} has no per-item table; evaluate again"
        )
    folder = _scores_file(path).parent
    file = folder / score.per_item
    if not file.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{score.per_item} lies outside {folder}; per-item tables lie beside their scores"
        )
    if not file.is_file():
        raise InputError(
            f"{file} is missing; it belongs to the scores in {folder}, copy the whole folder"
        )
    try:
        table = pq.read_table(file, use_threads=False)  # small, and there may be thousands
        check_table(score, table, str(file))
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise InputError(f"{file} cannot be used: {error}") from error
    return table


def _scores_file(path: str | Path) -> Path:
    path = Path(path)
    if path.is_dir():
        if not (path / SCORES_FILE).is_file():
            raise InputError(
                f"{path} has no {SCORES_FILE}: not a score folder, or its evaluation did not finish"
            )
        return path / SCORES_FILE
    if not path.is_file():
        raise InputError(f"{path} does not exist; give a folder that `hexapla evaluate` wrote")
    return path


def check_table(score: Score, table: pa.Table, name: str) -> None:
    """Refuse a table that the score cannot have been computed from; the error is a ValueError."""
    needed = ("item", *RANKED_COLUMNS.get(score.metric, (score.metric,)))
    missing = [column for column in needed if column not in table.column_names]
    if missing:
        raise ValueError(
            f"{name} has no column {', '.join(missing)}, which {score.metric} is computed from"
        )
    if table.num_rows != score.n:
        raise ValueError(f"{name} has {table.num_rows} rows; the score is over {score.n}")
