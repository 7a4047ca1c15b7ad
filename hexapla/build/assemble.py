"""Judged shards -> the corpus folder, and beside the rows what was rejected and why.

Nothing is translated or judged here any more; the rows are put together and counted.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet as pq

from hexapla.build.committed import is_committed
from hexapla.build.config import BuildConfig
from hexapla.build.references import References, ReferenceScores, reference_lines
from hexapla.build.shard_plan import LEFT_OUT, SOURCE, ShardPlan, shard_path
from hexapla.build.shard_worker import JUDGED
from hexapla.corpus.contamination import Contamination
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.filters import FilterReport, Verdict
from hexapla.filters.noted_log_probs import LOG_PROB
from hexapla.filters.rejected_files import REJECTED, write_line
from hexapla.runs.record import RUN_FILE

_log = logging.getLogger(__name__)
_NO_ANSWER = "no answer"  # of a translator that gives no reason


class Assembly:
    """The rows of a build on their way into its corpus, counted.

    Args:
        config: The build.
        plan: Its shards.
        key: Hash of all that it depends on.
        contamination: Evaluation sets whose sentences stay out of the corpus.
        references: Human translations of some of the sentences.
        quiet: Show no report when a language loses too much.

    Attributes:
        report: Counts of what was rejected.
        counts: Cells that were translated again or are missing, and rows that were left out.
    """

    def __init__(
        self,
        config: BuildConfig,
        plan: ShardPlan,
        key: str,
        contamination: Contamination | None,
        references: References | None,
        quiet: bool,
    ) -> None:
        self.config, self.plan, self.key = config, plan, key
        self.contamination, self.quiet = contamination, quiet
        self.scores = ReferenceScores(references) if references else None
        self.report = FilterReport()
        for reason, n_sentences in plan.counts["left_out"].items():
            self.report.add_row_losses(reason, n_sentences)
        self.counts: Counter[str] = Counter(retranslated=0, missing=0, rows_left_out=0)
        # Cells that no filter rejected, by language and reason.
        self._missing: Counter[tuple[str, str]] = Counter()
        self._left_out: Counter[str] = Counter()  # rows, by reason

    def write(self, columns: Mapping[str, Mapping[str, object]], overwrite: bool) -> None:
        """Write the corpus under its final name, unless a language lost more than it may.

        Args:
            columns: How each column was made.
            overwrite: Replace the corpus in the output folder.

        Raises:
            InputError: A language lost too much. What was rejected is then in the folder of the
                build.
        """
        rejected = self.config.work / REJECTED
        shutil.rmtree(rejected, ignore_errors=True)
        rejected.mkdir()
        with ExitStack() as stack:
            files = {
                name: stack.enter_context(
                    (rejected / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n")
                )
                for name in (*self.config.to, "rows")
            }

            def finish(folder: Path) -> Mapping[str, object]:
                for file in files.values():
                    file.flush()
                shutil.copytree(rejected, folder / REJECTED)
                shutil.copyfile(self.config.work / LEFT_OUT, folder / REJECTED / "sentences.jsonl")
                shutil.copyfile(self.config.work / RUN_FILE, folder / RUN_FILE)
                counts = {"sources": self.plan.counts, "cells": dict(self.counts)}
                against = self.contamination.facts() if self.contamination else []
                filters = [{"against": against} | self.report.to_json()]
                scores = {"references": self._tell_scores()} if self.scores else {}
                return {"filters": filters, "counts": counts, **scores}

            write_corpus(
                self._rows(files),
                self.config.out,
                languages=(self.config.pivot, *self.config.to),
                pivot=self.config.pivot,
                columns=columns,
                overwrite=overwrite,
                license=self.config.license,
                finish=finish,
                workspace=self.config.work,
            )

    def _rows(self, files: Mapping[str, IO[str]]) -> Iterator[dict[str, str | None]]:
        n_rows = 0
        for shard in self.plan.shards:
            source = self._read(SOURCE, shard).to_pylist()
            judged = {
                language: self._read(JUDGED, shard, language).to_pylist()
                for language in self.config.to
            }
            for language, cells in judged.items():
                self._count(language, source, cells)
            for place, pivot in enumerate(source):
                cells = {language: column[place] for language, column in judged.items()}
                row = self._row(pivot, cells, files)
                if row is not None:
                    n_rows += 1
                    yield row
        try:
            # Before the writer would complain that there is no row.
            self.report.check(self.config.max_loss, quiet=self.quiet)
        except InputError as error:
            raise InputError(
                f"{error}. Resuming (--resume) with a higher one keeps all translations; see "
                f"{self.config.work / REJECTED}"
            ) from None
        if not n_rows:
            raise self._no_row()

    def _no_row(self) -> InputError:
        """Return the error for a build of which no row is left, with the reasons."""
        rows = ", ".join(f"{n:,} {reason}" for reason, n in self._left_out.most_common())
        cells = ", ".join(
            f"{language} {n:,} {reason}" for (language, reason), n in self._missing.items()
        )
        return InputError(
            f"no row is left of {self._left_out.total():,} sentences: {rows}"
            + (f" ({cells})" if cells else "")
            + "; translate a few sentences with --sample, or use another translator or other texts"
        )

    def _read(self, stage: str, shard: str, language: str = "") -> Any:
        path = shard_path(self.config.work, stage, shard, language)
        if not is_committed(path, self.key):
            raise InputError(
                f"{path}: missing or altered; build again with --resume to make it again"
            )
        return pq.read_table(path)

    def _count(
        self, language: str, source: list[dict[str, Any]], cells: list[dict[str, Any]]
    ) -> None:
        """Count a shard of one language. A cell is lost if no translation of it was accepted."""
        is_lost = [cell["text"] is None and cell["reason"] is not None for cell in cells]
        verdicts = [
            Verdict(cell["reason"], cell["score"]) if lost else None
            for cell, lost in zip(cells, is_lost, strict=True)
        ]
        texts = [
            cell["first"] if lost else cell["text"]
            for cell, lost in zip(cells, is_lost, strict=True)
        ]
        self.report.add(language, [row["text"] for row in source], texts, verdicts)
        if self.scores:
            kept = [cell["text"] for cell in cells]
            rejected = [text if lost else None for text, lost in zip(texts, is_lost, strict=True)]
            self.scores.add(language, [row["row_id"] for row in source], kept, rejected)
        self.counts["retranslated"] += sum(
            cell["reason"] is not None and cell["text"] is not None for cell in cells
        )
        reasons = [
            cell["problem"] or _NO_ANSWER
            for cell in cells
            if cell["text"] is None and cell["reason"] is None
        ]
        self.counts["missing"] += len(reasons)
        self._missing.update((language, reason) for reason in reasons)

    def _tell_scores(self) -> dict[str, Any]:
        """Return the scores against references, and log them."""
        scores = self.scores.to_json() if self.scores else {}
        for line in reference_lines(scores):
            _log.info("%s", line)
        return scores

    def _row(
        self,
        pivot: Mapping[str, str],
        cells: Mapping[str, Mapping[str, Any]],
        files: Mapping[str, IO[str]],
    ) -> dict[str, str | None] | None:
        """Return the row, or None if it is left out; write what was rejected into the files."""
        for language, cell in cells.items():
            if cell["reason"] is not None:
                write_line(files[language], _rejected_entry(pivot, cell))
        texts = {language: cell["text"] for language, cell in cells.items()}
        reason = self._reason_to_leave_out(cells)
        if reason is not None:
            self.counts["rows_left_out"] += 1
            self._left_out[reason] += 1
            self.report.add_row_losses(reason)
            row = {self.config.pivot: pivot["text"], **texts}
            write_line(files["rows"], {"reason": reason, "row": row})
            return None
        log_probs = {
            f"{LOG_PROB}{language}": _as_text(cell["log_prob"]) for language, cell in cells.items()
        }
        return {
            self.config.pivot: pivot["text"],
            **texts,
            "meta.source": pivot["source"],
            **log_probs,
        }

    def _reason_to_leave_out(self, cells: Mapping[str, Mapping[str, Any]]) -> str | None:
        texts = [cell["text"] for cell in cells.values()]
        # The pivot was compared with the evaluation sets when the shards were planned.
        match = self.contamination.match(texts) if self.contamination else None
        if match is not None:
            return f"in {match.set_name}"
        has_rejected_cell = any(
            cell["text"] is None and cell["reason"] is not None for cell in cells.values()
        )
        if has_rejected_cell and self.config.policy == "drop-row":
            return "rejected cell"
        return None if any(texts) else "no translation left"


def _rejected_entry(pivot: Mapping[str, str], cell: Mapping[str, Any]) -> dict[str, object]:
    return {
        "row_id": pivot["row_id"],
        "source": pivot["text"],
        "cell": cell["first"],
        "reason": cell["reason"],
        "score": None if cell["score"] is None else round(cell["score"], 4),
        "second": cell["second"],
        "replaced_by": cell["text"],
    }


def _as_text(log_prob: float | None) -> str | None:
    return None if log_prob is None else f"{log_prob:.3f}"
