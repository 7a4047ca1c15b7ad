"""What an evaluation task is: the texts that it needs embedded, and how it measures their vectors.

`EvaluationTask` is all that the evaluation knows of a task. `NamedTask` and `ColumnTask` hold what
several tasks share; a task states only what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from hexapla.encoder.kind import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # Texts -> (n, dim) unit vectors, in order.
    Embed = Callable[[Sequence[str]], NDArray[np.float32]]

# Task and languages of a measurement, as in `Score`.
Key = tuple[str, str]

ENGLISH = "eng_Latn"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The metrics of one task in one language or pair, and the statistics of each item.

    Attributes:
        task: As `Score.task`.
        split: As `Score.split`.
        languages: As `Score.languages`.
        data_sha: First digits of the SHA-256 of the data.
        items: Unique names of the items. An item has the same name in every language and encoder.
        columns: Per-item statistics, (n,) each.
        metrics: Value by name.
        settings: Further settings that the value depends on; they go into the signature.
    """

    task: str
    split: str
    languages: str
    data_sha: str
    items: Sequence[str]
    columns: Mapping[str, NDArray[np.float64]]
    metrics: Mapping[str, float]
    settings: Mapping[str, object]


class EvaluationTask(Protocol):
    """A task with its data, read and checked.

    Attributes:
        task_type: MTEB's task type, which selects the encoder's prompt for all texts of the task.
        is_derived: Whether another task that is measured along with it has the same sentences.
    """

    task_type: ClassVar[Task]
    is_derived: ClassVar[bool]

    @property
    def name(self) -> str:
        """The name of the data, `sib200` in the score's task `bitext/sib200`."""

    @property
    def split(self) -> str:
        """The split, as `Score.split`."""

    @property
    def data_sha(self) -> str:
        """The first digits of the SHA-256 of the data."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that are measured."""

    @property
    def keys(self) -> list[Key]:
        """What is measured, in the order of the scores."""

    def texts(self) -> Iterator[Sequence[str]]:
        """Yield the texts to embed, in groups; texts may repeat."""

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Measure every key that is not done.

        Args:
            embed: Returns the (n, dim) unit vectors of some of the task's texts.
            done: Keys to skip.
        """


@dataclass(frozen=True, kw_only=True)
class NamedTask:
    """The shared part of all tasks.

    Attributes:
        name: As in `EvaluationTask`.
        split: As in `EvaluationTask`.
    """

    name: str
    split: str

    is_derived: ClassVar[bool] = False

    def measurement(
        self,
        key: Key,
        *,
        data_sha: str,
        items: Sequence[str],
        columns: Mapping[str, NDArray[np.float64]],
        metrics: Mapping[str, float] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Measurement:
        """Make a measurement; by default the metrics are the means of the columns."""
        if metrics is None:
            metrics = {metric: float(values.mean()) for metric, values in columns.items()}
        return Measurement(
            task=key[0],
            split=self.split,
            languages=key[1],
            data_sha=data_sha,
            items=items,
            columns=columns,
            metrics=metrics,
            settings=settings or {},
        )


@dataclass(frozen=True, kw_only=True)
class ColumnTask(NamedTask):
    """The shared part of tasks on the columns of a corpus.

    Attributes:
        data_sha: As in `EvaluationTask`.
        items: Name of each row.
        cells: Column by language.
    """

    data_sha: str
    items: Sequence[str]
    cells: Mapping[str, Sequence[str | None]]

    task_type: ClassVar[Task] = "BitextMining"

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages that are measured: by default all."""
        return tuple(self.cells)

    def cell_texts(self, code: str, rows: Sequence[int]) -> list[str]:
        """Return the texts of a language in some rows, without empty cells."""
        return [text for row in rows if (text := self.cells[code][row]) is not None]
