"""What an endpoint means when it answers with an error: asked too much, of the wrong thing, or only too early.

Statuses are a standard and are read strictly; messages are not, so each word that is looked for in
one is a word that some server is known to write. A word that is missed costs no answer: the run
ends with the message and is resumed.
"""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Container

KEY = "OPENAI_API_KEY"
_BUSY = frozenset({408, 409, 425, 429})
_BODY_READ = 2000  # characters of a refusal; some servers send the whole request back
# What a request can do without, with the words by which a refusal names it. Reasoning models refuse
# a temperature and `max_tokens`; many servers know no schema. A refusal that names nothing is put
# down to the schema, the likeliest.
_OPTIONAL = {
    "temperature": re.compile("temperature", re.I),
    "max_tokens": re.compile("max_tokens|max_completion_tokens", re.I),
    "response_format": re.compile("response_format|json|schema|grammar|structured", re.I),
}
_TOO_LONG = re.compile(
    r"context.{0,20}(length|size|window)|(prompt|input|request|message)s? (is |are )?too (long|large)",
    re.I,
)
_FILTERED = re.compile(r"content.?(filter|policy|management)", re.I)


class Refusal(Exception):
    """A status that asking again does not change.

    Attributes:
        body: The beginning of all that the endpoint said, where `said` is what a reader needs of
            it.
    """

    def __init__(self, status: int, said: str, body: str) -> None:
        super().__init__(f"status {status}, {said}")
        self.status = status
        self.body = body[:_BODY_READ]


class Busy(Exception):
    """A status that may change by itself.

    Attributes:
        retry_after_s: How long the endpoint asks to be left alone; None if it does not say.
    """

    def __init__(self, status: int, said: str, retry_after_s: float | None) -> None:
        asked = "" if retry_after_s is None else f", Retry-After {retry_after_s:.0f} s"
        super().__init__(f"status {status}, {said}{asked}")
        self.retry_after_s = retry_after_s


def may_pass(status: int, body: str) -> bool:
    """Say whether the same request may be answered later: not if the account has nothing left to spend."""
    return status >= 500 or (status in _BUSY and "insufficient_quota" not in body)


def problem_of(refusal: Refusal) -> str | None:
    """Name what is wrong with the sentences of a request, None if the refusal is about something else."""
    if refusal.status in (400, 422) and _FILTERED.search(refusal.body):
        return "refused"
    if refusal.status == 413 or (refusal.status in (400, 422) and _TOO_LONG.search(refusal.body)):
        return "source too long"
    return None


def blamed_field(refusal: Refusal, sent: Container[str]) -> str | None:
    """Name the optional part of a request that a refusal is about, None if it is about something else."""
    if refusal.status not in (400, 422):
        return None
    for name, words in _OPTIONAL.items():
        if name in sent and words.search(refusal.body):
            return name
    return "response_format" if "response_format" in sent else None


def advice(status: int) -> str:
    """Say what to look at after a final refusal, to end an error with."""
    if status in (401, 403):
        return f"; check {KEY}"
    return (
        "; check the base URL and the translator's name"
        if status in (404, 405) or status < 400
        else ""
    )


def retry_after_s(header: str | None) -> float | None:
    """Read a `Retry-After`, seconds or a date (RFC 9110, section 10.2.3); None for none or nonsense.

    >>> retry_after_s("7"), retry_after_s("soon"), retry_after_s("Fri, 31 Dec 1999 23:59:59 GMT")
    (7.0, None, 0.0)
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        date = email.utils.parsedate_tz(header)
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None
    return max(0.0, seconds) if math.isfinite(seconds) else None
