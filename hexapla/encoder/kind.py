"""What kind of encoder a name stands for, by its files, without loading it.

The defaults of training follow from the kind, and so does the prompt of an E5 that saved none.
Nothing here imports torch.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Any

from hexapla.encoder.locate import (
    TRIMMED,
    hub_file,
    is_bare,
    locate,
    read_json_object,
    split_revision,
)

_E5 = re.compile(r"(^|[-_/])e5(-|_|$)", re.IGNORECASE)
_INSTRUCT = re.compile(r"(^|[-_])instruct([-_]|$)", re.IGNORECASE)
# What E5's authors put before sentences that are compared with each other. Training puts one text
# before every sentence, so one instruction serves all tasks.
_E5_PROMPT = "query: "
_E5_INSTRUCTION = "Instruct: Retrieve semantically similar text.\nQuery: "
_CAUSAL_HEADS = ("ForCausalLM", "LMHeadModel")
# Decoders that may be saved without a head, by transformers' names.
_CAUSAL_TYPES = re.compile(
    "bloom|cohere|falcon|gemma[23]?(_text)?|gpt2|gpt_neox?|gptj|granite|llama|mistral|mixtral|mpt|"
    "olmo2?|opt|phi3?|qwen[23]|smollm3|stablelm|xglm"
)


class Kind(StrEnum):
    """What an encoder is before this training."""

    SENTENCE = "a sentence encoder"
    PROMPTED = "a sentence encoder with a prompt"
    CAUSAL = "a bare causal language model"
    MASKED = "a bare language model that is not causal"

    @property
    def is_bare(self) -> bool:
        """Whether nothing has trained it to embed sentences, as far as its files say."""
        return self in (Kind.CAUSAL, Kind.MASKED)


def find_kind(name: str | Path, *, ask_hub: bool = True) -> Kind:
    """Return the kind of an encoder; for one on the Hub its small files are fetched.

    Args:
        name: A Hub name, a folder, "tiny" or "small".
        ask_hub: Ask the Hub for an encoder on it, and not its local cache alone.

    Raises:
        InputError: See `locate`; or a file is damaged.
    """
    if e5_prompt(name):
        return Kind.PROMPTED
    if not is_bare(name, ask_hub=ask_hub) and not was_bare(name):
        prompts = read_small_file(name, "config_sentence_transformers.json", ask_hub).get("prompts")
        has_prompt = isinstance(prompts, dict) and any(prompts.values())
        return Kind.PROMPTED if has_prompt else Kind.SENTENCE
    config = read_small_file(name, "config.json", ask_hub)
    architectures = config.get("architectures")
    first = str(architectures[0]) if isinstance(architectures, list) and architectures else ""
    is_causal = first.endswith(_CAUSAL_HEADS) or _CAUSAL_TYPES.fullmatch(
        str(config.get("model_type"))
    )
    return Kind.CAUSAL if is_causal else Kind.MASKED


def was_bare(name: str | Path) -> bool:
    """Return whether an encoder was a bare transformer before `trim` gave it pooling."""
    return bool(read_small_file(name, TRIMMED).get("bare")) if locate(name) else False


def e5_prompt(name: str | Path) -> str:
    r"""Return the prompt of an encoder that is an E5 by its name, and "" for any other.

    >>> e5_prompt("intfloat/multilingual-e5-base"), e5_prompt("xlm-roberta-base")
    ('query: ', '')
    >>> e5_prompt("intfloat/multilingual-e5-large-instruct")
    'Instruct: Retrieve semantically similar text.\nQuery: '
    """
    folder = locate(name)
    last = (folder or Path(split_revision(str(name))[0])).name
    if not _E5.search(last):
        return ""
    return _E5_INSTRUCTION if _INSTRUCT.search(last) else _E5_PROMPT


def read_small_file(name: str | Path, file: str, ask_hub: bool = True) -> dict[str, Any]:
    """Return a JSON object of an encoder's folder or of the Hub; an empty one if it has none."""
    folder = locate(name)
    path = folder / file if folder else hub_file(str(name), file, ask_hub=ask_hub)
    return read_json_object(path) if path and path.is_file() else {}
