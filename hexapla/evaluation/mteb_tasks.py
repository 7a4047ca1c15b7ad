"""MTEB's tasks, loaded by MTEB's own classes from the Hub or from a folder -> tasks of ours, with both directions.

Only the test split is measured: MTEB's default for several tasks averages validation, or even
train, into the score.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from hexapla.errors import InputError
from hexapla.evaluation.config import Pairs
from hexapla.evaluation.mteb_table import (
    BITEXT,
    SIDE_BY_SIDE,
    SPLITS,
    STS,
    TASKS,
    Subset,
    languages_of,
    table,
)
from hexapla.evaluation.retrieval import NEIGHBOURS
from hexapla.evaluation.tasks.bitext import BitextTask, unique
from hexapla.evaluation.tasks.classification import Side, TopicsTask, few_shot_draws, only_drawn
from hexapla.evaluation.tasks.inputs import short_sha
from hexapla.evaluation.tasks.sts import StsTask, sentence_pairs

FETCHED = (
    "hexapla-fetched.json"  # which revision of which repository a folder of `fetch-data` holds
)
_PIVOT = "eng_Latn"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """One of MTEB's tasks with its data, as MTEB's own evaluation takes it, and ours made of it.

    Attributes:
        task: MTEB's.
        split: What is measured.
        revision: Of the data's repository; `local` for a folder that does not say.
        ours: With the same rows; one a pair where each pair has rows of its own.
    """

    task: Any
    split: str
    revision: str
    ours: Sequence[BitextTask | StsTask | TopicsTask]


def read_mteb(
    names: Sequence[str],
    *,
    data: Path | None = None,
    languages: Sequence[str] | None = None,
    pairs: Pairs = "pivot",
    seed: int = 42,
) -> list[Loaded]:
    """Load tasks and choose their languages; all can be refused before anything is loaded, but what the data show.

    Args:
        names: Of tasks, as `parse_suite` gives them.
        data: A folder with a copy of each task's repository under the task's name; None for the
            Hub, or its cache.
        languages: Those to measure next to English; all by default. A task takes those that it has.
        pairs: In tasks whose languages lie side by side, `pivot` for English with every other,
            `all` for every two.
        seed: Of the draws in classification; 42 is MTEB's.

    Raises:
        InputError: A language that no task has, a task that has none of them, data that are not
            there, or empty.
    """
    chosen = {name: _choose(name, languages) for name in names}
    absent = [
        code for code in languages or () if not any(code in languages_of([name]) for name in names)
    ]
    if absent:
        raise InputError(
            f"no task of {', '.join(names)} has {', '.join(absent)}; they have {_listed(names)}"
        )
    for name in [name for name, subsets in chosen.items() if not subsets]:
        if len(names) == 1:
            raise InputError(
                f"{name} has nothing in {', '.join(languages or ())}; it has {_listed([name])}"
            )
        _log.info("%s has nothing in these languages and is left out", name)
        del chosen[name]
    for name, subsets in chosen.items():
        has = {code for subset in subsets for code in subset.languages}
        if lacks := [code for code in languages or () if code not in has]:
            _log.info("%s lacks %s", name, ", ".join(lacks))
    if data is not None and (missing := [name for name in chosen if not (data / name).is_dir()]):
        there = (
            ", ".join(sorted(path.name for path in data.iterdir() if path.name in TASKS))
            if data.is_dir()
            else ""
        )
        raise InputError(
            f"{data} lacks {', '.join(missing)} (it has {there or 'no task'}); where there is a network, "
            f"hexapla fetch-data --suite {','.join(missing)} --out {data}"
        )
    needed = languages is not None
    loaded = [
        _load(name, subsets, data, pairs, seed, needed=needed) for name, subsets in chosen.items()
    ]
    return [one for one in loaded if one is not None]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(languages_of(names))


def _choose(name: str, languages: Sequence[str] | None) -> list[Subset]:
    """Return the subsets whose languages are all wanted; English is, wherever another language is."""
    if languages is None:
        return list(table()[name])
    wanted = {*languages, _PIVOT}
    subsets = [subset for subset in table()[name] if wanted.issuperset(subset.languages)]
    if name in BITEXT and not any(
        code != _PIVOT for subset in subsets for code in subset.languages
    ):
        return []
    return subsets


def _load(
    name: str,
    subsets: Sequence[Subset],
    data: Path | None,
    pairs: Pairs,
    seed: int,
    *,
    needed: bool,
) -> Loaded | None:
    """Load a task; of a folder that holds some of its subsets, these, unless languages were asked for by name."""
    split, folder = SPLITS.get(name, "test"), None if data is None else data / name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _hide_bars()
            task = _mteb_task(name, subsets, split)
            if folder is not None:
                _refuse_empty(folder)
                if not (
                    task.fast_loading or getattr(task, "parallel_subsets", False)
                ):  # then each subset is a configuration
                    subsets = _there(name, subsets, _with_configs(name, subsets, folder), needed)
                    task.hf_subsets = _ids(name, subsets)
            revision = str(task.metadata.dataset.get("revision", "main"))
            if folder is not None:
                revision = _revision(folder)
                own = {**task.metadata.dataset, "path": str(folder.resolve()), "revision": revision}
                # A copy: the metadata belong to the class, and so to every task of that name.
                task.metadata = task.metadata.model_copy(
                    update={"dataset": {**own, "cache_dir": _cache(folder)}}
                )
            task.load_data()
    except InputError:
        raise
    except (
        Exception
    ) as error:  # datasets and the Hub raise of every kind, and all mean that there are no data
        raise InputError(_no_data(name, folder, error)) from error
    if folder is not None:
        rows = (
            task.dataset[split].column_names
            if name in SIDE_BY_SIDE and split in task.dataset
            else task.dataset
        )
        subsets = _there(name, subsets, rows, needed)
        task.hf_subsets = _ids(name, subsets)
    ours = _ours(task, name, split, subsets, pairs, seed)
    return (
        Loaded(task=task, split=split, revision=revision, ours=ours)
        if any(one.keys for one in ours)
        else None
    )


def _there(
    name: str, subsets: Sequence[Subset], present: Iterable[str], needed: bool
) -> list[Subset]:
    """Return the subsets that the data have; lacking one is an error where its languages were asked for."""
    present = set(present)
    lacking = [subset.name for subset in subsets if subset.name not in present]
    if lacking and (needed or len(lacking) == len(subsets)):
        raise InputError(
            f"{name}: its data have no {', '.join(lacking)}; they have {', '.join(sorted(present))}"
        )
    if lacking:
        _log.info(
            "%s: %d of %d subsets are in its data", name, len(subsets) - len(lacking), len(subsets)
        )
    return [subset for subset in subsets if subset.name in present]


def _refuse_empty(folder: Path) -> None:
    """Name an empty table: what `datasets` says of one is `BatchSize must be greater than 0`."""
    import pyarrow.parquet as pq

    for path in folder.rglob("*.parquet"):
        if pq.read_metadata(path).num_rows == 0:
            raise InputError(
                f"{path} has no rows; an empty subset cannot be measured, fetch or make it again"
            )


def _with_configs(name: str, subsets: Sequence[Subset], folder: Path) -> list[str]:
    """Return the names of the subsets that have a configuration in the folder; BibleNLP's lack the scripts."""
    from datasets import get_dataset_config_names

    configs = set(get_dataset_config_names(str(folder)))
    bible = name == "BibleNLPBitextMining"
    return [
        one.name
        for one in subsets
        if (re.sub("_[A-Z][a-z]+", "", one.name) if bible else one.name) in configs
    ]


