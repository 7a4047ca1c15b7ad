"""What the two translators of checkpoints share: which texts reach the model, in which batches, with which settings.

Texts and targets go in, in any order; translations come out in the same order. A text's limit on
output tokens depends on its own length alone, never on what it is batched with, so a resumed build
cuts the same texts off at the same place.
"""

from __future__ import annotations

import importlib.metadata
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hexapla.errors import InputError
from hexapla.translate.checkpoint import Checkpoint
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.translator import Translation

_LIMITS = (64, 128, 256, 512)


class BeamSearch(NamedTuple):
    """How the model looks for its output."""

    beam_size: int
    no_repeat_ngram_size: int = 0
    repetition_penalty: float = 1.0


RETRY = BeamSearch(beam_size=5, no_repeat_ngram_size=4, repetition_penalty=1.2)
"""For what was rejected once, most often for repeating itself. Not for all: it spoils repetitions that are meant."""


@dataclass(frozen=True, slots=True)
class DecodingJob:
    """One text for the model: its place in the call, its tokens, and the token that its output is to start with."""

    position: int
    ids: list[int]
    prefix: str | None


class Output(NamedTuple):
    """What the model made of a job: ids without prefix and end, and the mean log-probability of ids and end."""

    ids: list[int]
    log_prob: float
    n_tokens: int
    finished: bool


class CheckpointTranslator(ABC):
    """A translator that runs a checkpoint on this machine; its weights load with the first text."""

    def __init__(self, config: TranslatorConfig, checkpoint: Checkpoint) -> None:
        self.config = config
        self.checkpoint = checkpoint
        self._checked: frozenset[str] = frozenset()

    @property
    def multilingual(self) -> bool:
        """Whether one call may mix target languages at no cost."""
        return self.checkpoint.layout is not None

    def check(self, targets: Sequence[str]) -> None:
        """Refuse, before any weights load, what cannot be translated.

        Raises:
            InputError: A language that the checkpoint lacks, with the nearest that it has.
        """
        asked = frozenset(targets)
        if not asked <= self._checked:
            self.checkpoint.check(sorted(asked | self._checked))
            self._checked |= asked

    def facts(self) -> Mapping[str, object]:
        """Return all that the output depends on. Loads the weights, for the effective compute type."""
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
        return min(
            self.config.max_input_tokens, self.checkpoint.positions or self.config.max_input_tokens
        )

    def translate(
        self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False
    ) -> list[Translation]:
        """Translate each text into the language at its position in `targets`, in order.

        Args:
            texts: In the source language; empty and over-long ones come back with their problem.
            targets: A canonical code for each text.
            retry: Use other settings than the first time.
        """
        if len(texts) != len(targets):
            raise ValueError(
                f"{len(texts)} texts and {len(targets)} targets; each text needs its own target"
            )
        self.check(tuple(set(targets)))
        found: dict[int, Translation] = {}
        groups = self._jobs(texts, targets, found)
        for limit, jobs in sorted(groups.items()):
            jobs.sort(key=lambda job: (len(job.ids), job.position))
            outputs = self._search(jobs, limit, self._settings(retry=retry))
            decoded = self.checkpoint.decode([output.ids for output in outputs])
            for job, output, text in zip(jobs, outputs, decoded, strict=True):
                found[job.position] = _translation(output, text)
        return [found[position] for position in range(len(texts))]

    @abstractmethod
    def close(self) -> None:
        """Free the weights; the next `translate` loads them again."""

    @abstractmethod
    def _effective(self) -> dict[str, object]:
        """Name the backend and what it really computes with."""

    @abstractmethod
    def _packages(self) -> Sequence[str]:
        """Name the packages that its output depends on."""

    @abstractmethod
    def _search(self, jobs: Sequence[DecodingJob], limit: int, search: BeamSearch) -> list[Output]:
        """Translate jobs, which are sorted by length, into at most `limit` tokens each, prefix included."""

    def _settings(self, *, retry: bool) -> BeamSearch:
        return RETRY if retry else BeamSearch(self.config.beam_size)

    def _jobs(
        self, texts: Sequence[str], targets: Sequence[str], found: dict[int, Translation]
    ) -> dict[int, list[DecodingJob]]:
        """Tokenize each text once, group by the limit of the output, and answer what no model is to see."""
        wanted: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(dict)
        shared = (
            self.multilingual
            and self.checkpoint.layout is not None
            and not self.checkpoint.layout.in_source
        )
        for position, (text, target) in enumerate(zip(texts, targets, strict=True)):
            if text.strip():
                wanted["" if shared else target].setdefault(text, []).append((position, target))
            else:
                found[position] = Translation(text=None, problem="empty")
        groups: dict[int, list[DecodingJob]] = defaultdict(list)
        for language, places in wanted.items():
            for ids, places_of_text in zip(
                self.checkpoint.encode(list(places), language), places.values(), strict=True
            ):
                for position, target in places_of_text:
                    if len(ids) > self.max_input_tokens:
                        found[position] = Translation(text=None, problem="source too long")
                    else:
                        groups[self._limit(len(ids))].append(
                            DecodingJob(position, ids, self.checkpoint.prefix(target))
                        )
        return groups

    def _limit(self, n_tokens: int) -> int:
        """Bound the output: thrice the input is more than any language of FLORES-200 needs, and ends a loop early."""
        limit = next((limit for limit in _LIMITS if limit >= 3 * n_tokens + 32), _LIMITS[-1])
        return min(limit, self.checkpoint.positions or limit)


def _translation(output: Output, text: str) -> Translation:
    problem = None if text else "empty translation"
    if not output.finished:
        problem = "unfinished"
    return Translation(text or None, min(output.log_prob, 0.0), output.n_tokens, problem)


def choose_device(asked: str, n_gpus: int, library: str) -> tuple[str, int]:
    """Return the kind of device, "cpu" or "cuda", and its number.

    Args:
        asked: "auto", "cpu", "cuda" or "cuda:0".
        n_gpus: How many GPUs the library can use here.
        library: What to call it.

    Raises:
        InputError: Another word, or a GPU that is not there.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,4})?", asked):
        raise InputError(f'device "{asked}" is unknown; give auto, cpu, cuda or cuda:0')
    if asked == "auto":
        return "cuda" if n_gpus else "cpu", 0
    kind, _, number = asked.partition(":")
    if kind == "cuda" and int(number or 0) >= n_gpus:
        raise InputError(
            f"device {asked}: this machine has {n_gpus} GPUs that {library} can use; give cpu or auto"
        )
    return kind, int(number or 0)


def choose_compute_type(
    asked: str,
    checkpoint: Checkpoint,
    supported: Sequence[str],
    preferred: Sequence[str],
    place: str,
) -> str:
    """Return what to compute with: what was asked for, or of the `preferred` the first that can be.

    Args:
        asked: "auto" or one of `supported`.
        checkpoint: What is to run.
        supported: What the library has for the device.
        preferred: Best first; one of them can always be.
        place: Where it is to run, for the error.

    Raises:
        InputError: It was asked for what cannot be.
    """
    # T5 reaches values beyond float16 and then writes nothing but padding.
    never = ("float16", "int8_float16") if checkpoint.model_type in ("t5", "mt5", "umt5") else ()
    allowed = [name for name in supported if name not in never]
    if asked == "auto":
        return next(name for name in preferred if name in allowed)
    if asked not in allowed:
        raise InputError(
            f"compute_type {asked} is not one that {checkpoint.name} can use {place}; "
            f"give auto or one of {', '.join(allowed)}"
        )
    return asked
