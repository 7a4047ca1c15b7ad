"""Rows of a corpus -> the rows and cells that stay; the others are written and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hexapla.corpus.contamination import Contamination
from hexapla.corpus.near_duplicates import NearDuplicates
from hexapla.corpus.rows import row_id
from hexapla.filters.chain import Chain, Verdict
from hexapla.filters.config import Policy
from hexapla.filters.filter_report import FilterReport
from hexapla.filters.noted_log_probs import read_log_probs
from hexapla.filters.rejected_files import RejectedFiles

Row = dict[str, str | None]

ROWS = "rows"
"""Name of the file of rows that are left out whole."""


class RowFilter:
    """Filters rows in order, in groups of any size.

    Attributes:
        report: Counts of what was rejected so far.
    """

    def __init__(
        self,
        chain: Chain,
        rejected: RejectedFiles,
        *,
        pivot: str,
        targets: Sequence[str],
        policy: Policy,
        seen: NearDuplicates | None,
        contamination: Contamination | None,
    ) -> None:
        """Prepare to filter.

        Args:
            chain: Judges the cells.
            rejected: Files named after `targets`, and `ROWS`.
            pivot: Canonical code of the pivot.
            targets: Canonical codes of the other columns.
            policy: What a rejected cell does to its row.
            seen: Drops rows whose pivot text repeats an earlier one; None keeps them.
            contamination: Drops rows that hold an evaluation sentence; None keeps them.
        """
        self.report = FilterReport()
        self.report.notes = chain.notes
        self._chain, self._rejected = chain, rejected
        self._pivot, self._targets, self._policy = pivot, targets, policy
        self._seen, self._contamination = seen, contamination

    def filter(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Yield the rows that stay, without their rejected cells."""
        rows = [row for row in rows if not self._is_left_out(row)]
        sources = [str(row[self._pivot]) for row in rows]
        lost: list[list[str]] = [[] for _ in rows]  # the languages of each row's rejected cells
        for code in self._targets:
            cells = [row[code] for row in rows]
            verdicts = self._chain.judge(code, sources, cells, read_log_probs(rows, code))
            self.report.add(code, sources, cells, verdicts)
            for row, verdict, codes in zip(rows, verdicts, lost, strict=True):
                if verdict is not None:
                    self._write_cell(row, code, verdict)
                    codes.append(code)
        for row, codes in zip(rows, lost, strict=True):
            if codes and self._policy == "drop-row":
                self._write_row(row, "rejected cell", f"rejected: {', '.join(codes)}")
            else:
                yield row | dict.fromkeys(codes)

    def _is_left_out(self, row: Row) -> bool:
        """Return whether a row is left out whole, whatever its cells are; write it if so."""
        pivot = str(row[self._pivot])
        texts = [pivot, *(row[code] for code in self._targets)]
        if self._contamination and (match := self._contamination.match(texts)):
            reason = f"in {match.set_name}"
            self._write_row(row, reason, f"{reason} ({match.how}): {match.sentence}")
            return True
        if self._seen is not None and (earlier := self._seen.add(pivot, row_id(pivot))) is not None:
            self._write_row(row, "near-duplicate", f"near-duplicate of {earlier}")
            return True
        return False

    def _write_cell(self, row: Row, code: str, verdict: Verdict) -> None:
        source = str(row[self._pivot])
        entry = {
            "row_id": row_id(source),
            "source": source,
            "cell": row[code],
            "reason": verdict.reason,
            "score": round(verdict.score, 4),
        }
        self._rejected.write(code, entry)

    def _write_row(self, row: Row, counted_as: str, reason: str) -> None:
        self.report.add_row_losses(counted_as)
        entry = {
            "row_id": row_id(str(row[self._pivot])),
            "reason": reason,
            "row": {code: row[code] for code in (self._pivot, *self._targets)},
        }
        self._rejected.write(ROWS, entry)
