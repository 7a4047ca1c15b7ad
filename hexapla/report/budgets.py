"""The trainings behind the columns of a table: are they a fair comparison of regimes?

A regime is compared with another at equal rows, at equal sentences encoded, or each trained until it stops improving; a
difference between runs that saw unequal amounts may be the amount's. So it is refused, unless the user insists.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from hexapla.errors import InputError
from hexapla.report.seeds import Column

# What is equal under each budget; a converged run is compared by what it reached, whatever that took.
_AMOUNTS = {"rows": "n_rows_seen", "encodings": "n_encodings", "converged": None}
_TOLERANCE = 0.01  # of an amount: the last step of an epoch may be short


def check_budgets(columns: Sequence[Column], *, different: bool) -> list[str]:
    """Refuse to compare regimes that were trained on unequal budgets or corpora; return what a reader should know.

    Args:
        columns: The baseline's first.
        different: Compare nevertheless; a note says what it is then.

    Raises:
        InputError: With both runs, their budgets and what to do.
    """
    aligned = [column for column in columns if column.runs[0].first.regime is not None]
    unknown = [column.label for column in aligned if not column.runs[0].training]
    notes = []
    if unknown and len(aligned) > 1:
        notes.append(f"the budget of {', '.join(unknown)} is not known, as there is no run.json beside the scores")
    known = [column for column in aligned if column.runs[0].training]
    for one, other in combinations(known, 2):
        difference = _difference(one, other)
        if difference is None:
            continue
        if one.runs[0].first.regime == other.runs[0].first.regime:
            notes.append(f"{one.label} and {other.label} differ in their training: {difference}")
        elif different:
            notes.append(f"{one.label} and {other.label} are no comparison of regimes: {difference}")
        else:
            raise InputError(
                f"{one.label} and {other.label} are no fair comparison of regimes: {difference}; train both with the "
                "same --budget and corpus, or compare them nevertheless (--different-budgets)"
            )
    if len(known) > 1:
        told = "; ".join(f"{column.label} {_told(column)}" for column in known)
        notes.append(f"budget: {told}")
    return notes


def _difference(one: Column, other: Column) -> str | None:
    """Say in what two trainings are unequal, or None."""
    first, second = one.runs[0].training, other.runs[0].training
    if first.get("budget") != second.get("budget"):
        return f"{_told(one)} against {_told(other)}"
    if first.get("corpus_sha256") != second.get("corpus_sha256"):
        return f"the corpora are not the same ({first.get('corpus')} and {second.get('corpus')})"
    amount = _AMOUNTS.get(str(first.get("budget")))
    if amount is None:
        return None
    amounts = [float(training.get(amount) or 0) for training in (first, second)]
    if abs(amounts[0] - amounts[1]) > _TOLERANCE * max(amounts):
        return f"{_told(one)} against {_told(other)}"
    return None


def _told(column: Column) -> str:
    training = column.runs[0].training
    seen, encoded = training.get("n_rows_seen"), training.get("n_encodings")
    amounts = f", {seen:,} rows seen, {encoded:,} sentences encoded" if seen is not None and encoded is not None else ""
    return f"({training.get('budget')}{amounts})"
