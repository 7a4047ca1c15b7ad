"""Mined pairs and pairs that are known -> the threshold on the margin score at which F1 is best."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hexapla.errors import InputError
from hexapla.mine.margin import Pairs
from hexapla.mine.sides import Side
from hexapla.text.lines import read_lines


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The best threshold on known pairs, and what it gives; shares are fractions.

    Attributes:
        threshold: The least margin score that is taken.
        precision: Share of the mined pairs that are known ones.
        recall: Share of the known pairs that are mined.
        f1: Their harmonic mean.
        n_gold: Known pairs.
        n_mined: Pairs at the threshold.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    n_gold: int
    n_mined: int


def read_gold(path: Path, source: Side, target: Side) -> set[tuple[int, int]]:
    """Read known pairs: a line each, the places of both sentences with a tab between, as the mined file has them.

    Raises:
        InputError: No such file, a line of another form, or a place where no sentence stands.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file of known pairs (--calibrate)")
    found = set()
    for number, line in read_lines(path):
        if not line.strip():
            continue
        cells = line.rstrip("\r\n").split("\t")
        if len(cells) != 2:
            raise InputError(
                f"{path}:{number}: {len(cells)} columns; it must be the source's line and the target's, a tab between"
            )
        rows = []
        for side, place in zip((source, target), cells, strict=True):
            if place.strip() not in side.row_of:
                raise InputError(
                    f'{path}:{number}: {side.name} has no sentence at "{place.strip()}"; it has '
                    f"{side.places[0]} to {list(side.row_of)[-1]}"
                )
            rows.append(side.row_of[place.strip()])
        found.add((rows[0], rows[1]))
    if not found:
        raise InputError(f"{path}: no known pair in it")
    return found


def calibrate(pairs: Pairs, gold: Set[tuple[int, int]]) -> Calibration:
    """Choose the threshold of the best F1; of equal ones the highest.

    >>> import numpy as np
    >>> rows = np.arange(3)
    >>> mined = Pairs(rows, rows, np.float32([1.5, 1.2, 1.1]), np.float32([0.9, 0.8, 0.7]))
    >>> found = calibrate(mined, {(0, 0), (1, 1)})
    >>> round(found.threshold, 2), found.precision, found.recall
    (1.2, 1.0, 1.0)
    """
    hits = np.array(
        [pair in gold for pair in zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)],
        dtype=bool,
    )
    right = np.cumsum(hits)
    # A threshold takes all pairs of one score or none, so only the last place of each score is one
    # to cut at.
    last = np.append(pairs.margin[1:] != pairs.margin[:-1], True)
    f1 = np.where(last, 2 * right / (np.arange(1, len(hits) + 1) + len(gold)), -1.0)
    best = int(f1.argmax())
    n_right, n_mined = int(right[best]), best + 1
    return Calibration(
        threshold=float(pairs.margin[best]),
        precision=n_right / n_mined,
        recall=n_right / len(gold),
        f1=float(f1[best]),
        n_gold=len(gold),
        n_mined=n_mined,
    )
