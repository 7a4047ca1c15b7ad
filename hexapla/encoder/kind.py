"""What kind of encoder a name stands for and which prompt it wants, by its files alone.

The defaults of training follow from the kind. Nothing here loads an encoder or imports torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args

from hexapla.encoder.alignment_record import read_alignment
from hexapla.encoder.base_names import base_names
from hexapla.encoder.locate import (
    RESULT,
    TRIMMED,
    hub_file,
    is_bare,
    locate,
    read_json_object,
)

# MTEB's task types, which are also the keys of saved prompts.
Task = Literal["BitextMining", "STS", "Classification"]

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
    if any(_saved_prompts(name, ask_hub)[0].values()) or find_prompt(name, ask_hub=ask_hub):
        return Kind.PROMPTED
    if not is_bare(name, ask_hub=ask_hub) and not was_bare(name):
        return Kind.SENTENCE
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


def find_prompt(name: str | Path, *, ask_hub: bool = True) -> str:
    """Return the prompt with which an encoder is trained and evaluated, "" for most encoders.

    Args:
        name: A Hub name, a folder, "tiny" or "small".
        ask_hub: Ask the Hub for an encoder on it, and not its local cache alone.

    Raises:
        InputError: See `locate`; or a file is damaged.
    """
    saved, default = _saved_prompts(name, ask_hub)
    if not saves_prompts(saved):
        saved = {**saved, "BitextMining": e5_prompt(name, ask_hub=ask_hub)}
    return main_prompt({**saved, **choose_prompts(saved, default)}, default)


def saves_prompts(saved: Mapping[str, str | None]) -> bool:
    """Return whether an encoder saved prompts, or that its tasks have none."""
    return any(saved.values()) or any(saved.get(task) is not None for task in get_args(Task))


def choose_prompts(saved: Mapping[str, str | None], default: str | None) -> dict[str, str]:
    """Return a prompt for every task, from those that an encoder saved under other names.

    A retriever saved prompts for queries and documents, e5-mistral for bitext and similarity. None
    are chosen where prompts by task were saved, or no prompt fits.

    Args:
        saved: Prompts by name, as sentence-transformers saves them.
        default: Name of the one for texts of which nothing else is known.

    >>> choose_prompts({"query": "query: ", "document": ""}, None)["STS"]
    'query: '
    """
    tasks = get_args(Task)
    if any(saved.get(task) is not None for task in tasks):
        return {}
    bitext, similarity = saved.get("bitext_query"), saved.get("sts_query")
    if bitext and similarity:
        return {**dict.fromkeys(tasks, similarity), "BitextMining": bitext}
    prompt = main_prompt(saved, default)
    return dict.fromkeys(tasks, prompt) if prompt else {}


def main_prompt(saved: Mapping[str, str | None], default: str | None) -> str:
    """Return the saved prompt that training puts before every text, "" if there is none.

    Args:
        saved: Prompts by name.
        default: Name of the one for texts of which nothing else is known.
    """
    of_bitext = saved.get("BitextMining")
    if of_bitext is not None:
        return of_bitext
    return next((prompt for key in (default or "", "query") if (prompt := saved.get(key))), "")


def e5_prompt(name: str | Path, *, ask_hub: bool = True) -> str:
    r"""Return the prompt of an encoder that is an E5 or made from one, and "" for any other.

    An E5 is known by its name on the Hub, its folder, its configuration or its model card. An
    aligned encoder has saved the prompt of its training, if it had one.

    >>> e5_prompt("intfloat/multilingual-e5-base", ask_hub=False), e5_prompt("tiny")
    ('query: ', '')
    >>> e5_prompt("intfloat/multilingual-e5-large-instruct", ask_hub=False)
    'Instruct: Retrieve semantically similar text.\nQuery: '
    """
    folder = locate(name)
    if folder and "prompt" in read_alignment(folder / RESULT):
        return ""
    for known in base_names(name, ask_hub=ask_hub):
        if _E5.search(known):
            return _E5_INSTRUCTION if _INSTRUCT.search(known) else _E5_PROMPT
    return ""


def show_prompt(prompt: str) -> str:
    r"""Return a prompt as messages and cards name it.

    >>> show_prompt("query: "), show_prompt(""), show_prompt("Find it.\nQuery: ")
    ('prompt "query: "', 'no prompt', 'prompt "Find it.\\nQuery: "')
    """
    return f"prompt {json.dumps(prompt, ensure_ascii=False)}" if prompt else "no prompt"


def _saved_prompts(name: str | Path, ask_hub: bool) -> tuple[dict[str, str | None], str | None]:
    """Return the prompts that an encoder saved, and the name of its default one."""
    config = read_small_file(name, "config_sentence_transformers.json", ask_hub)
    prompts, default = config.get("prompts"), config.get("default_prompt_name")
    texts = prompts.items() if isinstance(prompts, dict) else ()
    named: dict[str, str | None] = {key: text for key, text in texts if isinstance(text, str)}
    return named, default if isinstance(default, str) else None


def read_small_file(name: str | Path, file: str, ask_hub: bool = True) -> dict[str, Any]:
    """Return a JSON object of an encoder's folder or of the Hub; an empty one if it has none."""
    folder = locate(name)
    path = folder / file if folder else hub_file(str(name), file, ask_hub=ask_hub)
    return read_json_object(path) if path and path.is_file() else {}
