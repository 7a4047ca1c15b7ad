"""One chat completion from an OpenAI-compatible endpoint: a request in, an answer out.

The retry loop is tenacity's and not the `openai` package's, which counts attempts, not seconds, and
waits at most two minutes for a `Retry-After`. The key is read from the environment when the
connection opens, and stands in its headers only; it is removed from what a server says before that
is quoted.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import threading
from typing import TYPE_CHECKING, Any

from hexapla.errors import InputError
from hexapla.runs.loopback import is_loopback
from hexapla.translate.prompts import Answer, read_completion
from hexapla.translate.refusals import (
    KEY,
    Busy,
    Refusal,
    advice,
    blamed_field,
    may_pass,
    problem_of,
    retry_after_s,
)

if TYPE_CHECKING:
    import httpx2
    import tenacity

_log = logging.getLogger(__name__)

_OPENAI = "https://api.openai.com/v1"
_FIRST_WAIT_S = 0.5
_MAX_WAIT_S = 60.0
# Of one answer, unpacked. The longest that a translator may write, with a reasoning of 100,000
# tokens before a thousand sentences, has about 1 MiB.
_MAX_ANSWER_MIB = 8
_MAX_QUOTED = 300  # characters of an answer in an error


class EndpointFailure(Exception):
    """An endpoint does not answer: its address, what it said and for how long, in one line."""


class Stopped(Exception):
    """Another request failed for good, and this one was given up while it waited."""


def completions_url(base_url: str | None) -> str:
    """Return the address of an endpoint's chat completions.

    Its host is in lower case and its default port is left out, so that one address has one
    spelling.

    Raises:
        InputError: No address and no key for OpenAI's own is given, or the address is not http or
            holds a key.
    """
    if base_url is None and not os.environ.get(KEY):
        raise InputError(
            f"no endpoint; give a base URL like http://localhost:8000/v1, or set {KEY} for "
            f"{_OPENAI}"
        )
    check_libraries()
    import httpx2

    given = _OPENAI if base_url is None else base_url
    if any(mark in given for mark in "@?#"):
        raise InputError(
            f'the base URL has a user, a query or a fragment ("@", "?", "#"); put the key in {KEY}'
        )
    try:
        url = httpx2.URL(given)
        valid = url.scheme in ("http", "https") and bool(url.host)
    except httpx2.InvalidURL:
        valid = False
    if not valid:
        raise InputError(
            f'base URL "{given}" is no http address; write it like http://localhost:8000/v1'
        )
    return f"{str(url).rstrip('/')}/chat/completions"


def check_libraries() -> None:
    """Refuse to go on without the libraries that talk to an endpoint.

    Raises:
        InputError: One is not installed; the message has the command that installs it.
    """
    try:
        import httpx2  # noqa: F401
        import tenacity  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            f"an endpoint needs {error.name}; run: pip install 'hexapla[translate]'"
        ) from error


class Endpoint:
    """An open connection to an endpoint, for any number of threads.

    Args:
        url: Address of its chat completions.
        timeout_s: Seconds for one answer, from the request to its last byte.
        give_up_after_s: Seconds for all attempts at one request together.
        connections: Requests at once.
        insecure: Do not warn of a key that others on the way can read.

    Raises:
        InputError: The key, or the environment's proxy or certificates, cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        give_up_after_s: float,
        connections: int,
        insecure: bool = False,
    ) -> None:
        # Here, since they import the libraries of an endpoint.
        from hexapla.translate.connection import open_client
        from hexapla.translate.deadline import Deadline

        key = os.environ.get(KEY, "").strip()
        # Else the library's error about a bad header would quote the key.
        if not re.fullmatch(r"[!#-\[\]-~]*", key):
            raise InputError(
                f"{KEY} has a character that no key has: a space, a quote or a letter beyond ASCII"
            )
        if key and not insecure:
            _warn_of_http(url)
        self.url = url
        self._key = key
        self._timeout_s = timeout_s
        self._give_up_after_s = give_up_after_s
        self._refused: set[str] = set()
        self._deadline = Deadline()
        self._client = open_client(
            url,
            key=key,
            timeout_s=timeout_s,
            connections=connections,
            deadline=self._deadline,
        )

    def close(self) -> None:
        """Close the connection; answers under way are lost."""
        self._client.close()

    def complete(self, body: dict[str, Any], stop: threading.Event) -> Answer:
        """Ask until there is an answer, without the optional fields that the endpoint refuses.

        Args:
            body: The request.
            stop: Once set, nothing more is sent and every wait ends.

        Returns:
            The answer. A refusal because of the sentences is an answer with a problem.

        Raises:
            EndpointFailure: It refuses for good, or gave no answer in `give_up_after_s`.
            Stopped: `stop` was set.
        """
        while True:
            sent = {name: value for name, value in body.items() if name not in self._refused}
            try:
                return read_completion(self._ask_until_answered(sent, stop))
            except Refusal as refusal:
                problem = problem_of(refusal)
                if problem:
                    return Answer("", problem=problem)
                name = blamed_field(refusal, sent)
                if name is None:
                    raise EndpointFailure(
                        f"{self.url}: {refusal}{advice(refusal.status)}"
                    ) from None
                if name not in self._refused:
                    _log.warning(
                        "%s: asked without %s from now on, since it refused: %s",
                        self.url,
                        name,
                        refusal,
                    )
                self._refused.add(name)

    def _ask_until_answered(self, body: dict[str, Any], stop: threading.Event) -> dict[str, Any]:
        import httpx2
        import tenacity

        from hexapla.translate.connection import tls_fault

        def sleep(seconds: float) -> None:
            if stop.wait(seconds):
                raise Stopped

        def note(state: tenacity.RetryCallState) -> None:
            _log.info(
                "%s: %s; next attempt in %.0f s",
                self.url,
                self._describe(state),
                state.upcoming_sleep,
            )

        def give_up(state: tenacity.RetryCallState) -> None:
            since = f"{state.attempt_number} attempts in {state.seconds_since_start or 0:.0f} s"
            raise EndpointFailure(
                f"{self.url}: no answer after {since}: {self._describe(state)}"
            ) from None

        if stop.is_set():
            raise Stopped
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: (
                    isinstance(error, (Busy, httpx2.RequestError)) and tls_fault(error) is None
                )
            ),
            wait=_wait,
            stop=tenacity.stop_before_delay(self._give_up_after_s),
            sleep=sleep,
            before_sleep=note,
            retry_error_callback=give_up,
        )
        try:
            return retrying(self._ask, body)
        except httpx2.RequestError as error:
            raise EndpointFailure(f"{self.url}: {tls_fault(error)}") from None

    def _ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """Ask once."""
        response, received = self._receive(body)
        body_text = received.decode(errors="replace")
        try:
            answer = json.loads(received)
        except (ValueError, RecursionError):
            answer = None
        error = answer.get("error") if isinstance(answer, dict) else None
        status = response.status_code
        if response.is_success and error:  # a gateway reports that the endpoint behind it failed
            code = error.get("code") if isinstance(error, dict) else None
            status = code if isinstance(code, int) and 400 <= code < 600 else 502
        message = error.get("message") if isinstance(error, dict) else None
        quoted = self.quote(message if isinstance(message, str) else body_text)
        if may_pass(status, body_text):
            raise Busy(status, quoted, retry_after_s(response.headers.get("Retry-After")))
        if not response.is_success or error:
            raise Refusal(status, quoted, body_text)
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or not isinstance(choices, list) or not choices:
            raise EndpointFailure(
                f"{self.url}: {quoted} is no chat completion; a base URL mostly ends with /v1"
            )
        return answer

    def _receive(self, body: dict[str, Any]) -> tuple[httpx2.Response, bytearray]:
        """Send a request and return the response with its whole body.

        What is packed is unpacked in pieces of at most 1 MiB, so that the limit holds for it too.
        """
        received = bytearray()
        with (
            self._deadline.within(self._timeout_s),
            self._client.stream("POST", self.url, json=body) as response,
        ):
            for chunk in response.iter_bytes():
                received += chunk
                if len(received) > _MAX_ANSWER_MIB * 2**20:
                    raise EndpointFailure(
                        f"{self.url}: its answer has more than {_MAX_ANSWER_MIB} MiB, the most "
                        "that is read; ask for fewer sentences per request, or check the base URL"
                    )
        return response, received

    def quote(self, text: str) -> str:
        """Quote what a server said: one line, no control characters, no key."""
        shown = text.replace(self._key, "***") if self._key else text
        shown = shown[: 10 * _MAX_QUOTED]
        line = " ".join(
            "".join(letter if letter.isprintable() else " " for letter in shown).split()
        )
        return f'"{line[:_MAX_QUOTED]}"'

    def _describe(self, state: tenacity.RetryCallState) -> str:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Busy):
            return str(error)
        return f"{type(error).__name__} ({self.quote(str(error))[1:-1]})"


def _warn_of_http(url: str) -> None:
    """Warn that a key is about to be sent where everyone on the way can read it."""
    import httpx2

    address = httpx2.URL(url)
    if address.scheme == "http" and not is_loopback(address.host):
        _log.warning(
            "%s is sent unencrypted to %s, and can be read on the way; use https, or say "
            "--insecure if that network is trusted",
            KEY,
            address.host,
        )


def _wait(state: tenacity.RetryCallState) -> float:
    """Return how long to wait: as the endpoint asks, else twice as long each time.

    A random part keeps requests that failed together from coming back together.
    """
    import tenacity

    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Busy) and error.retry_after_s is not None:
        return error.retry_after_s + random.uniform(0, _FIRST_WAIT_S)
    return tenacity.wait_exponential_jitter(
        multiplier=_FIRST_WAIT_S, max=_MAX_WAIT_S, jitter=_FIRST_WAIT_S
    )(state)
