"""What a build would take, told before anything is translated, paid for or written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hexapla.build.config import BuildConfig
from hexapla.build.shard_plan import pivot_rows
from hexapla.corpus.contamination import Contamination
from hexapla.translate.backends import open_translator
from hexapla.translate.config import TranslatorConfig


@dataclass(frozen=True, kw_only=True)
class BuildEstimate:
    """The size of a build.

    Attributes:
        n_sentences: Sentences to translate, each into every language.
        n_languages: Languages to translate into.
        n_characters: Of the sentences together.
        left_out: Sentences left out, by reason.
        n_requests: To an endpoint, as are the next three; None for other translators.
        input_tokens: Of its prompts, to a factor of about two.
        output_tokens: Of its answers, likewise.
        cost: In the currency of the prices that were given; None if none were.
    """

    n_sentences: int
    n_languages: int
    n_characters: int
    left_out: dict[str, int]
    n_requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None

    def lines(self) -> list[str]:
        """Return it as text."""
        told = ", ".join(f"{n:,} {reason}" for reason, n in self.left_out.items()) or "nothing"
        lines = [
            f"{self.n_sentences:,} sentences of {self.n_characters:,} characters; left out: {told}",
            f"{self.n_sentences * self.n_languages:,} translations, languages: {self.n_languages}",
        ]
        if self.n_requests is not None:
            cost = "unknown: give --price-in and --price-out"
            if self.cost is not None:
                cost = f"{self.cost:,.2f}" if self.cost >= 1 else f"{self.cost:.2g}"
            lines += [
                f"{self.n_requests:,} requests, about {self.input_tokens:,} tokens in and {self.output_tokens:,} out, "
                "answers in the cache not counted",
                f"cost {cost}; rejected translations are asked for once more, for a little more",
            ]
        return lines


def estimate_build(config: BuildConfig) -> BuildEstimate:
    """Read the sources and say what their translation would take.

    Raises:
        InputError: As in `build`, for what is found before the first sentence is translated.
    """
    translator = config.translator
    opened = open_translator(translator) if isinstance(translator, TranslatorConfig) else translator
    opened.check(config.to)
    contamination = (
        Contamination.load(config.against, (config.pivot, *config.to)) if config.against else None
    )
    counts: dict[str, Any] = {}
    texts = [row["text"] for row in pivot_rows(config, contamination, counts, None)]
    estimate = getattr(
        opened, "estimate", None
    )  # only an endpoint's translator has requests to count
    asked: dict[str, Any] = {}
    if estimate is not None:
        found = [estimate(texts, [language] * len(texts)) for language in config.to]
        asked = {
            key: sum(getattr(one, key) for one in found)
            for key in ("n_requests", "input_tokens", "output_tokens")
        }
        costs = [one.cost for one in found]
        asked["cost"] = None if None in costs else sum(costs)
    return BuildEstimate(
        n_sentences=len(texts),
        n_languages=len(config.to),
        n_characters=sum(map(len, texts)),
        left_out=dict(counts["left_out"]),
        **asked,
    )
