"""Runs -> whether their training allows a comparison of regimes, or the reason why it does not.

A regime is not better because it saw more data: runs of different regimes must have the same corpus
and the same budget, within 1 %, unless the user asks for another comparison.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

from hexapla.errors import InputError
from hexapla.report.score_runs import Run
from hexapla.report.training import Training

# Relative difference below which two amounts count as equal: a run ends after a whole step, and the
# last step of an epoch is shorter.
_TOLERANCE = 0.01


def check_budgets(runs: Sequence[Run], *, different_budgets: bool = False) -> list[str]:
    """Refuse regimes with different budgets or corpora.

    Args:
        runs: All runs of a comparison. Those that were not aligned have no budget and can be
            compared with any.
        different_budgets: Accept such runs, with a note.

    Returns:
        Notes: unknown budgets, accepted differences, and settings that differ.

    Raises:
        InputError: Names both runs, their budgets, and what to do.
    """
    aligned = [run for run in runs if run.regime is not None]
    notes = []
    if unknown := [run.label for run in aligned if run.training is None]:
        notes.append(
            f"the training budget of {', '.join(unknown)} is not known; evaluate again with this "
            "version"
        )
    notes += _unequal_budgets(aligned, different_budgets=different_budgets)
    return notes + _differing_settings(aligned)


def _unequal_budgets(runs: Sequence[Run], *, different_budgets: bool) -> list[str]:
    """Refuse, or note if `different_budgets`, aligned runs with different budgets or corpora."""
    differing: dict[str, str] = {}
    across_regimes = False
    for one, other in itertools.combinations(runs, 2):
        if one.training is None or other.training is None:
            continue
        difference = _difference(one.training, other.training)
        if difference is None:
            continue
        amounts = {
            one.label: _amounts(one, one.training),
            other.label: _amounts(other, other.training),
        }
        if one.regime != other.regime and not different_budgets:
            raise InputError(
                f"{one.label} ({one.path}) and {other.label} ({other.path}) had {difference}: "
                f"{'; '.join(amounts.values())}; align both with the same corpus, --budget and "
                "--epochs, or pass --different-budgets, which compares them as encoders and not as "
                "regimes"
            )
        across_regimes = across_regimes or one.regime != other.regime
        differing.update(amounts)
    if not differing:
        return []
    these = (
        "this is no comparison of regimes, which" if across_regimes else "some runs of one regime"
    )
    return [f"{these} had different budgets or corpora: {'; '.join(differing.values())}"]


def _differing_settings(runs: Sequence[Run]) -> list[str]:
    """Note each setting in which trainings differ, other than corpora and languages.

    Different corpora are noted with the budgets.
    """
    known = [(run.label, run.training.settings) for run in runs if run.training is not None]
    notes = []
    for name in known[0][1] if known else ():
        values: dict[str, list[str]] = {}
        for label, settings in known:
            values.setdefault(json.dumps(settings[name]), []).append(label)
        if len(values) > 1 and name not in ("corpus", "corpus_sha256", "languages"):
            listed = "; ".join(f"{value} ({', '.join(labels)})" for value, labels in values.items())
            notes.append(f"trainings differ in {name.replace('_', ' ')}: {listed}")
    return notes


def _amounts(run: Run, training: Training) -> str:
    return (
        f"{run.label} {training.budget}, {training.n_rows_seen:,} rows seen, "
        f"{training.n_encodings:,} sentences encoded, corpus {run.score.corpus} "
        f"({training.corpus_sha256[:8]})"
    )


def same_budget(one: Training, other: Training) -> bool:
    """Return whether two trainings had the same budget and the same amount of it.

    Trainings that ran until they converged have the same budget whatever they used. A training that
    was limited to the number of sentences that another encoded has the budget of that other, even
    if the other's budget was in rows.
    """
    if one.budget != other.budget:
        if "converged" in (one.budget, other.budget):
            return False
        return _nearly_equal(one.n_encodings, other.n_encodings)
    if one.amount is None or other.amount is None:
        return True
    return _nearly_equal(one.amount, other.amount)


def _nearly_equal(one: int, other: int) -> bool:
    return abs(one - other) <= _TOLERANCE * max(one, other)


def _difference(one: Training, other: Training) -> str | None:
    """Name the difference that makes two trainings unfit for a comparison of regimes."""
    if not same_budget(one, other):
        return "different budgets"
    if one.corpus_sha256 != other.corpus_sha256:
        return "different corpora, or other columns or rows of one"
    return None
