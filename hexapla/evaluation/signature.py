"""The signature of a score: one line with all that reproduces it, in the manner of sacrebleu."""

from __future__ import annotations

from collections.abc import Mapping


def signature(fields: Mapping[str, object]) -> str:
    """Join fields into one line.

    Fields that are None do not apply and are left out. `|` inside a value becomes `%7C`, so that a
    prompt or file name cannot be mistaken for a field.

    >>> signature({"task": "bitext/sib200", "k": None, "prompt": "query: "})
    'task:bitext/sib200|prompt:query: '
    """
    return "|".join(
        f"{key}:{_escape(str(value))}" for key, value in fields.items() if value is not None
    )


def parse_signature(text: str) -> dict[str, str]:
    """Split a signature into its fields.

    >>> parse_signature("task:bitext/sib200|prompt:query: ")
    {'task': 'bitext/sib200', 'prompt': 'query: '}
    """
    pairs = (field.partition(":") for field in text.split("|"))
    return {key: _unescape(value) for key, _, value in pairs}


def _escape(value: str) -> str:
    return value.replace("%", "%25").replace("|", "%7C")


def _unescape(value: str) -> str:
    return value.replace("%7C", "|").replace("%25", "%")
