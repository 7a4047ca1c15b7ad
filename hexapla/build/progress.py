"""How far a build is, per language: sentences and tokens a second, time left. Nothing where stderr is no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich import progress
from rich.console import Console

from hexapla.build.shard_plan import Plan
from hexapla.build.shard_worker import Receipt, Task
from hexapla.text import languages as codes


class Progress:
    """A bar per language."""

    def __init__(self, verb: str, languages: Sequence[str], plan: Plan, quiet: bool) -> None:
        console = Console(stderr=True)
        self._plan = plan
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[rates]}"),
            progress.TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._tasks = {
            language: self._bars.add_task(
                f"{verb} {codes.name(language)}", total=plan.n_sentences, rates=""
            )
            for language in languages
        }
        self._n_tokens = dict.fromkeys(languages, 0)
        self._n_new = dict.fromkeys(languages, 0)

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

    def found_done(self, task: Task) -> None:
        """Count what an earlier run did, which says nothing of the rate."""
        for language in task.languages:
            bar = self._tasks[language]
            done = self._bars.tasks[bar].completed + self._plan.n_rows[task.shard]
            self._bars.reset(bar, completed=int(done))

    def done(self, receipt: Receipt) -> None:
        """Count a finished task."""
        for language in receipt.task.languages:
            self._n_new[language] += self._plan.n_rows[receipt.task.shard]
            self._n_tokens[language] += receipt.n_tokens.get(language, 0)
            bar = self._bars.tasks[self._tasks[language]]
            seconds = bar.elapsed or 0.0
            rates = f"{self._n_new[language] / seconds:,.0f} sentences/s" if seconds else ""
            if seconds and self._n_tokens[language]:
                rates += f", {self._n_tokens[language] / seconds:,.0f} tokens/s"
            self._bars.update(
                self._tasks[language], advance=self._plan.n_rows[receipt.task.shard], rates=rates
            )
