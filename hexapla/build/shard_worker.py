"""One piece of work of a build: a shard and some of its languages, translated or judged.

What is written depends on the shard and the settings and on nothing else. A task whose tables are
all committed is not done again. A task of which some are missing is done again whole, so that the
batches are the same, and only the missing tables are written. A worker is sent to other processes
and machines, and loads its translator when it first needs it.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.build.cell_judge import CellJudge, ask_for
from hexapla.build.committed import commit, is_committed, read_json
from hexapla.build.shard_plan import SOURCE, places_to_translate, shard_path
from hexapla.build.shard_tables import cell_table, judged_table, read_cell_table
from hexapla.errors import InputError
from hexapla.filters import Chain, FilterSettings, Statistics
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.translator import Translation, Translator

CELLS, JUDGED, STATISTICS, ATTEMPTS = "cells", "judged", "statistics.json", "attempts"
MAX_ATTEMPTS = 3
NOT_ASKED = Translation(None)
"""Stands in a shard for a cell that the corpus has already."""


@dataclass(frozen=True)
class ShardTask:
    """A shard, what is done to it, and the languages to do together."""

    stage: Literal["cells", "judged"]
    shard: str
    languages: tuple[str, ...]

    @property
    def name(self) -> str:
        """A file name for it."""
        return f"{self.stage}-{self.shard}-{self.languages[0]}"


@dataclass
class ShardResult:
    """How a task ended.

    Attributes:
        n_tokens: Tokens that the translator wrote, by language.
        error: What stopped it, or None.
    """

    n_tokens: dict[str, int] = field(default_factory=dict)
    error: BaseException | None = None


class TranslatorFacts(NamedTuple):
    """What planning needs to know about a translator.

    Attributes:
        made_by: All that its output depends on.
        multilingual: Whether it mixes target languages in one call.
    """

    made_by: dict[str, object]
    multilingual: bool


@dataclass
class ShardWorker:
    """Does the tasks of one build.

    Attributes:
        work: Folder of the build; on a cluster, one that all machines share.
        key: Hash of all that the build depends on.
        pivot: Language of the texts.
        languages: Languages to translate into.
        translator: Settings of the translator, or a user's own translator.
        filters: Filters that judge the cells.
        pool: All columns of the corpus; by default the pivot and the languages.
    """

    work: Path
    key: str
    pivot: str
    languages: tuple[str, ...]
    translator: TranslatorConfig | Translator
    filters: FilterSettings
    pool: tuple[str, ...] = ()
    _opened: Translator | None = None
    _cell_judge: CellJudge | None = None

    def __call__(self, task: ShardTask) -> ShardResult:
        """Do a task. Any error is in the result, with its traceback in the notes of the error."""
        try:
            attempts = self.work / ATTEMPTS / task.name
            # Counted in a file, since the task may kill the worker.
            with attempts.open("ab") as file:
                file.write(b".")
            if (n := attempts.stat().st_size) > MAX_ATTEMPTS:
                raise InputError(
                    f"shard {task.shard} of {', '.join(task.languages)} has failed {n - 1} times; "
                    "run again with --resume --workers 1 --debug to see why, or with less memory "
                    "per batch (--batch-tokens)"
                )
            if task.stage == "cells":
                return ShardResult(self._translate(task))
            self._judge(task)
            return ShardResult()
        except Exception as error:
            return ShardResult(error=_portable(error))

    def open(self) -> Translator:
        """Return the translator, opened once."""
        if self._opened is None:
            if isinstance(self.translator, TranslatorConfig):
                from hexapla.translate.backends import open_translator

                self._opened = open_translator(self.translator)
            else:
                self._opened = self.translator
        return self._opened

    def close(self) -> None:
        """Free what the translator holds, if it was opened here."""
        if self._opened is not None:
            self._opened.close()

    def has_all(
        self, task: ShardTask, is_there: Callable[[Path, str], bool] = is_committed
    ) -> bool:
        """Return whether all tables of a task are there.

        Args:
            task: The task.
            is_there: `is_committed`, or `has_record` where the tables have just been written.
        """
        return not self._missing(task, is_there)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is loaded; it is loaded again where the worker is sent."""
        return self.__dict__ | {"_opened": None, "_cell_judge": None}

    def _missing(
        self, task: ShardTask, is_there: Callable[[Path, str], bool] = is_committed
    ) -> list[str]:
        return [
            language
            for language in task.languages
            if not is_there(shard_path(self.work, task.stage, task.shard, language), self.key)
        ]

    def _sources(self, task: ShardTask) -> pa.Table:
        path = shard_path(self.work, SOURCE, task.shard)
        if not is_committed(path, self.key):
            raise InputError(
                f"{path}: missing or altered; every worker must see the same folder, on a cluster "
                "one on a shared file system; if that is so, build again with --overwrite"
            )
        return pq.read_table(path)

    def _translate(self, task: ShardTask) -> dict[str, int]:
        missing = self._missing(task)
        if not missing:
            return {}
        sources = self._sources(task)
        texts = sources.column("text").to_pylist()
        places = {language: places_to_translate(sources, language) for language in task.languages}
        pairs = [(texts[place], language) for language in places for place in places[language]]
        answers = iter(ask_for(self.open(), pairs) if pairs else ())
        n_tokens = {}
        for language, of_language in places.items():
            column = [NOT_ASKED] * len(texts)
            for place in of_language:
                column[place] = next(answers)
            if language in missing:
                n_tokens[language] = sum(cell.n_tokens for cell in column)
                path = shard_path(self.work, CELLS, task.shard, language)
                commit(cell_table(column), path, self.key)
        return n_tokens

    def _judge(self, task: ShardTask) -> None:
        missing = self._missing(task)
        if not missing:
            return
        sources = self._sources(task).column("text").to_pylist()
        columns = {
            language: read_cell_table(shard_path(self.work, CELLS, task.shard, language))
            for language in task.languages
        }
        if self._cell_judge is None:
            statistics = Statistics.from_json(read_json(self.work / STATISTICS) or {})
            self._cell_judge = CellJudge(self.chain(statistics), self._ask_again)
        judged = self._cell_judge.judge(sources, columns)
        for language in missing:
            table = judged_table(columns[language], judged[language])
            commit(table, shard_path(self.work, JUDGED, task.shard, language), self.key)

    def chain(self, statistics: Statistics) -> Chain:
        """Return the filters for the cells of the build, with what is normal in each column."""
        pool = self.pool or self.languages
        return Chain(self.filters, self.pivot, pool, statistics, judged=self.languages)

    def _ask_again(self, pairs: Sequence[tuple[str, str]]) -> list[Translation]:
        return ask_for(self.open(), pairs, retry=True)


def ask_translator(worker: ShardWorker) -> TranslatorFacts:
    """Check that a worker's translator has the languages, and return what it says of itself."""
    translator = worker.open()
    translator.check(worker.languages)
    return TranslatorFacts(dict(translator.facts()), translator.multilingual)


def _portable(error: Exception) -> Exception:
    """Return an error that can be sent to another process, with its traceback as a note."""
    trace = traceback.format_exc()
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # its class takes other arguments than it keeps
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(trace)
    return error
