"""The interface of translators: texts and targets in, a translation or a problem for each out.

Opening a translator reads its configuration and tokenizer. Then the languages are checked, and the
first call of `translate` loads the weights. `facts` returns all that the output depends on: that is
the record in `corpus.json`, and a resumed build compares it to see that nothing has changed.
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
        log_prob: Mean log-probability per token, at most 0; None if the translator gives none.
        n_tokens: Tokens that the translator wrote, for the rate of work.
        problem: Why the text is None or cannot be trusted: "empty", "source too long",
            "unfinished", ...
    """

    text: str | None
    log_prob: float | None = None
    n_tokens: int = 0
    problem: str | None = None


class Translator(Protocol):
    """Anything that translates: one of ours or a user's own.

    It must be picklable to work in other processes.
    """

    @property
    def multilingual(self) -> bool:
        """Whether one call may mix target languages at no cost."""

    def check(self, targets: Sequence[str]) -> None:
        """Refuse, before the weights load, languages that the translator lacks.

        Args:
            targets: Canonical codes.

        Raises:
            InputError: It lacks one; the error names the nearest that it has.
        """

    def facts(self) -> Mapping[str, object]:
        """Return all that the output depends on.

        That is the name, the hash of the weights, the settings, the effective compute type and the
        versions; never a key, a path of this machine or a time. May load the weights.
        """

    def translate(
        self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False
    ) -> list[Translation]:
        """Translate each text into the language at its position in `targets`, in order.

        Args:
            texts: In the pivot; empty and over-long texts come back with their problem.
            targets: A canonical code for each text.
            retry: Use other settings than the first time, for texts whose first translation was
                rejected.
        """

    def close(self) -> None:
        """Free the weights; the next `translate` loads them again."""
