"""Translation by an OpenAI-compatible endpoint (vLLM, llama.cpp, `transformers serve`, hosted): texts in, text out.

Several sentences go in one request. An answer that does not have exactly one translation for each
is not guessed at: the sentences go again in two halves, down to single ones. Every answer is in the
request cache before it is used, so a run that ends early loses nothing that was paid for. An
endpoint gives no promise that it would answer the same twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

from hexapla.errors import InputError
from hexapla.text import languages
from hexapla.translate.checkpoint_files import cache_folder
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.endpoint import (
    Endpoint,
    EndpointFailure,
    Stopped,
    check_libraries,
    completions_url,
)
from hexapla.translate.prompts import (
    PROMPT_VERSION,
    Answer,
    answer_tokens,
    chat_request,
    prompt_tokens,
    read_answer,
)
from hexapla.translate.request_cache import FILE, RequestCache, request_key
from hexapla.translate.translator import Translation

_UNREADABLE_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class RequestEstimate:
    """What translating some texts takes, sentences in the cache left out; tokens are right to a factor of about two.

    Attributes:
        n_requests: Requests, if every answer can be read.
        input_tokens: Of all prompts.
        output_tokens: Of all answers.
        cost: In the currency of the configured prices; None if they are not known.
    """

    n_requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None


@dataclass(slots=True)
class _Call:
    """One call of `translate`, as its threads see it."""

    retry: bool
    stop: threading.Event = field(default_factory=threading.Event)
    any_readable: bool = False
    n_unreadable: int = 0


@dataclass(frozen=True, slots=True)
class _Batch:
    """What goes into one request: a target, and texts by their keys in the cache."""

    target: str
    texts: dict[str, str]


class OpenAITranslator:
    """A translator behind an endpoint; implements `Translator`.

    Args:
        config: Its name, base URL and settings. The key comes from the environment variable
            `OPENAI_API_KEY` alone, and is sent to whatever the base URL names.

    Raises:
        InputError: No endpoint is known, or a setting is out of range.
    """

    multilingual = True

    def __init__(self, config: TranslatorConfig) -> None:
        self._config = config
        self._url = completions_url(config.base_url)
        self._cache = RequestCache(cache_folder(config.cache) / FILE)
        self._endpoint: Endpoint | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_endpoint": None}  # its sockets, locks and key stay here

    def check(self, targets: Sequence[str]) -> None:
        """Refuse what is no language, or the source; what the endpoint itself can translate only its answers show."""
        check_libraries()
        for target in targets:
            languages.name(target)
            if target == self._config.pivot:
                raise InputError(f"target {target} is the language of the texts; leave it out")
        languages.name(self._config.pivot)

    def facts(self) -> Mapping[str, object]:
        """Return the name and settings.

        Two servers may each call another translator "default", so the address is part of what the
        answers depend on. It is told as a hash: that of a machine is nobody else's business, and
        facts are published.
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
            InputError: The endpoint does not answer, refuses, or writes nothing that can be read;
                what it has answered is in the cache.
        """
        self.check(list(dict.fromkeys(targets)))
        keys = self._keys(texts, targets, retry=retry)
        found = {
            key: Translation(text) for key, text in self._cache.get(filter(None, keys)).items()
        }
        batches = self._batches(texts, targets, keys, found, retry=retry)
        if batches:
            try:
                found |= self._answers(batches, _Call(retry))
            except EndpointFailure as failure:
                wanted = set(filter(None, keys))
                safe = (
                    f"{len(self._cache.get(wanted))} of {len(wanted)} answers of this part are safe"
                )
                hint = f"{safe} in {self._cache.path}; go on with --resume"
                raise InputError(f"{failure}; {hint}") from None
        return [found[key] if key else _unsent(text) for key, text in zip(keys, texts, strict=True)]

    def estimate(self, texts: Sequence[str], targets: Sequence[str]) -> RequestEstimate:
        """RequestEstimate what `translate` would take, sending nothing.

        Args:
            texts: In the source language.
            targets: A canonical code for each text.
        """
        self.check(list(dict.fromkeys(targets)))
        config = self._config
        keys = self._keys(texts, targets, retry=False)
        batches = self._batches(
            texts, targets, keys, self._cache.get(filter(None, keys)), retry=False
        )
        tokens_in = sum(
            prompt_tokens(json.dumps(self._request(batch), ensure_ascii=False)) for batch in batches
        )
        tokens_out = sum(
            answer_tokens(list(batch.texts.values()), batch.target) for batch in batches
        )
        cost = None
        if config.price_in is not None and config.price_out is not None:
            cost = (tokens_in * config.price_in + tokens_out * config.price_out) / 1e6
        return RequestEstimate(len(batches), tokens_in, tokens_out, cost)

    def close(self) -> None:
        """Close the connection; the next `translate` opens another."""
        if self._endpoint:
            self._endpoint.close()
        self._endpoint = None

    def _keys(
        self, texts: Sequence[str], targets: Sequence[str], *, retry: bool
    ) -> list[str | None]:
        """Return each text's key in the cache, None for the texts that are never sent."""
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
        known: Mapping[str, object],
        *,
        retry: bool,
    ) -> list[_Batch]:
        """Group what is to be sent by target, in order; a text that is there twice goes once."""
        # Fewer neighbours the second time: an answer that slipped to another sentence is a likely
        # cause of the first.
        n_texts = self._config.sentences_per_request
        n_texts = max(1, n_texts // 4) if retry else n_texts
        wanted: dict[str, dict[str, str]] = {}
        for text, target, key in zip(texts, targets, keys, strict=True):
            if key and key not in known:
                wanted.setdefault(target, {})[key] = text
        batches: list[_Batch] = []
        for target, by_key in wanted.items():
            n_tokens = 0
            for key, text in by_key.items():
                n_tokens += prompt_tokens(text)
                last = batches[-1] if batches and batches[-1].target == target else None
                if (
                    last is None
                    or len(last.texts) == n_texts
                    or n_tokens > self._config.batch_tokens
                ):
                    last, n_tokens = _Batch(target, {}), prompt_tokens(text)
                    batches.append(last)
                last.texts[key] = text
        return batches

    def _request(self, batch: _Batch, *, retry: bool = False) -> dict[str, Any]:
        texts = list(batch.texts.values())
        return chat_request(
            self._config.translator, self._config.pivot, batch.target, texts, retry=retry
        )

    def _answers(self, batches: Sequence[_Batch], call: _Call) -> dict[str, Translation]:
        """Ask for all batches, several at once; at an error, wait for the answers that are under way, to keep them."""
        config = self._config
        self._cache.put({})  # a cache that cannot be made is told before an answer is paid for
        if self._endpoint is None:
            self._endpoint = Endpoint(
                self._url,
                timeout_s=config.timeout_s,
                give_up_after_s=config.give_up_after_s,
                connections=config.concurrency,
            )
        found: dict[str, Translation] = {}
        with ThreadPoolExecutor(config.concurrency) as pool:
            futures = [pool.submit(self._answer, self._endpoint, batch, call) for batch in batches]
            try:
                for future in as_completed(futures):
                    with contextlib.suppress(
                        Stopped
                    ):  # the fault that stopped it is told by the request that met it
                        found |= future.result()
            except BaseException:
                call.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return found

    def _answer(self, endpoint: Endpoint, batch: _Batch, call: _Call) -> dict[str, Translation]:
        """Ask for one batch, and again for what its answer lacks, until each text has a translation or a problem."""
        found: dict[str, Translation] = {}
        work = [batch.texts]
        while work:
            texts = work.pop()
            try:
                answer = endpoint.complete(
                    self._request(_Batch(batch.target, texts), retry=call.retry), call.stop
                )
                read = self._keep(texts, answer, call)
            except BaseException:
                # here, not where it is caught: this thread would take up the next batch meanwhile
                call.stop.set()
                raise
            found |= read
            left = {key: text for key, text in texts.items() if key not in read}
            if len(texts) == 1 and left:
                found |= {
                    key: Translation(None, problem=answer.problem or "unreadable answer")
                    for key in left
                }
            elif len(left) < len(texts):
                work += [left] if left else []
            else:
                items = list(left.items())
                middle = len(items) // 2
                work += [dict(items[middle:]), dict(items[:middle])]
        return found

    def _keep(
        self, texts: Mapping[str, str], answer: Answer, call: _Call
    ) -> dict[str, Translation]:
        """Return the translations that an answer has, after they are in the cache."""
        read = [None] * len(texts) if answer.problem else read_answer(answer.content, len(texts))
        by_key = {
            key: text
            for key, text in zip(texts, read or [None] * len(texts), strict=True)
            if text is not None
        }
        if by_key:
            call.any_readable = True
            self._cache.put(by_key)
        elif not call.any_readable:
            call.n_unreadable += 1
            if call.n_unreadable >= _UNREADABLE_AT_MOST:
                said = answer.problem or f'"{" ".join(answer.content.split())[:100]}"'
                raise EndpointFailure(
                    f"{self._url}: {call.n_unreadable} answers and none is the JSON asked for, the last one {said}; "
                    f"{self._config.translator} may be no translator"
                )
        share, rest = divmod(answer.n_tokens, max(1, len(by_key)))
        return {
            key: Translation(text, n_tokens=share + (position < rest))
            for position, (key, text) in enumerate(by_key.items())
        }


def _unsent(text: str) -> Translation:
    return Translation(None, problem="source too long" if text.strip() else "empty")
