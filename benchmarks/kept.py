"""Cases measured in turns, and their values kept for the one table of `python -m benchmarks`."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# The file to which values are appended; without it nothing is kept.
PLACE = "HEXAPLA_BENCHMARKS"


def keep(what: str, values: Sequence[float], unit: str) -> None:
    """Keep the values of all rounds.

    Args:
        what: What was measured, and against what.
        values: One of each round.
        unit: Of the values: "s", "sentences/s", or "x" for a ratio.
    """
    if place := os.environ.get(PLACE):
        line = json.dumps({"what": what, "values": list(values), "unit": unit}, ensure_ascii=False)
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def take_turns(cases: Mapping[str, Callable[[], float]], n_rounds: int) -> dict[str, list[float]]:
    """Return the values of each case, measured in turns after one round of warm-up."""
    values: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(n_rounds + 1):
        for name, measure in cases.items():
            value = measure()
            if number:
                values[name].append(value)
    return values


def ratio(values: Mapping[str, Sequence[float]], above: str, below: str, what: str) -> str:
    """Return the median ratio over the rounds with its range, and keep it as `what`."""
    ratios = [one / other for one, other in zip(values[above], values[below], strict=True)]
    keep(what, ratios, "x")
    median, spread = describe(ratios)
    return f"{median} ({spread})" if spread else median


def peak_bytes() -> float:
    """Return the peak resident memory of this process; `getrusage` starts from its parent's."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM"):
            return 1024.0 * int(line.split()[1])
    return 0.0


def describe(values: Sequence[float]) -> tuple[str, str]:
    """Return median and range as text.

    >>> describe([2.0, 1.0, 4.0]), describe([1234.5])
    (('2.00', '1.00 to 4.00'), ('1,234', ''))
    """
    low, high = min(values), max(values)
    spread = f"{_number(low)} to {_number(high)}" if len(values) > 1 else ""
    return _number(statistics.median(values)), spread


def _number(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