def _cache(folder: Path) -> str:
    """Return a cache folder by content: `datasets` has one entry for all folders of a name, whatever they hold.

    Two folders `a/Tatoeba` and `b/Tatoeba` with equal READMEs give the same cached table, and so
    does one that changed.
    """
    import datasets.config

    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return str(Path(datasets.config.HF_DATASETS_CACHE) / f"hexapla-{digest.hexdigest()[:32]}")


def _ids(name: str, subsets: Sequence[Subset]) -> list[str]:
    """Return MTEB's names of the subsets, in both directions where it has both."""
    import mteb

    ids = [subset.name for subset in subsets]
    if name in SIDE_BY_SIDE:
        known = mteb.get_task(name).metadata.eval_langs
        return [f"{one}-{two}" for one in ids for two in ids if f"{one}-{two}" in known]
    if name == "BibleNLPBitextMining":
        return [*ids, *("-".join(reversed(subset.split("-"))) for subset in ids)]
    return ids


def _mteb_task(name: str, subsets: Sequence[Subset], split: str) -> Any:
    try:
        import mteb
    except ImportError:
        raise InputError(
            f"{name} needs the library mteb; install it with: pip install 'hexapla[evaluate]'"
        ) from None
    return mteb.get_task(name, hf_subsets=_ids(name, subsets), eval_splits=[split])


def _ours(
    task: Any, name: str, split: str, subsets: Sequence[Subset], pairs: Pairs, seed: int
) -> Sequence[BitextTask | StsTask | TopicsTask]:
    if name in SIDE_BY_SIDE:
        return [_side_by_side(task, name, split, subsets, pairs)]
    if name in BITEXT:
        return [_pair(task, name, split, subset) for subset in subsets]
    if name in STS:
        return [_sts(task, name, split, subsets)]
    return [_classification(task, name, split, subsets, seed)]


def _hide_bars() -> None:
    from datasets.utils.logging import disable_progress_bar

    disable_progress_bar()


