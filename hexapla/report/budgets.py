"""Runs -> whether what they were trained with allows to compare their regimes, or the reason why not.

A regime that saw more is not better for it: runs of different regimes must have the same corpus and
the same budget, within a hundredth, unless a comparison of something else is asked for.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

from hexapla.errors import InputError
from hexapla.report.score_runs import Run
from hexapla.report.training import Training

# share by which two amounts may differ: steps are whole, and the last one of an epoch is short
_CLOSE = 0.01


def check_budgets(runs: Sequence[Run], *, different_budgets: bool = False) -> list[str]:
    """Refuse regimes at different budgets, or on different corpora; return what is to be said, a line each.

    Args:
        runs: All of a comparison. Those that were not aligned have no budget and may stand beside
            any.
        different_budgets: Let such runs pass, with a note.

    Raises:
        InputError: With both runs, their budgets, and what to do.
    """
    notes = []
    aligned = [run for run in runs if run.regime is not None]
    if unknown := [run.label for run in aligned if run.training is None]:
        notes.append(
            f"the training budget of {', '.join(unknown)} is not known; evaluate again with this version"
        )
    noted: dict[str, str] = {}
    regimes = False
    for one, other in itertools.combinations(aligned, 2):
        if one.training is None or other.training is None:
            continue
        if (what := _difference(one.training, other.training)) is None:
            continue
        told = {
            run.label: _told(run, training)
            for run, training in ((one, one.training), (other, other.training))
        }
        if one.regime != other.regime and not different_budgets:
            raise InputError(
                f"{one.label} ({one.path}) and {other.label} ({other.path}) had {what}: {'; '.join(told.values())}; "
                "align both with the same corpus and --budget, or pass --different-budgets, "
                "which compares them as encoders and not as regimes"
            )
        regimes = regimes or one.regime != other.regime
        noted.update(told)
    if noted:
        start = "this is no comparison of regimes, which" if regimes else "some runs of one regime"
        notes.append(f"{start} had different budgets or corpora: {'; '.join(noted.values())}")
    return notes + _differing_settings(aligned)


def _differing_settings(runs: Sequence[Run]) -> list[str]:
    """Name what else trainings differ in, a line for each setting; corpora and languages are spoken of before."""
    known = [(run.label, run.training.settings) for run in runs if run.training is not None]
    notes = []
    for name in known[0][1] if known else ():
        values: dict[str, list[str]] = {}
        for label, settings in known:
            values.setdefault(json.dumps(settings[name]), []).append(label)
        if len(values) > 1 and name not in ("corpus", "corpus_sha256", "languages"):
            told = "; ".join(f"{value} ({', '.join(labels)})" for value, labels in values.items())
            notes.append(f"trainings differ in {name.replace('_', ' ')}: {told}")
    return notes


def _told(run: Run, training: Training) -> str:
    return (
        f"{run.label} {training.budget}, {training.n_rows_seen:,} rows seen, "
        f"{training.n_encodings:,} sentences encoded, corpus {run.score.corpus} ({training.corpus_sha256[:8]})"
    )


def close(one: Training, other: Training) -> bool:
    """Say whether two trainings had the same budget, and as much of it.

    Those that went on until they converged took what they took. One held to the sentences that
    another encoded has the same budget as that other, whose own was rows.
    """
    if one.budget != other.budget:
        if "converged" in (one.budget, other.budget):
            return False
        return abs(one.n_encodings - other.n_encodings) <= _CLOSE * max(
            one.n_encodings, other.n_encodings
        )
    if one.amount is None or other.amount is None:
        return True
    return abs(one.amount - other.amount) <= _CLOSE * max(one.amount, other.amount)


def _difference(one: Training, other: Training) -> str | None:
    if not close(one, other):
        return "different budgets"
    return (
        "different corpora, or other columns or rows of one"
        if one.corpus_sha256 != other.corpus_sha256
        else None
    )
