"""Mined pairs and known pairs -> the threshold on the margin score with the best F1."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hexapla.errors import InputError
from hexapla.mine.margin import Pairs
from hexapla.mine.sides import Side
from hexapla.text.lines import read_lines
from hexapla.text.special_files import refuse_special


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The best threshold on known pairs, and its precision and recall, as fractions.

    Attributes:
        threshold: Minimum margin score of a pair.
        precision: Share of the mined pairs that are known.
        recall: Share of the known pairs that are mined.
        f1: Harmonic mean of both.
        n_gold: Number of known pairs.
        n_mined: Number of pairs at the threshold.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    n_gold: int
    n_mined: int

    def summary(self) -> str:
        """Return the calibration in one line.

        >>> found = Calibration(
        ...     threshold=1.1, precision=0.5, recall=0.25, f1=1 / 3, n_gold=4, n_mined=2
        ... )
        >>> found.summary()
        'threshold 1.1000: precision 50.0 %, recall 25.0 %, F1 33.3 % (2 pairs mined, 4 known)'
        """
        shares = {"precision": self.precision, "recall": self.recall, "F1": self.f1}
        shown = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
        return (
            f"threshold {self.threshold:.4f}: {shown} "
            f"({self.n_mined} pairs mined, {self.n_gold} known)"
        )


def read_gold(path: Path, source: Side, target: Side) -> set[tuple[int, int]]:
    """Read known pairs: on each line the places of both sentences, separated by a tab.

    Places are written as in the mined file.

    Returns:
        The pairs, by rows of the distinct sentences of both sides.

    Raises:
        InputError: There is no such file, a line has another form, or a place has no sentence.
    """
    refuse_special(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file of known pairs (--calibrate)")
    pairs = set()
    for number, line in read_lines(path):
        if not line.strip():
            continue
        cells = line.rstrip("\r\n").split("\t")
        if len(cells) != 2:
            raise InputError(
                f"{path}:{number}: {len(cells)} columns; it must be two, the source's line and the "
                "target's, with a tab between them"
            )
        rows = []
        for side, place in zip((source, target), cells, strict=True):
            if place.strip() not in side.row_of:
                raise InputError(
                    f'{path}:{number}: {side.name} has no sentence at "{place.strip()}"; it has '
                    f"{side.places[0]} to {list(side.row_of)[-1]}"
                )
            rows.append(side.row_of[place.strip()])
        pairs.add((rows[0], rows[1]))
    if not pairs:
        raise InputError(f"{path}: no known pair in it")
    return pairs


def calibrate(pairs: Pairs, gold: Set[tuple[int, int]]) -> Calibration:
    """Choose the threshold with the best F1; of equal ones, the highest.

    >>> import numpy as np
    >>> rows = np.arange(3)
    >>> mined = Pairs(rows, rows, np.float32([1.5, 1.2, 1.1]), np.float32([0.9, 0.8, 0.7]))
    >>> best = calibrate(mined, {(0, 0), (1, 1)})
    >>> round(best.threshold, 2), best.precision, best.recall
    (1.2, 1.0, 1.0)
    """
    hits = np.array(
        [pair in gold for pair in zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)],
        dtype=bool,
    )
    n_right = np.cumsum(hits)
    # A threshold accepts all pairs with the same score or none of them, so only the last place of
    # each score can be the cut.
    is_cut = np.append(pairs.margin[1:] != pairs.margin[:-1], True)
    f1 = np.where(is_cut, 2 * n_right / (np.arange(1, len(hits) + 1) + len(gold)), -1.0)
    best = int(f1.argmax())
    return Calibration(
        threshold=float(pairs.margin[best]),
        precision=int(n_right[best]) / (best + 1),
        recall=int(n_right[best]) / len(gold),
        f1=float(f1[best]),
        n_gold=len(gold),
        n_mined=best + 1,
    )
