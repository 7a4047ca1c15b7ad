"""What every translator is: texts and their target languages in, a translation or a stated problem for each out.

A translator is opened cheaply (its configuration and tokenizer), checked against the languages that
are asked for, and loads its weights only when it first translates. What `facts` returns is all that
its output depends on, so it is both the record in `corpus.json` and the key by which a resumed
build knows that nothing changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Backend = Literal["auto", "ctranslate2", "transformers", "openai"]


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


@dataclass(frozen=True, kw_only=True)
class TranslatorConfig:
    """Which translator, and with which settings.

    Attributes:
        name: Hub name or folder of a checkpoint, or what an endpoint calls its own.
        source: Language of the texts, a canonical code.
        backend: What runs it; "auto" is ctranslate2 where it can be, else transformers.
        revision: Of a Hub checkpoint.
        beam_size: Beams of the search.
        max_input_tokens: Longer texts are not translated; models lose sentences beyond about 200
            tokens.
        batch_tokens: Source tokens, padding included, in one batch.
        device: "auto", "cpu", "cuda" or "cuda:1".
        compute_type: "auto", or one that CTranslate2 knows: "int8", "float16", "float32", ...
        threads: Of one translator; None for all cores.
        cache: Folder for converted checkpoints and paid answers; None for the user's cache folder.
        allow_pickle: Load weights other than safetensors.
        base_url: Of an OpenAI-compatible endpoint.
        sentences_per_request: In one prompt to an endpoint.
        concurrency: Requests to an endpoint at once.
        timeout_s: For one answer of an endpoint, in seconds.
        give_up_after_s: Longest wait, in seconds, for an endpoint that refuses, over all tries of
            one request.
        price_in: Of a million prompt tokens, in any currency; None if not known.
        price_out: Of a million answer tokens.
    """

    name: str
    source: str = "eng_Latn"
    backend: Backend = "auto"
    revision: str | None = None
    beam_size: int = 4
    max_input_tokens: int = 256
    batch_tokens: int = 4096
    device: str = "auto"
    compute_type: str = "auto"
    threads: int | None = None
    cache: Path | None = None
    allow_pickle: bool = False
    base_url: str | None = None
    sentences_per_request: int = 20
    concurrency: int = 4
    timeout_s: float = 120.0
    give_up_after_s: float = 600.0
    price_in: float | None = None
    price_out: float | None = None


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
