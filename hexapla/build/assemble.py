"""Judged shards -> the corpus folder, with what was rejected and why beside it; nothing is computed here any more."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet as pq

from hexapla.build.committed import committed
from hexapla.build.config import BuildConfig
from hexapla.build.shard_plan import LEFT_OUT, SOURCE, Plan, shard_path
from hexapla.build.shard_worker import JUDGED
from hexapla.corpus.contamination import Contamination
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.filters import FilterReport, Verdict
from hexapla.filters.noted_log_probs import LOG_PROB
from hexapla.filters.rejected_files import REJECTED, write_line
from hexapla.runs.record import RUN


class Assembly:
    """The rows of a build on their way into its corpus, counted."""

    def __init__(
        self,
        config: BuildConfig,
        plan: Plan,
        key: str,
        contamination: Contamination | None,
        quiet: bool,
    ) -> None:
        self.config, self.plan, self.key, self.contamination, self.quiet = (
            config,
            plan,
            key,
            contamination,
            quiet,
        )
        self.report = FilterReport()
        for reason, n_sentences in plan.counts["left_out"].items():
            self.report.add_row_losses(reason, n_sentences)
        self.counts: Counter[str] = Counter(retranslated=0, missing=0, rows_left_out=0)

    def write(self, columns: Mapping[str, Mapping[str, object]], overwrite: bool) -> None:
        """Write the corpus under its final name, unless a language lost more than it may.

        Raises:
            InputError: A language lost too much; what was rejected then lies in the folder of the
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
                shutil.copyfile(self.config.work / RUN, folder / RUN)
                counts = {"sources": self.plan.counts, "cells": dict(self.counts)}
                against = self.contamination.facts() if self.contamination else []
                return {"filters": [{"against": against} | self.report.to_json()], "counts": counts}

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
        for shard in self.plan.shards:
            source = self._read(SOURCE, shard).to_pylist()
            judged = {
                language: self._read(JUDGED, shard, language).to_pylist()
                for language in self.config.to
            }
            for language, cells in judged.items():
                self._report(language, [row["text"] for row in source], cells)
            for number, pivot in enumerate(source):
                cells = {language: column[number] for language, column in judged.items()}
                row = self._row(pivot, cells, files)
                if row is not None:
                    yield row
        try:
            self.report.check(
                self.config.max_loss, quiet=self.quiet
            )  # before an empty corpus would be the complaint
        except InputError as error:
            kept = f"Going on (--resume) with a higher one keeps all translations; see {self.config.work / REJECTED}"
            raise InputError(f"{error}. {kept}") from None

    def _read(self, stage: str, shard: str, language: str = "") -> Any:
        path = shard_path(self.config.work, stage, shard, language)
        if committed(path, self.key) is None:
            raise InputError(
                f"{path}: missing or altered; run the build again with --resume to make it anew"
            )
        return pq.read_table(path)

    def _report(self, language: str, sources: list[str], cells: list[dict[str, Any]]) -> None:
        """Count a shard of one language: rejected is what no translation was accepted for."""
        lost = [cell["text"] is None and cell["reason"] is not None for cell in cells]
        verdicts = [
            Verdict(cell["reason"], cell["score"]) if is_lost else None
            for cell, is_lost in zip(cells, lost, strict=True)
        ]
        texts = [
            cell["first"] if is_lost else cell["text"]
            for cell, is_lost in zip(cells, lost, strict=True)
        ]
        self.report.add(language, sources, texts, verdicts)
        self.counts["retranslated"] += sum(
            cell["reason"] is not None and cell["text"] is not None for cell in cells
        )
        self.counts["missing"] += sum(
            cell["text"] is None and cell["reason"] is None for cell in cells
        )

    def _row(
        self,
        pivot: Mapping[str, str],
        cells: Mapping[str, Mapping[str, Any]],
        files: Mapping[str, IO[str]],
    ) -> dict[str, str | None] | None:
        """Return the row to keep, and note what is not kept."""
        rejected = {
            language: cell for language, cell in cells.items() if cell["reason"] is not None
        }
        for language, cell in rejected.items():
            entry = {
                "row_id": pivot["row_id"],
                "source": pivot["text"],
                "cell": cell["first"],
                "reason": cell["reason"],
                "score": _rounded(cell["score"]),
                "second": cell["second"],
                "replaced_by": cell["text"],
            }
            write_line(files[language], entry)
        texts = {language: cell["text"] for language, cell in cells.items()}
        match = (
            self.contamination.match(texts.values()) if self.contamination else None
        )  # the pivot was, in the plan
        is_cell_lost = any(cell["text"] is None for cell in rejected.values())
        reason = None
        if match is not None:
            reason = f"in {match.set_name}"
        elif is_cell_lost and self.config.policy == "drop-row":
            reason = "rejected cell"
        elif not any(texts.values()):
            reason = "no translation left"
        if reason is not None:
            self.counts["rows_left_out"] += 1
            self.report.add_row_losses(reason)
            write_line(
                files["rows"],
                {"reason": reason, "row": {self.config.pivot: pivot["text"], **texts}},
            )
            return None
        log_probs = {
            f"{LOG_PROB}{language}": _text(cell["log_prob"]) for language, cell in cells.items()
        }
        return {
            self.config.pivot: pivot["text"],
            **texts,
            "meta.source": pivot["source"],
            **log_probs,
        }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)


def _text(log_prob: float | None) -> str | None:
    return None if log_prob is None else f"{log_prob:.3f}"
