"""One piece of work: a shard and some of its languages, translated or judged. Idempotent, alone, anywhere.

What is written depends on the shard, the settings and nothing else: a piece whose tables are all
committed is not done again, one of which some are missing is done again whole, so that the batches
are the same, and only the missing ones are written. A worker is sent to other processes and
machines, and loads its translator when it first needs it.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.build.committed import commit, committed, read_json
from hexapla.build.shard_plan import SOURCE, shard_path
from hexapla.errors import InputError
from hexapla.filters import Chain, FilterSettings, Statistics, Verdict
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.translator import Translation, Translator

CELLS, JUDGED, STATISTICS, ATTEMPTS = "cells", "judged", "statistics.json", "attempts"
MOST_ATTEMPTS = 3
HOPELESS = ("empty", "source too long")  # what no other search would change
CELL_SCHEMA = pa.schema(
    [("text", pa.string()), ("log_prob", pa.float32()), ("problem", pa.string())]
)
JUDGED_SCHEMA = pa.schema(
    [
        *CELL_SCHEMA,
        ("reason", pa.string()),  # why the first translation was rejected, null if it was not
        ("score", pa.float32()),
        (
            "first",
            pa.string(),
        ),  # the rejected first translation; `text` is then the accepted second one, or null
        ("second", pa.string()),  # the second translation if it was rejected too
    ]
)


@dataclass(frozen=True)
class Task:
    """A shard of a stage and the languages of it to do together."""

    stage: Literal["cells", "judged"]
    shard: str
    languages: tuple[str, ...]

    @property
    def name(self) -> str:
        """A file name for it."""
        return f"{self.stage}-{self.shard}-{self.languages[0]}"


@dataclass
class Receipt:
    """What became of a task.

    Attributes:
        task: The task.
        n_tokens: Tokens written, per language.
        error: What stopped it, or None.
    """

    task: Task
    n_tokens: dict[str, int] = field(default_factory=dict)
    error: BaseException | None = None


class TranslatorFacts(NamedTuple):
    """What the plan of the work needs to know of a translator.

    Attributes:
        made_by: All that its output depends on.
        multilingual: Whether it mixes target languages in one call.
    """

    made_by: dict[str, object]
    multilingual: bool


@dataclass
class Worker:
    """Does tasks of one build.

    Attributes:
        work: The folder of the build; on a cluster, one that all machines share.
        key: Hash of the build's settings.
        pivot: The language of the texts.
        languages: Those to translate into.
        translator: How to open one, or a user's own.
        filters: What judges the cells.
    """

    work: Path
    key: str
    pivot: str
    languages: tuple[str, ...]
    translator: TranslatorConfig | Translator
    filters: FilterSettings
    _opened: Translator | None = None
    _chain: Chain | None = None

    def __call__(self, task: Task) -> Receipt:
        """Do a task; whatever goes wrong is in the receipt, with its traceback in the notes of the error."""
        try:
            attempts = self.work / ATTEMPTS / task.name
            with attempts.open("ab") as file:  # a count that outlives a worker which the task kills
                file.write(b".")
            if (n := attempts.stat().st_size) > MOST_ATTEMPTS:
                raise InputError(
                    f"shard {task.shard} of {', '.join(task.languages)} has failed {n - 1} times; run again with "
                    "--resume --workers 1 --debug to see why, or with less memory per batch (--batch-tokens)"
                )
            return Receipt(
                task, self._translate(task) if task.stage == "cells" else self._judge(task)
            )
        except Exception as error:
            error.add_note(traceback.format_exc())
            return Receipt(task, error=error)

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

    def is_done(self, task: Task) -> bool:
        """Say whether all tables of a task are there."""
        return not self._missing(task)

    def __getstate__(self) -> dict[str, Any]:
        """Leave what is loaded behind; it is loaded again where the worker is sent."""
        return self.__dict__ | {"_opened": None, "_chain": None}

    def _missing(self, task: Task) -> list[str]:
        return [
            language
            for language in task.languages
            if committed(shard_path(self.work, task.stage, task.shard, language), self.key) is None
        ]

    def _sources(self, task: Task) -> list[str]:
        path = shard_path(self.work, SOURCE, task.shard)
        if committed(path, self.key) is None:
            raise InputError(
                f"{path}: missing or altered; every worker must see the same folder, on a cluster one on a shared file "
                "system; if that is so, build again with --overwrite"
            )
        texts: list[str] = pq.read_table(path, columns=["text"]).column("text").to_pylist()
        return texts

    def _translate(self, task: Task) -> dict[str, int]:
        missing = self._missing(task)
        if not missing:
            return {}
        sources = self._sources(task)
        found = self._ask([(text, language) for language in task.languages for text in sources])
        n_tokens = {}
        for place, language in enumerate(task.languages):
            if language in missing:
                cells = found[place * len(sources) : (place + 1) * len(sources)]
                n_tokens[language] = sum(cell.n_tokens for cell in cells)
                path = shard_path(self.work, CELLS, task.shard, language)
                commit(_cell_table(cells), path, self.key)
        return n_tokens

    def _ask(self, pairs: Sequence[tuple[str, str]], retry: bool = False) -> list[Translation]:
        found = self.open().translate(
            [text for text, _ in pairs], [language for _, language in pairs], retry=retry
        )
        if len(found) != len(pairs):
            raise RuntimeError(
                f"the translator returned {len(found)} translations of {len(pairs)} texts"
            )
        return found

    def _judge(self, task: Task) -> dict[str, int]:
        missing = self._missing(task)
        if not missing:
            return {}
        sources = self._sources(task)
        columns = {language: self._cells(task.shard, language) for language in task.languages}
        verdicts = {
            language: self._verdicts(language, sources, cells)
            for language, cells in columns.items()
        }
        rejected = [
            (language, row)
            for language, found in verdicts.items()
            for row, verdict in enumerate(found)
            if verdict is not None and columns[language][row].problem not in HOPELESS
        ]
        again = (
            self._ask([(sources[row], language) for language, row in rejected], retry=True)
            if rejected
            else []
        )
        second = dict(zip(rejected, again, strict=True))
        for language in missing:
            table = self._judged_table(
                language, sources, columns[language], verdicts[language], second
            )
            commit(table, shard_path(self.work, JUDGED, task.shard, language), self.key)
        return {}

    def _cells(self, shard: str, language: str) -> list[Translation]:
        path = shard_path(self.work, CELLS, shard, language)
        rows = pq.read_table(path, schema=CELL_SCHEMA).to_pylist()
        return [Translation(row["text"], row["log_prob"], problem=row["problem"]) for row in rows]

    def _verdicts(
        self, language: str, sources: Sequence[str], cells: Sequence[Translation]
    ) -> list[Verdict | None]:
        if self._chain is None:
            statistics = Statistics.from_json(read_json(self.work / STATISTICS) or {})
            self._chain = Chain(self.filters, self.pivot, self.languages, statistics)
        return self._chain.judge(
            language,
            sources,
            [cell.text for cell in cells],
            [cell.log_prob for cell in cells],
            [cell.problem for cell in cells],
        )

    def _judged_table(
        self,
        language: str,
        sources: Sequence[str],
        cells: Sequence[Translation],
        verdicts: Sequence[Verdict | None],
        second: dict[tuple[str, int], Translation],
    ) -> pa.Table:
        """Put the accepted translation of each source, first or second, beside what was rejected and why."""
        tried = [row for row, _ in enumerate(cells) if (language, row) in second]
        answers = [second[language, row] for row in tried]
        judged = self._verdicts(language, [sources[row] for row in tried], answers)
        accepted = {
            row: answer
            for row, answer, verdict in zip(tried, answers, judged, strict=True)
            if verdict is None and answer.text is not None
        }
        rows = []
        for number, (cell, verdict) in enumerate(zip(cells, verdicts, strict=True)):
            kept = (
                cell
                if verdict is None
                else accepted.get(number, Translation(None, problem=cell.problem))
            )
            rows.append(
                {
                    "text": kept.text,
                    "log_prob": kept.log_prob,
                    "problem": kept.problem,
                    "reason": verdict.reason if verdict else None,
                    "score": verdict.score if verdict else None,
                    "first": cell.text if verdict else None,
                    "second": second[language, number].text
                    if (language, number) in second and number not in accepted
                    else None,
                }
            )
        return pa.Table.from_pylist(rows, schema=JUDGED_SCHEMA)


def ask_translator(worker: Worker) -> TranslatorFacts:
    """Check that a worker's translator has the languages, and return what it tells of itself."""
    translator = worker.open()
    translator.check(worker.languages)
    return TranslatorFacts(dict(translator.facts()), translator.multilingual)


def _cell_table(cells: Sequence[Translation]) -> pa.Table:
    rows = [
        {"text": cell.text, "log_prob": cell.log_prob, "problem": cell.problem} for cell in cells
    ]
    return pa.Table.from_pylist(rows, schema=CELL_SCHEMA)
