"""Translate with an OpenAI-compatible endpoint: vLLM, llama.cpp, `transformers serve`, hosted.

Several sentences go in one request, and every translation is kept in the request cache. An endpoint
does not promise that it would answer the same twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hexapla.errors import InputError
from hexapla.runs.user_cache import cache_folder
from hexapla.text import languages
from hexapla.translate.answer_collector import AnswerCollector
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.endpoint import (
    Endpoint,
    EndpointFailure,
    check_libraries,
    completions_url,
)
from hexapla.translate.prompts import PROMPT_VERSION, answer_tokens, chat_request, prompt_tokens
from hexapla.translate.request_cache import FILE, NoRequestCache, RequestCache, request_key
from hexapla.translate.sentence_batches import SentenceBatch, batch_sentences
from hexapla.translate.translator import Translation


@dataclass(frozen=True, slots=True)
class RequestEstimate:
    """What the translation of some texts takes, except for sentences in the cache.

    Attributes:
        n_requests: Requests, if every answer can be read.
        input_tokens: Tokens of all prompts, right to a factor of about two.
        output_tokens: Tokens of all answers, likewise.
        cost: In the currency of the configured prices; None if they are not known.
    """

    n_requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None


class OpenAITranslator:
    """A translator behind an endpoint; implements `Translator`.

    Args:
        config: Its name, base URL and settings. The key comes from the environment variable
            `OPENAI_API_KEY` alone, and is sent to whatever server the base URL names.
        keep_answers: Use the request cache; without it nothing is kept or found.

    Raises:
        InputError: No endpoint is known, or a library is missing.
    """

    multilingual = True

    def __init__(self, config: TranslatorConfig, *, keep_answers: bool = True) -> None:
        self._config = config
        self._url = completions_url(config.base_url)
        cache = RequestCache if keep_answers else NoRequestCache
        self._cache = cache(cache_folder(config.cache) / FILE)
        self._endpoint: Endpoint | None = None

    def __getstate__(self) -> dict[str, object]:
        # The endpoint's sockets, locks and key stay in this process.
        return self.__dict__ | {"_endpoint": None}

    def check(self, targets: Sequence[str]) -> None:
        """Refuse the pivot as a target, and codes of no language.

        What the endpoint itself can translate is seen only in its answers.

        Raises:
            InputError: As above, or a library is missing.
        """
        check_libraries()
        for target in targets:
            languages.name(target)
            if target == self._config.pivot:
                raise InputError(f"target {target} is the language of the texts; leave it out")
        languages.name(self._config.pivot)

    def facts(self) -> Mapping[str, object]:
        """Return the name and the settings.

        Two servers may each call another translator "default", so the address is part of what the
        answers depend on. It is stated as a hash, since facts are published and the address of a
        machine should not be.
        """
        config = self._config
        return {
            "backend": "openai",
            "name": config.translator,
            "endpoint": hashlib.sha256(self._url.encode()).hexdigest()[:12],
            "source": config.pivot,
            "prompt": PROMPT_VERSION,
            "temperature": 0.0,
            "sentences_per_request": config.sentences_per_request,
            "max_input_tokens": config.max_input_tokens,
            "batch_tokens": config.batch_tokens,
        }

    def translate(
        self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False
    ) -> list[Translation]:
        """Translate each text into the language at its position; see `Translator`.

        Raises:
            InputError: The endpoint does not answer, refuses, or writes nothing that can be read.
                Its answers until then are in the cache.
        """
        self.check(list(dict.fromkeys(targets)))
        keys = self._keys(texts, targets, retry=retry)
        wanted = set(filter(None, keys))
        translations = {key: Translation(text) for key, text in self._cache.get(wanted).items()}
        batches = self._batches(texts, targets, keys, translations, retry=retry)
        if batches:
            try:
                translations |= self._collect(batches, retry=retry)
            except EndpointFailure as failure:
                raise InputError(f"{failure}{self._cache.safe_note(wanted)}") from None
        return [
            translations[key] if key else _unsent(text)
            for key, text in zip(keys, texts, strict=True)
        ]

    def estimate(self, texts: Sequence[str], targets: Sequence[str]) -> RequestEstimate:
        """Estimate what `translate` would take, without sending anything.

        Args:
            texts: In the pivot.
            targets: A canonical code for each text.
        """
        self.check(list(dict.fromkeys(targets)))
        keys = self._keys(texts, targets, retry=False)
        known = self._cache.get(filter(None, keys))
        batches = self._batches(texts, targets, keys, known, retry=False)
        requests = [self._request(batch, retry=False) for batch in batches]
        tokens_in = sum(
            prompt_tokens(json.dumps(request, ensure_ascii=False)) for request in requests
        )
        tokens_out = sum(
            answer_tokens(list(batch.texts.values()), batch.target) for batch in batches
        )
        price_in, price_out = self._config.price_in, self._config.price_out
        cost = None
        if price_in is not None and price_out is not None:
            cost = (tokens_in * price_in + tokens_out * price_out) / 1e6
        return RequestEstimate(len(batches), tokens_in, tokens_out, cost)

    def close(self) -> None:
        """Close the connection; the next `translate` opens another."""
        if self._endpoint:
            self._endpoint.close()
        self._endpoint = None

    def _keys(
        self, texts: Sequence[str], targets: Sequence[str], *, retry: bool
    ) -> list[str | None]:
        """Return each text's key in the cache; None for a text that is never sent."""
        config = self._config
        settings = {
            "endpoint": self._url,
            "name": config.translator,
            "prompt": PROMPT_VERSION,
            "temperature": 0.0,
            "retry": retry,
        }
        return [
            request_key(settings, config.pivot, target, text)
            if text.strip() and prompt_tokens(text) <= config.max_input_tokens
            else None
            for text, target in zip(texts, targets, strict=True)
        ]

    def _batches(
        self,
        texts: Sequence[str],
        targets: Sequence[str],
        keys: Sequence[str | None],
        known: Container[str],
        *,
        retry: bool,
    ) -> list[SentenceBatch]:
        # Fewer neighbours the second time: a translation that slipped to another sentence is a
        # likely reason for the first rejection.
        n_texts = self._config.sentences_per_request
        return batch_sentences(
            texts,
            targets,
            keys,
            known,
            max_texts=max(1, n_texts // 4) if retry else n_texts,
            max_tokens=self._config.batch_tokens,
        )

    def _request(self, batch: SentenceBatch, *, retry: bool) -> dict[str, Any]:
        texts = list(batch.texts.values())
        return chat_request(
            self._config.translator, self._config.pivot, batch.target, texts, retry=retry
        )

    def _collect(self, batches: Sequence[SentenceBatch], *, retry: bool) -> dict[str, Translation]:
        config = self._config
        self._cache.put({})  # a cache that cannot be made is reported before an answer is paid for
        if self._endpoint is None:
            self._endpoint = Endpoint(
                self._url,
                timeout_s=config.timeout_s,
                give_up_after_s=config.give_up_after_s,
                connections=config.concurrency,
                insecure=config.insecure,
            )
        collector = AnswerCollector(
            self._endpoint,
            self._cache,
            lambda batch: self._request(batch, retry=retry),
            config.translator,
        )
        return collector.collect(batches, config.concurrency)


def _unsent(text: str) -> Translation:
    return Translation(None, problem="source too long" if text.strip() else "empty")
