"""The card of a folder as it is pushed, and what is checked in it before anything is sent.

The Hub checks the same and more when it receives a card.
"""

from __future__ import annotations

import re
from typing import Any

from hexapla.errors import InputError
from hexapla.push.machine_paths import without_paths
from hexapla.push.push_folder import CARD, PushFolder

_NAMES = ("sentence_transformers_model_id",)  # what stands for the name in cards of the library
_LANGUAGE = re.compile("[a-z]{2,3}|code|multilingual")
_PLAIN = "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\n---\n\n"


def make_pushed_card(chosen: PushFolder, repository: str) -> str:
    """Return the card with the repository's name where it says how to load, and without paths.

    Raises:
        InputError: The card cannot be read, or the Hub would refuse its front matter.
    """
    path = chosen.folder / CARD
    name = chosen.folder.resolve().name
    text = f"{_PLAIN}# {repository.partition('/')[2]}\n"
    if path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
        except ValueError as error:
            raise InputError(f"{path} is no UTF-8 text; save it as UTF-8") from error
    for given in (*_NAMES, name):
        text = text.replace(
            f'SentenceTransformer("{given}")', f'SentenceTransformer("{repository}")'
        )
    text = without_paths(text)
    read_front_matter(chosen, text)
    return text


def read_front_matter(chosen: PushFolder, text: str) -> dict[str, Any]:
    """Return the front matter of a card, checked.

    Raises:
        InputError: It is not YAML, or a value is not what the Hub takes.
    """
    from huggingface_hub import DatasetCard, ModelCard
    from yaml import YAMLError

    path = chosen.folder / CARD
    try:
        card: Any = (ModelCard if chosen.kind == "model" else DatasetCard)(text)
        front: dict[str, Any] = card.data.to_dict()
    except (ValueError, TypeError, YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: its front matter, between the lines ---, is not valid: {reason}; correct it"
        ) from error
    languages = front.get("language") or []
    for language in [languages] if isinstance(languages, str) else languages:
        if not _LANGUAGE.fullmatch(str(language)):
            raise InputError(
                f'{path}: language is "{language}"; the Hub takes codes of two or three small '
                "letters such as de, and longer ones under language_bcp47"
            )
    return front
