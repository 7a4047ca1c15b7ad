"""The size of a build, known before anything is translated, paid for or written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hexapla.build.check_build import check_build
from hexapla.build.config import BuildConfig
from hexapla.build.shard_plan import read_pivot_rows
from hexapla.corpus.contamination import Contamination
from hexapla.text.limits import with_text_limit
from hexapla.translate.backends import open_translator
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.translator import Translator


@dataclass(frozen=True)
class BuildTexts:
    """The sentences of a build.

    Attributes:
        texts: The sentences.
        left_out: Sentences left out, by reason.
        missing: Language -> whether the cell of each sentence is missing, if only those are
            translated.
    """

    texts: list[str]
    left_out: dict[str, int] = field(default_factory=dict)
    missing: dict[str, list[bool]] = field(default_factory=dict)

    def of(self, language: str) -> list[str]:
        """Return the sentences to translate into a language."""
        if language not in self.missing:
            return self.texts
        pairs = zip(self.texts, self.missing[language], strict=True)
        return [text for text, missing in pairs if missing]


@dataclass(frozen=True, kw_only=True)
class BuildEstimate:
    """The size of a build.

    Attributes:
        n_sentences: Sentences to translate, each into every language.
        n_languages: Languages to translate into.
        n_characters: Characters of all sentences together.
        n_translations: Translations: of each sentence into every language, or of missing cells.
        left_out: Sentences left out, by reason.
        n_requests: Requests to an endpoint. This and what follows are None for other translators.
        input_tokens: Tokens of the prompts, to a factor of about two.
        output_tokens: Tokens of the answers, to a factor of about two.
        cost: Cost in the currency of the given prices; None without prices.
    """

    n_sentences: int
    n_languages: int
    n_characters: int
    n_translations: int
    left_out: dict[str, int]
    n_requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None

    def lines(self) -> list[str]:
        """Return the estimate as lines of text."""
        left_out = ", ".join(f"{n:,} {reason}" for reason, n in self.left_out.items())
        lines = [
            f"{self.n_sentences:,} sentences of {self.n_characters:,} characters; "
            f"left out: {left_out or 'nothing'}",
            f"{self.n_translations:,} translations, languages: {self.n_languages}",
        ]
        if self.n_requests is not None:
            cost = "unknown: give --price-in and --price-out"
            if self.cost is not None:
                cost = f"{self.cost:,.2f}" if self.cost >= 1 else f"{self.cost:.2g}"
            lines += [
                f"{self.n_requests:,} requests, about {self.input_tokens:,} tokens in and "
                f"{self.output_tokens:,} out, without what the cache answers",
                f"cost {cost}; rejected translations are requested once more and cost a little "
                "extra",
            ]
        return lines


@with_text_limit
def estimate_build(config: BuildConfig) -> BuildEstimate:
    """Read the sources and estimate what their translation takes.

    Raises:
        InputError: As in `build`, for what is found before the first sentence is translated.
    """
    check_build(config, dry_run=True)
    translator = config.translator
    opened = open_translator(translator) if isinstance(translator, TranslatorConfig) else translator
    opened.check(config.to)
    return estimate_texts(config, opened, read_build_texts(config))


def read_build_texts(config: BuildConfig) -> BuildTexts:
    """Return the sentences of a build.

    Raises:
        InputError: A source or an evaluation set cannot be read.
    """
    contamination = None
    if config.against:
        contamination = Contamination.load(config.against, config.languages)
    counts: dict[str, Any] = {}
    rows = list(read_pivot_rows(config, contamination, counts, None))
    gaps = config.to if config.top_up else ()
    missing = {code: [row[code] for row in rows] for code in gaps}
    return BuildTexts([row["text"] for row in rows], dict(counts["left_out"]), missing)


def estimate_texts(config: BuildConfig, translator: Translator, texts: BuildTexts) -> BuildEstimate:
    """Estimate what the translation of a build's sentences takes.

    Args:
        config: The build.
        translator: Its translator, opened.
        texts: Its sentences.
    """
    requests: dict[str, Any] = {}
    to_translate = {language: texts.of(language) for language in config.to}
    # Only the translator of an endpoint has requests to count.
    if (estimate := getattr(translator, "estimate", None)) is not None:
        of_languages = [estimate(of, [code] * len(of)) for code, of in to_translate.items()]
        requests = {
            key: sum(getattr(each, key) for each in of_languages)
            for key in ("n_requests", "input_tokens", "output_tokens")
        }
        costs = [each.cost for each in of_languages]
        requests["cost"] = None if None in costs else sum(costs)
    return BuildEstimate(
        n_sentences=len(texts.texts),
        n_languages=len(config.to),
        n_characters=sum(map(len, texts.texts)),
        n_translations=sum(map(len, to_translate.values())),
        left_out=texts.left_out,
        **requests,
    )
