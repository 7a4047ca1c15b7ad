"""What an endpoint means by an error: the request is too long, is refused, or came too early.

Statuses are standardised and are read strictly. Messages are not, so each word that is looked for
is one that some server is known to write. A word that is missed costs no answer: the run ends with
the message, and can be resumed.
"""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Container

KEY = "OPENAI_API_KEY"
_BUSY = frozenset({408, 409, 425, 429})
_MAX_RETRY_AFTER_S = 1e9  # longer than any run, and readable in an error
_MAX_BODY = 2000  # characters of a refusal that are read; some servers send the request back
# The optional fields of a request, with the words by which a refusal names them. Reasoning models
# refuse a temperature and `max_tokens`; many servers know no schema. A refusal that names nothing
# is put down to the schema, the most likely one.
_OPTIONAL = {
    "temperature": re.compile("temperature", re.I),
    "max_tokens": re.compile("max_tokens|max_completion_tokens", re.I),
    "response_format": re.compile("response_format|json|schema|grammar|structured", re.I),
}
_TOO_LONG = re.compile(
    r"context.{0,20}(length|size|window)|"
    r"(prompt|input|request|message)s? (is |are )?too (long|large)",
    re.I,
)
_FILTERED = re.compile(r"content.?(filter|policy|management)", re.I)


class Refusal(Exception):
    """An error that stays the same when the request is repeated.

    Args:
        status: HTTP status.
        quoted: The part of the answer that a reader needs.
        body: The whole answer.

    Attributes:
        status: HTTP status.
        body: The beginning of the answer.
    """

    def __init__(self, status: int, quoted: str, body: str) -> None:
        super().__init__(f"status {status}, {quoted}")
        self.status = status
        self.body = body[:_MAX_BODY]


class Busy(Exception):
    """An error that may pass by itself.

    Args:
        status: HTTP status.
        quoted: The part of the answer that a reader needs.
        retry_after_s: Seconds to wait.

    Attributes:
        retry_after_s: Seconds that the endpoint asks to wait; None if it does not say.
    """

    def __init__(self, status: int, quoted: str, retry_after_s: float | None) -> None:
        asked = "" if retry_after_s is None else f", Retry-After {retry_after_s:.0f} s"
        super().__init__(f"status {status}, {quoted}{asked}")
        self.retry_after_s = retry_after_s


def may_pass(status: int, body: str) -> bool:
    """Return whether the same request may be answered later; not once a quota is spent."""
    return status >= 500 or (status in _BUSY and "insufficient_quota" not in body)


def problem_of(refusal: Refusal) -> str | None:
    """Name the problem of a request's sentences; None if the refusal has another reason."""
    if refusal.status in (400, 422) and _FILTERED.search(refusal.body):
        return "refused"
    if refusal.status == 413 or (refusal.status in (400, 422) and _TOO_LONG.search(refusal.body)):
        return "source too long"
    return None


def blamed_field(refusal: Refusal, sent: Container[str]) -> str | None:
    """Name the optional field that a refusal is about; None if it has another reason."""
    if refusal.status not in (400, 422):
        return None
    for name, words in _OPTIONAL.items():
        if name in sent and words.search(refusal.body):
            return name
    return "response_format" if "response_format" in sent else None


def advice(status: int) -> str:
    """Say what to check after a final refusal, as the end of an error."""
    if status in (401, 403):
        return f"; check {KEY}"
    return (
        "; check the base URL and the translator's name"
        if status in (404, 405) or status < 400
        else ""
    )


def retry_after_s(header: str | None) -> float | None:
    """Read a `Retry-After` header: seconds or a date (RFC 9110, section 10.2.3).

    Returns:
        Seconds to wait; None without a header, or for one that is neither.

    >>> retry_after_s("7"), retry_after_s("soon"), retry_after_s("Fri, 31 Dec 1999 23:59:59 GMT")
    (7.0, None, 0.0)
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = email.utils.parsedate_tz(header)
            seconds = email.utils.mktime_tz(date) - time.time() if date else math.nan
        except (ValueError, OverflowError):  # a year that no calendar has
            return None
    return min(max(0.0, seconds), _MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None
