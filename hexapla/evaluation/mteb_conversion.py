"""The loaded data of an MTEB task -> tasks of ours on the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from hexapla.errors import InputError
from hexapla.evaluation.config import Pairs
from hexapla.evaluation.mteb_table import BITEXT, PARALLEL, STS, Subset
from hexapla.evaluation.retrieval import NEIGHBOURS
from hexapla.evaluation.tasks.bitext import BitextTask, unique_items
from hexapla.evaluation.tasks.classification import ClassificationTask, LabelledTexts, keep_drawn
from hexapla.evaluation.tasks.few_shot import few_shot_draws
from hexapla.evaluation.tasks.inputs import short_sha
from hexapla.evaluation.tasks.judged_pairs import sentence_pairs
from hexapla.evaluation.tasks.protocol import ENGLISH
from hexapla.evaluation.tasks.sts import StsTask


def convert_task(
    task: Any, name: str, split: str, subsets: Sequence[Subset], *, pairs: Pairs, seed: int
) -> Sequence[BitextTask | StsTask | ClassificationTask]:
    """Make our tasks from one of MTEB's with its data.

    Args:
        task: MTEB's task.
        name: Its name.
        split: The split to measure.
        subsets: The subsets to measure.
        pairs: In parallel tasks, `pivot` for English with every other language, `all` for every
            two.
        seed: Seed of the draws in classification.

    Raises:
        InputError: A column or split is missing, a cell or table is empty, or there are too few
            rows.
    """
    if name in PARALLEL:
        return [_parallel_bitext(task, name, split, subsets, pairs)]
    if name in BITEXT:
        return [_paired_bitext(task, name, split, subset) for subset in subsets]
    if name in STS:
        return [_sts(task, name, split, subsets)]
    return [_classification(task, name, split, subsets, seed)]


def _parallel_bitext(
    task: Any, name: str, split: str, subsets: Sequence[Subset], pairs: Pairs
) -> BitextTask:
    rows = task.dataset[split]
    cells = {subset.languages[0]: _read_column(rows, subset.name, name) for subset in subsets}
    wanted = (
        combinations(cells, 2)
        if pairs == "all"
        else ((ENGLISH, code) for code in cells if code != ENGLISH)
    )
    return _bitext(name, split, cells, wanted)


def _paired_bitext(task: Any, name: str, split: str, subset: Subset) -> BitextTask:
    rows, place = _rows(task, subset.name, split), f"{name} {subset.name}"
    columns = [_read_column(rows, column, place) for column in ("sentence1", "sentence2")]
    cells = dict(zip(subset.languages, columns, strict=True))
    return _bitext(name, split, cells, [subset.languages])


def _bitext(
    name: str, split: str, cells: Mapping[str, list[str]], wanted: Iterable[tuple[str, ...]]
) -> BitextTask:
    if ENGLISH not in cells:
        raise InputError(
            f"{name} has no English here, only {', '.join(cells)}; items are named by their "
            "English text"
        )
    pivots = cells[ENGLISH]
    if len(pivots) < NEIGHBOURS:
        raise InputError(
            f"{name} has {len(pivots)} rows in {'-'.join(cells)}; at least {NEIGHBOURS} are needed"
        )
    return BitextTask(
        name=name,
        split=split,
        data_sha=short_sha(*(text for column in cells.values() for text in column)),
        items=unique_items([short_sha(text) for text in pivots]),
        cells=cells,
        rows={(first, second): range(len(pivots)) for first, second in wanted},
    )


def _sts(task: Any, name: str, split: str, subsets: Sequence[Subset]) -> StsTask:
    pairs = {}
    for subset in subsets:
        place = f"{name} {subset.name}"
        rows = _rows(task, subset.name, split)
        first = _read_column(rows, "sentence1", place)
        second = _read_column(rows, "sentence2", place)
        gold = [float(value) for value in _read_column(rows, "score", place)]
        if len(set(gold)) < 2:
            raise InputError(f"{place} has {len(gold)} rows and no two different scores")
        sha = short_sha(*first, *second, repr(gold))
        languages = (subset.languages[0], subset.languages[-1])
        pairs[languages] = sentence_pairs(first, second, gold, range(len(gold)), sha)
    return StsTask(name=name, split=split, pairs=pairs)


def _classification(
    task: Any, name: str, split: str, subsets: Sequence[Subset], seed: int
) -> ClassificationTask:
    train, draws, test = {}, {}, {}
    for subset in subsets:
        (code,) = subset.languages
        whole = _labelled_texts(task, name, subset, task.train_split)
        drawn = few_shot_draws(
            whole.labels, n_draws=task.n_experiments, per_label=task.samples_per_label, seed=seed
        )
        train[code], draws[code] = keep_drawn(whole, drawn)
        test[code] = _labelled_texts(task, name, subset, split)
    sha = short_sha(
        *(
            text
            for part in (*train.values(), *test.values())
            for text in (*part.texts, *map(str, part.labels))
        )
    )
    return ClassificationTask(
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


def _labelled_texts(task: Any, name: str, subset: Subset, split: str) -> LabelledTexts:
    rows, place = _rows(task, subset.name, split), f"{name} {subset.name} {split}"
    texts = _read_column(rows, task.input_column_name, place)
    labels = _read_column(rows, task.label_column_name, place)
    return LabelledTexts(rows=range(len(texts)), texts=texts, labels=labels)


def _rows(task: Any, subset: str, split: str) -> Any:
    splits = task.dataset[subset]
    if split not in splits:
        raise InputError(
            f"{task.metadata.name} {subset} has no split {split}; it has {', '.join(splits)}"
        )
    return splits[split]


def _read_column(rows: Any, name: str, place: str) -> list[Any]:
    if name not in rows.column_names:
        raise InputError(f"{place} has no column {name}; it has {', '.join(rows.column_names)}")
    if not len(rows):
        raise InputError(f"{place} is empty: it has no row to measure")
    values: list[Any] = rows[name][:]  # at once; row by row takes far longer
    if None in values:
        raise InputError(f"{place} has no value in column {name} of row {values.index(None) + 1}")
    return values
