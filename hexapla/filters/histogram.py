"""A histogram of fixed bins -> a robust centre and width, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_BIN = 0.01


@dataclass(frozen=True, slots=True)
class Spread:
    """A robust centre and width.

    Attributes:
        median: The median.
        sigma: 1.4826 times the median absolute deviation, which is the sigma of a normal
            distribution.
    """

    median: float
    sigma: float


class Histogram:
    """Counts of values in bins of 0.01, which is exact enough for medians."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: Counter[int] = Counter(counts or {})

    def add(self, values: np.ndarray) -> None:
        """Count (n,) values; infinite values and NaN are left out."""
        bins = np.rint(values[np.isfinite(values)] / _BIN).astype(np.int64)
        numbers, counts = np.unique(bins, return_counts=True)
        self.counts.update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))

    @property
    def n(self) -> int:
        """How many values were counted."""
        return self.counts.total()

    def spread(self) -> Spread:
        """Return the median and the robust sigma, each to the width of a bin.

        >>> numbers = Histogram()
        >>> numbers.add(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
        >>> numbers.spread()
        Spread(median=3.0, sigma=1.4826)
        """
        middle = _median(self.counts)
        deviations = Counter[int]()
        for number, count in self.counts.items():
            deviations[abs(number - middle)] += count
        return Spread(round(middle * _BIN, 6), round(1.4826 * _median(deviations) * _BIN, 6))


def _median(counts: Counter[int]) -> int:
    half, n_passed = (counts.total() + 1) // 2, 0
    for number in sorted(counts):
        n_passed += counts[number]
        if n_passed >= half:
            return number
    return 0
