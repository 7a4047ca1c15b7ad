"""How far a build is: for each language the sentences done, and sentences and tokens per second."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hexapla.build.shard_plan import ShardPlan
from hexapla.build.shard_worker import ShardResult, ShardTask
from hexapla.runs.progress import Progress
from hexapla.text import languages as codes


class LanguageBars:
    """A bar for each language of a build.

    Args:
        progress: Where the bars are shown.
        verb: What is done to the sentences, such as "translating".
        languages: Codes of the languages.
        plan: The shards, with their numbers of sentences.
    """

    def __init__(
        self, progress: Progress, verb: str, languages: Sequence[str], plan: ShardPlan
    ) -> None:
        self._plan = plan
        self._bars = {
            language: progress.add(
                f"{verb} {codes.name(language)}", plan.n_cells(language), unit="sentences"
            )
            for language in languages
        }
        self._n_tokens = dict.fromkeys(languages, 0)
        self._started = time.monotonic()

    def skip(self, task: ShardTask) -> None:
        """Count a task that an earlier run did."""
        for language in task.languages:
            self._bars[language].skip(self._plan.n_cells(language, task.shard))

    def advance(self, task: ShardTask, result: ShardResult) -> None:
        """Count a task that was done."""
        seconds = time.monotonic() - self._started
        for language in task.languages:
            self._n_tokens[language] += result.n_tokens.get(language, 0)
            facts = {}
            if self._n_tokens[language]:
                facts["tokens/s"] = f"{self._n_tokens[language] / seconds:,.0f}"
            self._bars[language].advance(self._plan.n_cells(language, task.shard), **facts)
