"""How far long work is: bars on a terminal, a line every half minute in a log.

A bar counts one kind of unit. Where stderr is a terminal it is drawn by rich; elsewhere (`nohup`, a
cluster's log) the same numbers become a log line once in `LOG_EVERY_S` seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from rich import progress as rich_progress
from rich.console import Console

from hexapla.text.printable import printable

T = TypeVar("T")

LOG_EVERY_S = 30.0
_log = logging.getLogger(__name__)


class Progress:
    """The bars of one piece of work, as a context manager.

    Args:
        quiet: Show nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        console = Console(stderr=True)
        self._quiet = quiet
        self._logs = not quiet and not console.is_terminal
        self._bars = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}", markup=False),
            rich_progress.BarColumn(),
            rich_progress.TextColumn("{task.fields[count]}", markup=False),
            rich_progress.TextColumn("{task.fields[facts]}", markup=False),
            rich_progress.TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def add(self, description: str, total: int | None = None, *, unit: str = "") -> Bar:
        """Add a bar.

        Args:
            description: What is being done, such as "translating into German".
            total: How many units there are; None if that is not known.
            unit: What is counted, in the plural: "rows", "sentences".
        """
        return Bar(self._bars, description, total, unit, logs=self._logs)

    def track(
        self, items: Iterable[T], description: str, total: int | None = None, *, unit: str = ""
    ) -> Iterator[T]:
        """Yield the items, counting one for each."""
        bar = self.add(description, total, unit=unit)
        for item in items:
            yield item
            bar.advance()


class Bar:
    """One bar; made by `Progress.add`."""

    def __init__(
        self,
        bars: rich_progress.Progress,
        description: str,
        total: int | None,
        unit: str,
        *,
        logs: bool,
    ) -> None:
        self._bars, self._logs = bars, logs
        self._description, self._total, self._unit = description, total, unit
        self._n_done = self._n_skipped = 0
        self._started = self._logged = time.monotonic()
        self._has_logged = False
        self._facts: dict[str, str] = {}
        self._task = bars.add_task(printable(description), total=total, count="", facts="")

    def skip(self, n_units: int) -> None:
        """Count what an earlier run did; it says nothing about the rate."""
        self._n_done += n_units
        self._n_skipped += n_units
        self._bars.reset(self._task, completed=self._n_done)
        self._show()

    def advance(self, n_units: int = 1, *, description: str | None = None, **facts: str) -> None:
        """Count units that were done.

        Args:
            n_units: How many.
            description: What is being done from now on.
            **facts: Further numbers to show by name, such as `loss="0.1234"`.
        """
        self._n_done += n_units
        self._facts |= facts
        self._description = self._description if description is None else description
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        facts = ", ".join(
            [*self._rate(now), *(f"{key} {value}" for key, value in self._facts.items())]
        )
        self._bars.update(
            self._task,
            completed=self._n_done,
            description=printable(self._description),
            count=self._count(),
            facts=printable(facts),
        )
        is_last = self._n_done == self._total and self._has_logged
        if self._logs and (is_last or now - self._logged >= LOG_EVERY_S):
            left = self._time_left(now)
            _log.info("%s", ", ".join(filter(None, [self._line(), facts, left])))
            self._logged, self._has_logged = now, not is_last

    def _line(self) -> str:
        share = f" ({100 * self._n_done / self._total:.0f} %)" if self._total else ""
        return f"{self._description}: {self._count()}{share}"

    def _count(self) -> str:
        of = "" if self._total is None else f" of {self._total:,}"
        return f"{self._n_done:,}{of} {self._unit}".rstrip()

    def _rate(self, now: float) -> list[str]:
        n_new, seconds = self._n_done - self._n_skipped, now - self._started
        if not n_new or seconds < 1:
            return []
        rate = n_new / seconds
        return [f"{rate:,.0f} {self._unit}/s" if rate >= 10 else f"{rate:.2g} {self._unit}/s"]

    def _time_left(self, now: float) -> str:
        n_new = self._n_done - self._n_skipped
        if not n_new or self._total is None or self._n_done >= self._total:
            return ""
        seconds = (self._total - self._n_done) * (now - self._started) / n_new
        return f"{format_duration(seconds)} left"


def format_duration(seconds: float) -> str:
    """Write a duration as a reader would say it.

    >>> format_duration(42.3), format_duration(125), format_duration(7300)
    ('42 s', '2 min 5 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
