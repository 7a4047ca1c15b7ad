"""Records and cards without the paths of this machine, which are nobody else's business.

A path becomes its last part: a corpus at /home/anna/corpora/support is called "support".
"""

from __future__ import annotations

import json
import re
from typing import Any

# At least two parts, the first of three characters or more: "/answer" may be a prompt. It must not
# be part of an address such as https://huggingface.co/org/name, or of a relative path.
_PATH = re.compile(
    r"(?<![\w.:/~\\-])"
    r"(?:file:/{1,3}|~/|/(?=[A-Za-z][\w.-]{2,}/)|[A-Za-z]:[\\/]|\\\\)"
    r"(?:[^\s/\\\"'`<>|,;:()\[\]{}]+[/\\]+)+"
    r"([^\s/\\\"'`<>|,;:()\[\]{}]*)"
)
# Texts that an encoder reads, in which everything stays as it is.
_TEXTS = ("prompt", "teacher_prompt", "example", "prompts")
# What transformers notes of the place that an encoder was loaded from.
_PLACES = ("_name_or_path", "name_or_path", "base_model_name_or_path")


def without_paths(text: str) -> str:
    r"""Return a text in which every absolute path is its last part.

    >>> without_paths("read /home/anna/corpora/support and https://example.org/a/b")
    'read support and https://example.org/a/b'
    >>> without_paths(r"C:\data\corpus"), without_paths("runs/aligned"), without_paths("/answer: ")
    ('corpus', 'runs/aligned', '/answer: ')
    """
    return _PATH.sub(lambda found: found[1] or found[0].rstrip("/\\").split("/")[-1], text)


def clean_record(content: Any) -> Any:
    """Return a parsed record with no absolute path in any of its texts but prompts and examples."""
    if isinstance(content, dict):
        return {
            without_paths(key): value if key in _TEXTS else clean_record(value)
            for key, value in content.items()
        }
    if isinstance(content, list):
        return [clean_record(value) for value in content]
    return without_whole_path(content) if isinstance(content, str) else content


def without_whole_path(text: str) -> str:
    """Return a text without its paths; one that is a path as a whole may have spaces in it.

    >>> without_whole_path("/home/anna/my corpora/support mails"), without_whole_path("/home")
    ('support mails', '/home')
    """
    is_path = re.fullmatch(r"(?:~?/|[A-Za-z]:[\\/])[^\n]*[/\\][^\n]*", text)
    if is_path and not text.startswith("//"):
        return re.split(r"[/\\]+", text.rstrip("/\\"))[-1]
    return without_paths(text)


def clean_configuration(content: Any) -> Any:
    """Return a parsed configuration in which a place that is a path has only its last part."""
    if isinstance(content, dict):
        return {
            key: without_whole_path(value)
            if key in _PLACES and isinstance(value, str)
            else clean_configuration(value)
            for key, value in content.items()
        }
    return content


def cleaned(name: str, text: str, records: tuple[str, ...]) -> str:
    """Return the content of a file without paths of this machine; the same text if it has none.

    Args:
        name: Name of the file.
        text: Its content.
        records: Names of the files that record a run; other JSON files are configurations.
    """
    if name.endswith(".md"):
        return without_paths(text)
    before = json.loads(text)
    after = clean_record(before) if name in records else clean_configuration(before)
    return text if after == before else json.dumps(after, indent=2, ensure_ascii=False) + "\n"