def _revision(folder: Path) -> str:
    try:
        return str(json.loads((folder / FETCHED).read_text(encoding="utf-8"))["revision"])
    except (OSError, ValueError, KeyError):
        return "local"


def _no_data(name: str, folder: Path | None, error: Exception) -> str:
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    reason = (
        str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    )
    if folder is not None:
        return f"{folder} cannot be read as {name}: {reason}; it must be a copy of the task's repository on the Hub"
    return (
        f"the data of {name} cannot be had: {reason}; with a network, hexapla fetch-data --suite {name} --out DIR "
        "fills a folder, and --data DIR reads it anywhere"
    )


def _column(rows: Any, name: str, place: str) -> list[Any]:
    if name not in rows.column_names:
        raise InputError(f"{place} has no column {name}; it has {', '.join(rows.column_names)}")
    if not len(rows):
        raise InputError(f"{place} is empty: it has no row to measure")
    values = list(rows[name])
    if None in values:
        raise InputError(f"{place} has nothing in column {name} of row {values.index(None) + 1}")
    return values


def _subset(task: Any, subset: str, split: str) -> Any:
    parts = task.dataset[subset]
    if split not in parts:
        raise InputError(
            f"{task.metadata.name} {subset} has no split {split}; it has {', '.join(parts)}"
        )
    return parts[split]


def _side_by_side(
    task: Any, name: str, split: str, subsets: Sequence[Subset], pairs: Pairs
) -> BitextTask:
    rows = task.dataset[split]
    cells = {subset.languages[0]: _column(rows, subset.name, name) for subset in subsets}
    wanted = (
        combinations(cells, 2)
        if pairs == "all"
        else ((_PIVOT, code) for code in cells if code != _PIVOT)
    )
    return _task(name, split, cells, wanted)


def _pair(task: Any, name: str, split: str, subset: Subset) -> BitextTask:
    rows, place = _subset(task, subset.name, split), f"{name} {subset.name}"
    columns = [_column(rows, column, place) for column in ("sentence1", "sentence2")]
    return _task(name, split, dict(zip(subset.languages, columns, strict=True)), [subset.languages])


def _task(
    name: str, split: str, cells: Mapping[str, list[str]], wanted: Iterable[tuple[str, ...]]
) -> BitextTask:
    if _PIVOT not in cells:
        raise InputError(
            f"{name} has no English here, only {', '.join(cells)}; its items are named by their English"
        )
    pivots = cells[_PIVOT]
    if len(pivots) < NEIGHBOURS:
        raise InputError(
            f"{name} has {len(pivots)} rows in {'-'.join(cells)}; at least {NEIGHBOURS} are needed"
        )
    return BitextTask(
        name=name,
        split=split,
        data_sha=short_sha(*(text for column in cells.values() for text in column)),
        items=unique([short_sha(text) for text in pivots]),
        cells=cells,
        rows={(first, second): range(len(pivots)) for first, second in wanted},
    )


def _sts(task: Any, name: str, split: str, subsets: Sequence[Subset]) -> StsTask:
    pairs = {}
    for subset in subsets:
        place = f"{name} {subset.name}"
        rows = _subset(task, subset.name, split)
        first, second = _column(rows, "sentence1", place), _column(rows, "sentence2", place)
        gold = [float(value) for value in _column(rows, "score", place)]
        if len(set(gold)) < 2:
            raise InputError(f"{place} has {len(gold)} rows and no two different scores")
        sha = short_sha(*first, *second, repr(gold))
        languages = (subset.languages[0], subset.languages[-1])
        pairs[languages] = sentence_pairs(first, second, gold, range(len(gold)), sha)
    return StsTask(name=name, split=split, pairs=pairs)


def _classification(
    task: Any, name: str, split: str, subsets: Sequence[Subset], seed: int
) -> TopicsTask:
    train, draws, test = {}, {}, {}
    texts, labels = task.input_column_name, task.label_column_name
    for subset in subsets:
        (code,) = subset.languages
        place = f"{name} {subset.name}"
        sides = []
        for part in (task.train_split, split):
            rows = _subset(task, subset.name, part)
            cells = _column(rows, texts, f"{place} {part}")
            sides.append(
                Side(
                    rows=range(len(cells)),
                    texts=cells,
                    labels=_column(rows, labels, f"{place} {part}"),
                )
            )
        drawn = few_shot_draws(
            sides[0].labels, n_draws=task.n_experiments, per_label=task.samples_per_label, seed=seed
        )
        train[code], draws[code] = only_drawn(sides[0], drawn)
        test[code] = sides[1]
    sha = short_sha(
        *(
            text
            for side in (*train.values(), *test.values())
            for text in (*side.texts, *map(str, side.labels))
        )
    )
    return TopicsTask(
        kind="classification",
        name=name,
        split=split,
        data_sha=sha,
        train=train,
        draws=draws,
        test=test,
        per_label=task.samples_per_label,
        seed=seed,
    )
