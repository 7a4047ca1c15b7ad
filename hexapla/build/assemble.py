"""Judged rows -> the corpus folder, and beside the rows what was rejected and why.

Nothing is translated or judged here any more; the rows are put together and counted.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from hexapla.build.built_rows import BuiltRow, JudgedShards, rows_of_origin, rows_of_text
from hexapla.build.column_makers import ColumnMakers
from hexapla.build.config import BuildConfig
from hexapla.build.origin import ADD, NO_TRANSLATION, REJECTED_CELL, TOP_UP
from hexapla.build.references import References, ReferenceScores, merge_scores, reference_lines
from hexapla.build.shard_plan import LEFT_OUT, ShardPlan
from hexapla.corpus.contamination import Contamination
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.filters import FilterReport, Verdict
from hexapla.filters.rejected_files import REJECTED, write_line
from hexapla.runs.record import RUN_FILE

_log = logging.getLogger(__name__)
_NO_ANSWER = "no answer"  # of a translator that gives no reason
# Keys of the manifest that are made anew; what else a corpus to extend has is kept.
_MADE_ANEW = ("format", "languages", "pivot", "meta", "n_rows", "shards", "dropped", "columns")


class Assembly:
    """The rows of a build on their way into its corpus, counted.

    Args:
        config: The build.
        plan: Its shards.
        key: Hash of all that it depends on.
        made_by: All that the output of the translator depends on.
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
        made_by: Mapping[str, object],
        contamination: Contamination | None,
        references: References | None,
        quiet: bool,
    ) -> None:
        self.config, self.plan, self.made_by = config, plan, made_by
        self.contamination, self.quiet = contamination, quiet
        self.scores = ReferenceScores(references) if references else None
        self.report = FilterReport()
        self.origin = config.origin
        self._columns: Mapping[str, Mapping[str, object]] = {config.pivot: {"source": "text"}}
        self._makers: ColumnMakers | None = None
        shards = JudgedShards(config.work, plan, key, config.to)
        if self.origin is None:
            for reason, n_sentences in plan.counts["left_out"].items():
                self.report.add_row_losses(reason, n_sentences)
            self._groups = rows_of_text(shards, config.pivot)
        else:
            self._columns = self.origin.corpus.manifest.get("columns", {})
            if config.top_up:
                self._makers = ColumnMakers(self._columns, config.to, made_by)
            self._groups = rows_of_origin(self.origin, shards, config.to, self._makers)
        self.counts: Counter[str] = Counter(retranslated=0, missing=0, rows_left_out=0)
        # Cells that no filter rejected, by language and reason.
        self._missing: Counter[tuple[str, str]] = Counter()
        self._left_out: Counter[str] = Counter()  # rows, by reason

    def write(self, overwrite: bool) -> None:
        """Write the corpus under its final name, unless a language lost more than it may.

        Args:
            overwrite: Replace the corpus in the output folder.

        Raises:
            InputError: A language lost too much. What was rejected is then in the folder of the
                build.
        """
        rejected = self.config.work / REJECTED
        shutil.rmtree(rejected, ignore_errors=True)
        rejected.mkdir()
        before = self.origin.corpus.manifest if self.origin else {}
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
                self._put_rejected(rejected, folder / REJECTED)
                shutil.copyfile(self.config.work / RUN_FILE, folder / RUN_FILE)
                return self._facts()

            write_corpus(
                self._rows(files),
                self.config.out,
                languages=self.config.languages,
                pivot=self.config.pivot,
                columns={**self._columns, **dict.fromkeys(self.config.to, self.made_by)},
                overwrite=overwrite,
                license=self.config.license or before.get("license"),
                finish=finish,
                workspace=self.config.work,
            )

    def _put_rejected(self, rejected: Path, folder: Path) -> None:
        """Put what was rejected into the corpus, after what its origin has."""
        new = {path.name: path for path in sorted(rejected.iterdir())}
        new["sentences.jsonl"] = self.config.work / LEFT_OUT
        old = self.origin.corpus.path / REJECTED if self.origin else None
        names = sorted(path.name for path in old.glob("*.jsonl")) if old else []
        folder.mkdir()
        for name in dict.fromkeys([*new, *names]):
            with (folder / name).open("wb") as whole:
                if self.origin and name in names:
                    whole.writelines(self.origin.rejected_lines(name))
                if name in new:
                    with new[name].open("rb") as part:
                        shutil.copyfileobj(part, whole)

    def _facts(self) -> Mapping[str, object]:
        """Return what the manifest has of a build."""
        against = self.contamination.facts() if self.contamination else []
        filters = [{"against": against} | self.report.to_json()]
        scores = self._tell_scores()
        if self.origin is None:
            counts = {"sources": self.plan.counts, "cells": dict(self.counts)}
            return {
                "filters": filters,
                "counts": counts,
                **({"references": scores} if scores else {}),
            }
        has_lost_rows = bool(self._left_out.keys() - {NO_TRANSLATION})
        before = self.origin.corpus.manifest
        scores = merge_scores(
            None if has_lost_rows else before.get("references"), scores, self.config.to
        )
        kept = {
            key: value
            for key, value in before.items()
            if key not in (*_MADE_ANEW, "license", "references")
        }
        extension = {
            "kind": TOP_UP if self.config.top_up else ADD,
            "languages": self.config.to,
            "corpus": self.origin.facts(),
            "counts": {"sources": self.plan.counts, "cells": dict(self.counts)},
        }
        facts: dict[str, object] = {
            "filters": [*before.get("filters", ()), *filters],
            "extensions": [*before.get("extensions", ()), extension],
        }
        if self._makers:
            made = {**self._columns, **self._makers.to_json()}
            facts["columns"] = {code: made.get(code, {}) for code in self.config.languages}
        return kept | facts | ({"references": scores} if scores else {})

    def _rows(self, files: Mapping[str, IO[str]]) -> Iterator[dict[str, str | None]]:
        n_rows = 0
        for group in self._groups:
            for language in self.config.to:
                self._count(language, group)
            for built in group:
                row = self._row(built, files)
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

    def _count(self, language: str, rows: Sequence[BuiltRow]) -> None:
        """Count cells of one language. A cell is lost if no translation of it was accepted."""
        cells = [row.cells.get(language) for row in rows]
        is_lost = [cell is not None and _is_lost(cell) for cell in cells]
        verdicts = [
            Verdict(cell["reason"], cell["score"]) if cell and lost else None
            for cell, lost in zip(cells, is_lost, strict=True)
        ]
        kept = [row.texts[language] for row in rows]
        rejected = [
            cell["first"] if cell and lost else None
            for cell, lost in zip(cells, is_lost, strict=True)
        ]
        texts = [
            first if lost else text
            for first, lost, text in zip(rejected, is_lost, kept, strict=True)
        ]
        sources = [str(row.texts[self.config.pivot]) for row in rows]
        self.report.add(language, sources, texts, verdicts)
        if self.scores:
            self.scores.add(language, [row.identity for row in rows], kept, rejected)
        self.counts["retranslated"] += sum(
            cell["reason"] is not None and cell["text"] is not None for cell in cells if cell
        )
        reasons = [
            cell["problem"] or _NO_ANSWER
            for cell in cells
            if cell and cell["text"] is None and cell["reason"] is None
        ]
        self.counts["missing"] += len(reasons)
        self._missing.update((language, reason) for reason in reasons)

    def _tell_scores(self) -> dict[str, Any] | None:
        """Return the scores against references if there are any, and log them."""
        if self.scores is None:
            return None
        scores = self.scores.to_json()
        for line in reference_lines(scores):
            _log.info("%s", line)
        return scores

    def _row(self, built: BuiltRow, files: Mapping[str, IO[str]]) -> dict[str, str | None] | None:
        """Return the row, or None if it is left out; write what was rejected into the files."""
        for language, cell in built.cells.items():
            if cell["reason"] is not None:
                source = str(built.texts[self.config.pivot])
                write_line(files[language], _rejected_entry(built.identity, source, cell))
        reason = self._reason_to_leave_out(built)
        if reason is not None:
            self.counts["rows_left_out"] += 1
            self._left_out[reason] += 1
            self.report.add_row_losses(reason)
            write_line(files["rows"], {"reason": reason, "row": built.texts})
            return None
        if self._makers:
            self._makers.count(built.texts, built.meta)
        return built.texts | built.meta

    def _reason_to_leave_out(self, built: BuiltRow) -> str | None:
        translations = [
            text for language, text in built.texts.items() if language != self.config.pivot
        ]
        # The pivot of a text was compared with the evaluation sets when the shards were planned.
        compared = translations if self.origin is None else list(built.texts.values())
        match = self.contamination.match(compared) if self.contamination else None
        if match is not None:
            return f"in {match.set_name}"
        if self.config.policy == "drop-row" and any(map(_is_lost, built.cells.values())):
            return REJECTED_CELL
        return None if any(translations) else NO_TRANSLATION


def _is_lost(cell: Mapping[str, Any]) -> bool:
    return cell["text"] is None and cell["reason"] is not None


def _rejected_entry(identity: str, source: str, cell: Mapping[str, Any]) -> dict[str, object]:
    return {
        "row_id": identity,
        "source": source,
        "cell": cell["first"],
        "reason": cell["reason"],
        "score": None if cell["score"] is None else round(cell["score"], 4),
        "second": cell["second"],
        "replaced_by": cell["text"],
    }
