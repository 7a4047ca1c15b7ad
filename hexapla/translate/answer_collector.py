"""Ask an endpoint for the translations of batches of sentences, several batches at once.

An answer that does not have exactly one translation for each sentence is never guessed at: the
sentences are sent again in two halves, down to single ones. Every translation is in the request
cache before it is used, so a run that ends early loses nothing that was paid for.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from hexapla.translate.endpoint import Endpoint, EndpointFailure, Stopped
from hexapla.translate.prompts import Answer, read_answer
from hexapla.translate.request_cache import RequestCache
from hexapla.translate.sentence_batches import SentenceBatch, split_batch
from hexapla.translate.translator import Translation

_MAX_UNREADABLE = 50  # answers in a row from the beginning before the endpoint is given up


class AnswerCollector:
    """The requests of one call of `translate`, shared by its threads.

    Args:
        endpoint: The open connection.
        cache: Keeps each translation.
        make_request: Returns the body of the request for a batch.
        translator: Name of the endpoint's model, for errors.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        cache: RequestCache,
        make_request: Callable[[SentenceBatch], dict[str, Any]],
        translator: str,
    ) -> None:
        self._endpoint = endpoint
        self._cache = cache
        self._make_request = make_request
        self._translator = translator
        self._stop = threading.Event()
        self._any_readable = False
        self._n_unreadable = 0

    def collect(self, batches: Sequence[SentenceBatch], concurrency: int) -> dict[str, Translation]:
        """Return the translations of all batches by key.

        After an error it waits for the answers that are under way, so that they are kept.

        Raises:
            EndpointFailure: The endpoint does not answer, refuses, or only writes what cannot be
                read.
        """
        translations: dict[str, Translation] = {}
        with ThreadPoolExecutor(concurrency) as pool:
            futures = [pool.submit(self._translate, batch) for batch in batches]
            try:
                for future in as_completed(futures):
                    # The request that failed raises the fault; those that it stopped do not.
                    with contextlib.suppress(Stopped):
                        translations |= future.result()
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return translations

    def _translate(self, batch: SentenceBatch) -> dict[str, Translation]:
        """Ask for a batch, and again for what is missing, until each text has its answer.

        That is a translation, or a problem.
        """
        translations: dict[str, Translation] = {}
        work = [batch.texts]
        while work:
            texts = work.pop()
            answer, read = self._ask(SentenceBatch(batch.target, texts))
            translations |= read
            missing = {key: text for key, text in texts.items() if key not in read}
            if len(texts) == 1 and missing:
                problem = answer.problem or "unreadable answer"
                translations |= {key: Translation(None, problem=problem) for key in missing}
            elif len(missing) == len(texts):
                work += split_batch(missing)
            elif missing:
                work.append(missing)
        return translations

    def _ask(self, batch: SentenceBatch) -> tuple[Answer, dict[str, Translation]]:
        try:
            answer = self._endpoint.complete(self._make_request(batch), self._stop)
            return answer, self._keep(batch.texts, answer)
        except BaseException:
            # Set here and not where the error is handled: until then this thread would begin the
            # next batch.
            self._stop.set()
            raise

    def _keep(self, texts: Mapping[str, str], answer: Answer) -> dict[str, Translation]:
        """Put the translations of an answer into the cache, and return them."""
        read = None if answer.problem else read_answer(answer.content, len(texts))
        by_key = {
            key: text
            for key, text in zip(texts, read or [None] * len(texts), strict=True)
            if text is not None
        }
        if by_key:
            self._any_readable = True
            self._cache.put(by_key)
        elif not self._any_readable:
            self._count_unreadable(answer)
        share, rest = divmod(answer.n_tokens, max(1, len(by_key)))
        return {
            key: Translation(text, n_tokens=share + (position < rest))
            for position, (key, text) in enumerate(by_key.items())
        }

    def _count_unreadable(self, answer: Answer) -> None:
        self._n_unreadable += 1
        if self._n_unreadable >= _MAX_UNREADABLE:
            quoted = answer.problem or self._endpoint.quote(answer.content)
            raise EndpointFailure(
                f"{self._endpoint.url}: {self._n_unreadable} answers and none is the JSON asked "
                f"for, the last one {quoted}; {self._translator} may be no translator"
            )
