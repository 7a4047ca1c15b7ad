"""What every translator is: texts and their target languages in, a translation or a stated problem for each out.

A translator is opened cheaply (its configuration and tokenizer), checked against the languages that
are asked for, and loads its weights only when it first translates. What `facts` returns is all that
its output depends on, so it is both the record in `corpus.json` and the key by which a resumed
build knows that nothing changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Translation:
    """One translated text.

    Attributes:
        text: The translation, or None when there is none.
        log_prob: Mean log-probability per token that the translator gives it, at most 0; None where
            it tells none.
        n_tokens: Tokens that it took to write, for the rate of work.
        problem: Why the text is None or not to be trusted: "empty", "source too long",
            "unfinished", ...
    """

    text: str | None
    log_prob: float | None = None
    n_tokens: int = 0
    problem: str | None = None


class Translator(Protocol):
    """Anything that translates; one of ours, or a user's own, which must be picklable to work in other processes."""

    @property
    def multilingual(self) -> bool:
        """Whether one call may mix target languages at no cost."""

    def check(self, targets: Sequence[str]) -> None:
        """Refuse, before any weights load, what cannot be translated.

        Raises:
            InputError: A language (canonical code) that the translator lacks, with the nearest that
                it has.
        """

    def facts(self) -> Mapping[str, object]:
        """Return all that the output depends on: name, hash of the weights, settings, effective compute type, versions.

        May load the weights. Never holds a key, a path of this machine or a time.
        """

    def translate(
        self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False
    ) -> list[Translation]:
        """Translate each text into the language at its position in `targets`, in order.

        Args:
            texts: In the source language; empty and over-long ones come back with their problem.
            targets: A canonical code for each text.
            retry: Use other settings than the first time, for texts whose first translation was
                rejected.
        """

    def close(self) -> None:
        """Free the weights; the next `translate` loads them again."""
