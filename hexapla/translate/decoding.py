"""What the two translators of checkpoints share: which texts reach the model, how, in what groups.

Texts and targets go in, in any order; translations come out in the same order. The limit on a
text's output tokens depends only on the text's length, never on the batch, so a resumed build cuts
off the same texts at the same place.
"""

from __future__ import annotations

import importlib.metadata
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hexapla.translate.batch_tokens import BatchTokens
from hexapla.translate.checkpoint import Checkpoint
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.translator import Translation

_LIMITS = (64, 128, 256, 512)


class BeamSearch(NamedTuple):
    """Settings of the search for the output."""

    beam_size: int
    no_repeat_ngram_size: int = 0
    repetition_penalty: float = 1.0


RETRY = BeamSearch(beam_size=5, no_repeat_ngram_size=4, repetition_penalty=1.2)
"""For texts whose first translation was rejected, mostly for repeating itself.

It is not used for all texts, since it spoils repetitions that are meant.
"""


@dataclass(frozen=True, slots=True)
class DecodingJob:
    """One text for the model.

    Attributes:
        position: Its place in the call.
        ids: Its tokens.
        prefix: The token that the output starts with; None for no such token.
    """

    position: int
    ids: list[int]
    prefix: str | None


class Output(NamedTuple):
    """The output of the model for a job.

    Attributes:
        ids: Tokens without the prefix and the end of the text.
        log_prob: Mean log-probability of the ids and the end.
        n_tokens: Number of ids, with the end if there is one.
        finished: Whether the model ended the text before its limit.
    """

    ids: list[int]
    log_prob: float
    n_tokens: int
    finished: bool


class CheckpointTranslator(ABC):
    """A translator that runs a checkpoint on this machine; its weights load with the first text."""

    def __init__(self, config: TranslatorConfig, files: CheckpointFiles) -> None:
        self.config = config
        self.checkpoint = Checkpoint(config, files)
        self._batch_tokens = BatchTokens(config, self.checkpoint.name)
        self._checked: frozenset[str] = frozenset()

    @property
    def multilingual(self) -> bool:
        """Whether one call may mix target languages at no cost."""
        return self.checkpoint.languages.layout is not None

    def check(self, targets: Sequence[str]) -> None:
        """Refuse, before the weights load, languages that the checkpoint lacks.

        Raises:
            InputError: It lacks one; the error names the nearest that it has.
        """
        asked = frozenset(targets)
        if not asked <= self._checked:
            self.checkpoint.check(sorted(asked | self._checked))
            self._checked |= asked

    def facts(self) -> Mapping[str, object]:
        """Return all that the output depends on. May load the weights."""
        return {
            **self.checkpoint.facts(),
            "source": self.config.pivot,
            **self._effective(),
            "max_input_tokens": self.max_input_tokens,
            "max_output_tokens": "3n + 32, rounded up to 64, 128, 256 or 512",
            "search": self._settings(retry=False)._asdict(),
            "search_again": self._settings(retry=True)._asdict(),
            "versions": {
                package: importlib.metadata.version(package) for package in self._packages()
            },
        }

    @property
    def max_input_tokens(self) -> int:
        """The longest input in tokens, language and end included."""
        asked = self.config.max_input_tokens
        return min(asked, self.checkpoint.max_positions or asked)

    def translate(
        self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False
    ) -> list[Translation]:
        """Translate each text into the language at its position in `targets`, in order.

        Args:
            texts: In the pivot; empty and over-long texts come back with their problem.
            targets: A canonical code for each text.
            retry: Use other settings than the first time.
        """
        if len(texts) != len(targets):
            raise ValueError(
                f"{len(texts)} texts and {len(targets)} targets; each text needs its own target"
            )
        self.check(tuple(set(targets)))
        translations: dict[int, Translation] = {}
        groups = self._group(texts, targets, translations)
        for limit, jobs in sorted(groups.items()):
            jobs.sort(key=lambda job: (len(job.ids), job.position))
            outputs = self._search(jobs, limit, self._settings(retry=retry))
            decoded = self.checkpoint.decode([output.ids for output in outputs])
            for job, output, text in zip(jobs, outputs, decoded, strict=True):
                translations[job.position] = _translation(output, text)
        return [translations[position] for position in range(len(texts))]

    @abstractmethod
    def close(self) -> None:
        """Free the weights; the next `translate` loads them again."""

    @abstractmethod
    def _effective(self) -> dict[str, object]:
        """Return the backend, its device and its effective compute type."""

    @abstractmethod
    def _packages(self) -> Sequence[str]:
        """Name the packages that the output depends on."""

    @abstractmethod
    def _search(self, jobs: Sequence[DecodingJob], limit: int, search: BeamSearch) -> list[Output]:
        """Translate jobs, sorted by length, into at most `limit` tokens each, prefix included."""

    def _settings(self, *, retry: bool) -> BeamSearch:
        return RETRY if retry else BeamSearch(self.config.beam_size)

    def _group(
        self, texts: Sequence[str], targets: Sequence[str], problems: dict[int, Translation]
    ) -> dict[int, list[DecodingJob]]:
        """Tokenize each distinct text once, and group the jobs by the limit of their output.

        A text that no model should see gets its answer in `problems`, by its position.
        """
        # Where the language starts the output, the ids of a text are the same for all targets.
        shared = self.checkpoint.languages.token_in_output
        places: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(dict)
        for position, (text, target) in enumerate(zip(texts, targets, strict=True)):
            if text.strip():
                same = places["" if shared else target].setdefault(text, [])
                same.append((position, target))
            else:
                problems[position] = Translation(text=None, problem="empty")
        groups: dict[int, list[DecodingJob]] = defaultdict(list)
        for language, by_text in places.items():
            rows = self.checkpoint.encode(list(by_text), language)
            for ids, same in zip(rows, by_text.values(), strict=True):
                for position, target in same:
                    if len(ids) > self.max_input_tokens:
                        problems[position] = Translation(text=None, problem="source too long")
                    else:
                        job = DecodingJob(position, ids, self.checkpoint.prefix(target))
                        groups[self._limit(len(ids))].append(job)
        return groups

    def _limit(self, n_tokens: int) -> int:
        """Return the limit on an output's tokens for an input of `n_tokens`.

        Three times the input is more than any language of FLORES-200 needs, and ends a repetition
        early.
        """
        limit = next((limit for limit in _LIMITS if limit >= 3 * n_tokens + 32), _LIMITS[-1])
        return min(limit, self.checkpoint.max_positions or limit)


def _translation(output: Output, text: str) -> Translation:
    problem = None if text else "empty translation"
    if not output.finished:
        problem = "unfinished"
    return Translation(text or None, min(output.log_prob, 0.0), output.n_tokens, problem)
